"""Access keys of an IAM user: what is ours is never taken for what broke off."""

from collections.abc import AsyncGenerator

import pytest

from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.ports.rotator import Order
from apikeychain.ports.upstream import Upstream
from apikeychain.rotation.aws_iam_rotator import AWSIAMRotator
from apikeychain.secret import Secret
from apikeychain.testing.servers.aws import AWSServer
from apikeychain.testing.upstream_scene import LocalGuard
from iam_front import HOW, IAMFront, iam_front

AGAIN = Order(label="apikeychain-p-1", again=True)


@pytest.fixture
async def upstream() -> AsyncGenerator[Upstream, None]:
    async with AiohttpUpstream(LocalGuard()) as upstream:
        yield upstream


@pytest.fixture
async def front(aws: AWSServer) -> AsyncGenerator[IAMFront, None]:
    async with iam_front(aws) as front:
        yield front


async def test_a_key_is_the_pair_that_signs(front: IAMFront, upstream: Upstream) -> None:
    made = await AWSIAMRotator(HOW, front.access(upstream)).create(Order(label="apikeychain-p-1"))
    assert made.key.reveal().decode() == front.made[made.id]
    assert made.id.startswith("AKIA")


async def test_the_key_that_the_secret_holds_is_never_ended(front: IAMFront, upstream: Upstream) -> None:
    held, lost = await _id(front), await _id(front)
    access = front.access(upstream, {"sts": Secret(f"{held}:a-made-up-secret-key")})
    made = await AWSIAMRotator(HOW, access).create(AGAIN)
    assert {*await front.alive()} == {held, front.made[made.id]}
    assert lost not in await front.alive()
    assert made.orphans == ()


async def test_the_key_that_makes_keys_is_never_ended(front: IAMFront, upstream: Upstream) -> None:
    text = await front.make()
    # A user who makes its own keys, as IAM lets it with a policy.
    await front.allow()
    access = front.access(upstream, {"iam-admin": Secret(text)})
    made = await AWSIAMRotator(HOW, access).create(AGAIN)
    assert {*await front.alive()} == {text.partition(":")[0], front.made[made.id]}


async def test_a_key_that_may_make_none_is_refused_for_good(front: IAMFront, upstream: Upstream) -> None:
    access = front.access(upstream, {"iam-admin": Secret(await front.make())})
    with pytest.raises(RotationRefusedError, match="refused to make an access key"):
        await AWSIAMRotator(HOW, access).create(Order(label="apikeychain-p-1"))
    assert len(await front.alive()) == 1


async def test_what_is_known_is_never_ended(front: IAMFront, upstream: Upstream) -> None:
    known = await _id(front)
    order = Order(label="apikeychain-p-1", again=True, known=(known,))
    made = await AWSIAMRotator(HOW, front.access(upstream)).create(order)
    assert {*await front.alive()} == {known, front.made[made.id]}


async def test_a_third_key_is_refused_for_good(front: IAMFront, upstream: Upstream) -> None:
    await front.make()
    await front.make()
    with pytest.raises(RotationRefusedError, match=r"refused to make an access key \(HTTP 409\)"):
        await AWSIAMRotator(HOW, front.access(upstream)).create(Order(label="apikeychain-p-1"))


async def test_what_cannot_be_ended_is_named(front: IAMFront, upstream: Upstream) -> None:
    lost = await _id(front)
    rotator = AWSIAMRotator(HOW, front.access(upstream))
    front.refused = {"DeleteAccessKey"}
    assert (await rotator.create(AGAIN)).orphans == (lost,)
    with pytest.raises(RotationRefusedError) as refused:
        await rotator.create(AGAIN)
    assert lost in refused.value.orphans


async def test_where_listing_is_refused_the_label_is_named(front: IAMFront, upstream: Upstream) -> None:
    front.refused = {"ListAccessKeys"}
    assert (await AWSIAMRotator(HOW, front.access(upstream)).create(AGAIN)).orphans == (AGAIN.label,)


async def test_a_new_key_may_be_refused_at_first(front: IAMFront, upstream: Upstream) -> None:
    rotator = AWSIAMRotator(HOW, front.access(upstream))
    made = await rotator.create(Order(label="apikeychain-p-1"))
    front.slow = 3
    await rotator.verify(made.key)
    front.slow = 5
    with pytest.raises(RotationRefusedError):
        await rotator.verify(made.key)


async def test_a_secret_that_is_no_pair_is_refused_before_anything_is_ended(
    front: IAMFront, upstream: Upstream
) -> None:
    lost = await _id(front)
    access = front.access(upstream, {"sts": Secret("no-access-key")})
    with pytest.raises(RotationRefusedError, match="id:secret"):
        await AWSIAMRotator(HOW, access).create(AGAIN)
    assert await front.alive() == [lost]


async def test_a_key_that_no_secret_can_hold_is_not_known(front: IAMFront, upstream: Upstream) -> None:
    front.instead = b"<a><AccessKeyId>A</AccessKeyId><SecretAccessKey>b</SecretAccessKey></a>"
    with pytest.raises(BackendUnavailableError, match="no secret can hold"):
        await AWSIAMRotator(HOW, front.access(upstream)).create(Order(label="apikeychain-p-1"))


async def _id(front: IAMFront) -> str:
    return (await front.make()).partition(":")[0]
