"""What a witness behind a webhook is sent, what it may answer, and what is never told of it."""

import base64
import json
import logging
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

import canary
from apikeychain.backends import webhook_witness
from apikeychain.backends.file_witness import FileWitness
from apikeychain.backends.standard_webhooks import signed_lines
from apikeychain.backends.webhook_witness import WebhookWitness
from apikeychain.backends.witness_protocol import answered
from apikeychain.errors import (
    BackendUnavailableError,
    DamagedDataError,
    InvalidValueError,
    NotOpenError,
    SettingsError,
    WitnessRefusedError,
)
from apikeychain.model.ids import TenantId
from apikeychain.ports.witness import Extension
from apikeychain.proof.reading import canonical_json
from apikeychain.secret import Secret
from apikeychain.testing.checkpoints import ACME, KEYS, OTHER, extension, key_list, said, signed, written
from apikeychain.testing.local_provider import LocalProvider, Visit
from served_witness import NEXT_SECRET, SECRET

CHAIN = written(ACME, 20)
FIRST = extension(CHAIN[:3])
BOTH = [Secret(SECRET), Secret(NEXT_SECRET)]


class Stand:
    """What stands where a witness should: it answers with what it was told, one after another."""

    def __init__(self, provider: LocalProvider) -> None:
        self.provider = provider
        self._said: list[tuple[int, bytes]] = [(204, b"")]
        provider.on("/witness", self._answer)

    def says(self, *answers: tuple[int, bytes]) -> None:
        self._said = [*answers]

    async def _answer(self, visit: Visit) -> None:
        status, body = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        lines = [(b"location", b"https://localhost:%d/elsewhere" % self.provider.port), (b"set-cookie", b"a=b")]
        await visit.answer(status, lines, body)

    def witness(self, **more: Any) -> WebhookWitness:
        given: dict[str, Any] = {"secrets": [Secret(SECRET)], "ca_file": self.provider.ca_pem_path} | more
        return WebhookWitness(f"https://localhost:{self.provider.port}/witness", **given)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(each.body) for each in self.provider.requests]


@pytest.fixture
async def stand() -> AsyncGenerator[Stand, None]:
    async with LocalProvider("localhost") as provider:
        yield Stand(provider)


def verified(stand: Stand, secret: str, number: int = 0) -> None:
    sent = stand.provider.requests[number]
    lines = {name.decode(): value.decode() for name, value in sent.lines}
    Webhook(secret).verify(bytes(sent.body), lines)


async def test_each_question_is_signed_so_that_another_library_verifies_it(stand: Stand) -> None:
    async with stand.witness() as witness:
        await witness.publish([FIRST])
        await witness.vouch([key_list(KEYS)])
        stand.says((200, b'{"checkpoint":null}'))
        assert await witness.latest(ACME) is None
        stand.says((200, b'{"key_lists":["a"]}'))
        assert list(await witness.key_lists()) == ["a"]
    for number, kind in enumerate(("publish", "vouch", "latest", "key_lists")):
        verified(stand, SECRET, number)
        assert stand.bodies[number]["type"] == f"witness.{kind}"
        with pytest.raises(WebhookVerificationError):
            verified(stand, NEXT_SECRET, number)
        request = stand.provider.requests[number]
        assert (request.method, request.target) == ("POST", b"/witness")
        assert request.headers.get(b"content-type") == b"application/json"
    assert len({request.headers.get(b"webhook-id") for request in stand.provider.requests}) == 4


async def test_two_secrets_overlap(stand: Stand) -> None:
    async with stand.witness(secrets=BOTH) as witness:
        await witness.publish([FIRST])
    verified(stand, SECRET)
    verified(stand, NEXT_SECRET)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the specification's own text.
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    lines = signed_lines([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert lines["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_what_is_sent_again_has_the_same_id_and_its_own_moment(stand: Stand) -> None:
    moments = iter((1_800_000_000.0, 1_800_000_009.0))
    stand.says((503, b""), (204, b""))
    async with stand.witness(now=lambda: next(moments)) as witness:
        await witness.publish([FIRST])
    first, second = (dict(request.lines) for request in stand.provider.requests)
    assert first[b"webhook-id"] == second[b"webhook-id"]
    assert (first[b"webhook-timestamp"], second[b"webhook-timestamp"]) == (b"1800000000", b"1800000009")
    assert first[b"webhook-signature"] != second[b"webhook-signature"]


async def test_a_moment_is_sent_with_its_note_once_and_many_in_several_requests(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_witness, "_AT_ONCE", 2)
    tenants = [TenantId(f"t{number}") for number in range(5)]
    given = [Extension(each, 0, ()) for each in signed(*(said(written(tenant, 2)) for tenant in tenants))]
    refusing = (409, canonical_json({"reasons": {"t0": "because"}})), (204, b"")
    stand.says(*refusing, (409, canonical_json({"reasons": {"t4": "so"}})))
    async with stand.witness() as witness:
        with pytest.raises(WitnessRefusedError) as refused:
            await witness.publish(given)
    assert refused.value.reasons == {"t0": "because", "t4": "so"}
    sizes = [[len(moment["extensions"]) for moment in body["data"]["moments"]] for body in stand.bodies]
    assert sizes == [[2], [2], [1]]
    stand.says(refusing[0], (404, b""))
    async with stand.witness() as witness:
        with pytest.raises(WitnessRefusedError) as refused:
            await witness.publish(given)
    away = "it was not kept: its answer (404) is not one that helps"
    assert refused.value.reasons == {"t0": "because", "t2": away, "t3": away, "t4": away}
    assert len(stand.bodies) == 5
    stand.says((404, b""))
    async with stand.witness() as witness:
        with pytest.raises(BackendUnavailableError):
            await witness.publish(given)


@pytest.mark.parametrize(
    ("answer", "told", "times"),
    [
        ((401, b""), r"does not take the signature \(401\): is the secret the same there, and the clock right\?", 1),
        ((403, b""), "does not take the signature", 1),
        ((404, b"no"), r"its answer \(404\) is not one that helps", 1),
        ((307, b""), r"its answer \(307\) is not one that helps", 1),
        ((429, b""), r"its answer \(429\)", 3),
        ((502, b"<html>"), r"its answer \(502\)", 3),
        ((200, b"<html>"), "its answer cannot be read", 1),
        ((200, b"{}"), "its answer cannot be read", 1),
        ((200, b'{"checkpoint":{}}'), "its answer cannot be read", 1),
        ((200, b'{"checkpoint":1}'), "its answer cannot be read", 1),
        ((409, b"no reason"), "its answer cannot be read", 1),
        ((409, b'{"reasons":{}}'), "its answer cannot be read", 1),
        ((409, b'{"reasons":{"a":1}}'), "its answer cannot be read", 1),
        ((200, b" " * 5_000_000), "its answer is too long", 3),
    ],
    ids=[
        *("unsigned", "forbidden", "nowhere", "elsewhere", "throttled", "broken", "a page", "nothing", "empty"),
        *("a number", "no reason", "no reasons", "odd reasons", "too long"),
    ],
)
async def test_an_answer_that_helps_nobody_is_told(
    stand: Stand, answer: tuple[int, bytes], told: str, times: int
) -> None:
    stand.says(answer)
    async with stand.witness() as witness:
        with pytest.raises(BackendUnavailableError, match=told):
            await witness.latest(ACME)
    assert [request.target for request in stand.provider.requests] == [b"/witness"] * times


async def test_a_checkpoint_of_another_tenant_is_none(stand: Stand) -> None:
    last = FIRST.checkpoint
    told = {"index": 0, "note": last.note, "path": [], "statement": last.statement}
    stand.says((200, canonical_json({"checkpoint": told})))
    async with stand.witness() as witness:
        assert await witness.latest(ACME) == last
        with pytest.raises(DamagedDataError, match="of the tenant 'other'"):
            await witness.latest(OTHER)


async def test_a_certificate_that_nobody_trusts_is_told() -> None:
    async with LocalProvider("localhost", certificate="unknown") as provider, Stand(provider).witness() as witness:
        with pytest.raises(BackendUnavailableError, match="its certificate is not trusted: give ca_file="):
            await witness.key_lists()


async def test_nobody_there_is_told_and_the_gate_opens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = canary.secret("path")
    witness = WebhookWitness(f"http://127.0.0.1:1/{token}", secrets=[Secret(SECRET)])
    async with witness:
        with pytest.raises(BackendUnavailableError, match="it does not answer") as error:
            await witness.publish([FIRST])
    assert "the webhook is no witness now: it does not answer" in caplog.text
    assert token not in caplog.text + str(error.value) + repr(witness)
    assert SECRET not in caplog.text + repr(witness) + repr(witness._place.secrets)
    with pytest.raises(NotOpenError, match="the witness is not open"):
        await witness.key_lists()


async def test_authorities_that_cannot_be_read_are_told() -> None:
    with pytest.raises(SettingsError, match="ca_file: /nowhere cannot be read"):
        await WebhookWitness("https://a.example", secrets=BOTH, ca_file="/nowhere").__aenter__()


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "ftp://a.example/x", "http://a.example/x", "https://user@a.example/x", "https://a.example/#x"),
        *(
            "https://a.example:x/",
            "https:///x",
            "https://a.example/ x",
            "https://a.example\\@b.example/",
            "https://[x/",
        ),
        *("https://a.example:99999999/", "https://xn--/", "https://a.example/<x>"),
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="url: write https://host/path"):
        WebhookWitness(url, secrets=BOTH)


@pytest.mark.parametrize(
    "url", ["https://a.example", "https://a.example:8443/x/y?z=1", "http://[::1]:80/x", "http://localhost/"]
)
def test_an_address_is_taken(url: str) -> None:
    assert WebhookWitness(url, secrets=BOTH)._place._url == url


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ([], "give one secret, or 2 while"),
        ([SECRET] * 3, "give one secret, or 2 while"),
        (["a-made-up-secret"], "is whsec_ and the base64"),
        (["whsec_MfKQ9r8G"], "is whsec_ and the base64"),
        (["whsec_" + "!" * 32], "is whsec_ and the base64"),
        (["whsec_" + base64.b64encode(bytes(65)).decode()], "is whsec_ and the base64"),
        ([SECRET.removeprefix("whsec_")], "is whsec_ and the base64"),
    ],
    ids=["none", "three", "another", "short", "odd", "long", "bare"],
)
def test_what_is_no_secret_of_a_webhook_is_refused(secrets: list[str], told: str) -> None:
    with pytest.raises(SettingsError, match=told) as error:
        WebhookWitness("https://a.example/", secrets=[Secret(secret) for secret in secrets])
    assert not any(secret in str(error.value) for secret in secrets)


class Keeping:
    """A witness that fails in the way that it is told."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    async def publish(self, extensions: object) -> None:
        if self.fault:
            raise self.fault

    latest = vouch = publish


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"\xff", b'{"type":"witness.latest"}', b'{"type":"x","data":{}}'),
        *(b'{"type":"witness.latest","data":{}}', b'{"type":"witness.latest","data":{"tenant":"../x"}}'),
        *(b'{"type":"witness.vouch","data":{"key_lists":[1]}}', b'{"type":"witness.publish","data":{"moments":[1]}}'),
        b'{"type":"witness.publish","data":{"moments":[{"note":"","extensions":[{}]}]}}',
    ],
)
async def test_a_request_that_is_none_is_told(body: bytes) -> None:
    status, told = await answered(Keeping(), body)  # type: ignore[arg-type]  # nothing of it is asked
    assert status == 400
    assert json.loads(told)["error"]


async def test_both_sides_understand_each_other(stand: Stand, tmp_path: Path) -> None:
    kept = FileWitness(tmp_path / "witness.jsonl")

    async def receive(visit: Visit) -> None:
        await visit.read_all()
        status, body = await answered(kept, bytes(visit.received.body))
        await visit.answer(status, body=body)

    stand.provider.on("/witness", receive)
    lists = [key_list(KEYS)]
    async with stand.witness() as witness:
        assert await witness.latest(ACME) is None
        await witness.publish([FIRST])
        await witness.vouch(lists)
        assert await witness.latest(ACME) == FIRST.checkpoint == await kept.latest(ACME)
        assert list(await witness.key_lists()) == lists
        with pytest.raises(WitnessRefusedError, match="acme: it goes on from 2 entries, and 3 are witnessed"):
            await witness.publish([extension(CHAIN[:9], 2, 1)])
        await witness.publish([extension(CHAIN[:9], 3, 1)])


async def test_a_witness_that_is_away_is_503_and_one_that_refuses_409() -> None:
    body = b'{"type":"witness.publish","data":{"moments":[]}}'
    away, refusing = Keeping(BackendUnavailableError("x")), Keeping(WitnessRefusedError({"acme": "y"}))
    assert await answered(away, body) == (503, b"")  # type: ignore[arg-type]  # these two verbs are all
    assert await answered(refusing, body) == (409, b'{"reasons":{"acme":"y"}}')  # type: ignore[arg-type]  # likewise


def test_no_other_error_comes_from_a_secret() -> None:
    with pytest.raises(InvalidValueError):
        signed_lines([Secret("a-made-up-secret")], "msg", int(time.time()), b"")
