"""`SignedAuth`: what an httpx client sends with it is what the gate takes."""

import io
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apikeychain.client import SignedAuth
from apikeychain.errors import InvalidValueError, SignatureRefusedError
from apikeychain.secret import Secret
from signature_vectors import a_call, require_signed

KEY = "aks_" + "k" * 43
NOW = 1767322445.9
URL = "https://host.example/api/apikeychain/p_abcdefghijklmnopqrst/proxy/pay"
SESSION = "s1.k_2345.1767323045.dXNlci00Mg"  # of user-42
PIECES = [b"one", b"", b"two"]


class Gate:
    """Stands for a server: keeps what arrives, and judges it as the gate does."""

    def __init__(self, **answers: httpx.Response) -> None:
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self._answers = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(request.read())
        return self._answers.get(request.url.path.rpartition("/")[2], httpx.Response(204))

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)

    def require_signed(self, place: int = -1, *, names: tuple[str, ...] = (), key: str = KEY) -> None:
        request = self.requests[place]
        lines = [(name.lower(), value) for name, value in request.headers.raw]
        call = a_call(request.method, request.url.raw_path, lines, prefix="/api/apikeychain")
        require_signed(call, key, self.bodies[place], at=NOW, names=names)


def an_auth(key_id: str = "k_2345", key: Secret | str = KEY, **more: Any) -> SignedAuth:
    return SignedAuth(key_id, key, now=lambda: NOW, **more)


def sent(auth: SignedAuth, method: str = "GET", url: str = URL, **more: Any) -> Gate:
    gate = Gate()
    with httpx.Client(transport=gate.transport, auth=auth) as client:
        client.request(method, url, **more)
    return gate


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"params": {"q": "São Paulo", "c": "a/b+c d", "e": ""}},
        {"method": "POST", "json": {"to": "alíce"}},
        {"method": "POST", "data": {"a": "b c"}},
        {"method": "PUT", "content": bytes(range(256))},
        {"method": "POST", "files": {"file": ("a.txt", b"content")}},
        {"url": URL + "/S%C3%A3o/%7e;a=b//c?d?e=%2f"},
        {"url": URL + "/São Paulo?ü=ß&x"},
    ],
    ids=str,
)
def test_what_a_client_sends_is_signed_as_it_is_sent(more: dict[str, Any]) -> None:
    gate = sent(an_auth(), **more)
    gate.require_signed()
    with pytest.raises(SignatureRefusedError):
        gate.require_signed(key=KEY + "x")


async def test_an_async_client_signs_too() -> None:
    gate = Gate()
    async with httpx.AsyncClient(transport=gate.transport, auth=an_auth(key=Secret(KEY))) as client:
        await client.post(URL, json={"a": 1})
        await client.post(URL, content=_slowly())
        gate.require_signed(0)
        gate.require_signed(1)
    assert gate.bodies[1] == b"onetwo"


async def _slowly() -> AsyncGenerator[bytes, None]:
    for piece in PIECES:
        yield piece


def test_each_send_has_a_nonce_of_its_own() -> None:
    gate, auth = Gate(), an_auth()
    with httpx.Client(transport=gate.transport) as client:
        request = client.build_request("POST", URL, content=iter(PIECES))
        for _ in range(3):
            client.send(request, auth=auth)
            gate.require_signed()
    nonces = {request.headers.get_list("x-nonce")[-1] for request in gate.requests}
    assert len(gate.requests[0].headers.get_list("x-signature")) == 1
    assert all(len(nonce) == 24 for nonce in nonces)


def test_signing_the_same_request_again_replaces_the_lines_of_before() -> None:
    auth, request, seen = an_auth(), httpx.Request("GET", URL), set[str]()
    for _ in range(3):
        signed = next(auth.sync_auth_flow(request))
        assert len(signed.headers.get_list("x-nonce")) == 1
        seen.add(signed.headers["x-nonce"])
    assert len(seen) == 3


def test_a_redirect_that_is_followed_by_hand_is_signed_for_its_own_address() -> None:
    gate = Gate(pay=httpx.Response(303, headers={"location": URL + "/receipt"}))
    with httpx.Client(transport=gate.transport, auth=an_auth()) as client:
        answer = client.post(URL, content=b"amount=100")
        assert answer.next_request is not None
        client.send(answer.next_request)
    assert [(request.method, body) for request, body in zip(gate.requests, gate.bodies, strict=True)] == [
        ("POST", b"amount=100"),
        ("GET", b""),
    ]
    gate.require_signed()


def test_a_stream_without_its_hash_is_read_and_hashed() -> None:
    gate = sent(an_auth(), "POST", content=iter(PIECES))
    assert gate.bodies == [b"onetwo"]
    gate.require_signed()


def test_a_stream_with_its_hash_is_not_read_before_it_is_sent() -> None:
    told: list[str] = []

    def body() -> Generator[bytes, None, None]:
        told.append("read")
        yield from PIECES

    digest = SignedAuth.sha256_of(io.BytesIO(b"".join(PIECES)))
    request = httpx.Request("POST", URL, content=body(), headers={"x-content-sha256": digest})
    signed = next(an_auth().sync_auth_flow(request))
    assert told == []
    gate = Gate()
    gate(signed)
    assert told == ["read"]
    gate.require_signed()


async def test_an_async_stream_with_its_hash_is_not_read_before_it_is_sent() -> None:
    digest = SignedAuth.sha256_of(io.BytesIO(b"".join(PIECES)))
    request = httpx.Request("POST", URL, content=_slowly(), headers={"x-content-sha256": digest})
    signed = await anext(an_auth().async_auth_flow(request))
    with pytest.raises(httpx.RequestNotRead):
        _ = signed.content
    assert signed.headers["x-content-sha256"] == digest


def test_a_hash_that_belongs_to_another_body_is_put_right() -> None:
    gate = sent(an_auth(), "POST", content=b"a", headers={"x-content-sha256": "0" * 64})
    gate.require_signed()


def test_the_hash_of_a_file_is_that_of_what_will_be_sent(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"0123456789" * 100_000)
    whole = SignedAuth.sha256_of(path)
    assert whole == SignedAuth.sha256_of(str(path)) == SignedAuth.sha256_of(io.BytesIO(path.read_bytes()))
    with path.open("rb") as file:
        file.seek(10)
        assert SignedAuth.sha256_of(file) == SignedAuth.sha256_of(io.BytesIO(path.read_bytes()[10:])) != whole
        assert file.tell() == 10


def test_the_user_is_sent_and_signed() -> None:
    gate = sent(an_auth(user="user-42"))
    assert gate.requests[0].headers["x-iso-user"] == "user-42"
    gate.require_signed()
    assert "x-iso-user" not in sent(an_auth()).requests[0].headers


def test_a_user_whom_the_request_names_is_signed_unless_the_auth_names_one() -> None:
    named = {"x-iso-user": "user-7"}
    gate = sent(an_auth(), headers=named)
    assert gate.requests[0].headers["x-iso-user"] == "user-7"
    gate.require_signed()
    assert sent(an_auth(user="user-42"), headers=named).requests[0].headers.get_list("x-iso-user") == ["user-42"]


def test_a_session_key_says_its_user_itself() -> None:
    gate = sent(an_auth(SESSION))
    assert gate.requests[0].headers["x-iso-user"] == "user-42"
    gate.require_signed()


@pytest.mark.parametrize("key_id", ["s1.k_2345", "s1.k_2345.1767323045.", "s1.k.1.A", "s1.k.1.w6k"])
def test_an_id_that_is_no_session_keys_is_refused(key_id: str) -> None:
    with pytest.raises(InvalidValueError, match="not the id of a session key"):
        an_auth(key_id)


def test_the_signed_headers_are_those_that_are_sent() -> None:
    auth = an_auth(signed_headers=["X-Tenant", "user-agent", "x-absent"])
    gate = sent(auth, headers={"x-tenant": " t1 "})
    gate.requests[0].headers["x-tenant"] = "t1"  # as a server reads it
    gate.require_signed(names=("user-agent", "x-absent", "x-tenant"))


@pytest.mark.parametrize("name", ["content-type", "x-tenant", "x-iso-user"])
def test_a_signed_line_that_is_sent_twice_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="sent twice"):
        sent(an_auth(signed_headers=["x-tenant"]), headers=[(name, "a"), (name, "b")])


@pytest.mark.parametrize(
    "url",
    [
        "https://host.example/",
        "https://host.example/api/apikeychain",
        "https://host.example/api/apikeychain/",
        "https://host.example/api/apikeychain/p_a",
        "https://host.example/api/apikeychain//proxy/a",
        "https://host.example/api/apikeychainx/p_a/proxy/a",
        "https://host.example/api/p_a/proxy/a",
    ],
)
def test_what_is_not_under_the_prefix_is_refused(url: str) -> None:
    with pytest.raises(InvalidValueError, match=r"only what is under /api/apikeychain/<project id>/ is signed"):
        sent(an_auth(), url=url)


@pytest.mark.parametrize("host", ["host.example", "10.0.0.1", "localhost.example"])
def test_plain_http_is_refused(host: str) -> None:
    with pytest.raises(InvalidValueError, match=f"not http://{host}"):
        sent(an_auth(), url=f"http://{host}/api/apikeychain/p_a/proxy/a")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "localhost:8000"])
def test_plain_http_to_this_machine_is_signed(host: str) -> None:
    sent(an_auth(), url=f"http://{host}/api/apikeychain/p_a/proxy/a").require_signed()


@pytest.mark.parametrize(
    ("key_id", "more", "told"),
    [
        ("", {}, "not a key id"),
        ("k/1", {}, "not a key id"),
        ("k" * 201, {}, "not a key id"),
        ("k", {"prefix": "/gate/"}, "without a final slash"),
        ("k", {"prefix": "gate"}, "without a final slash"),
        ("k", {"user": "two words"}, "not a user label"),
        ("k", {"signed_headers": ["content-type"]}, "cannot be a signed header"),
        ("k", {"key": "short"}, "a secret has"),
    ],
)
def test_what_cannot_sign_is_refused_at_once(key_id: str, more: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        an_auth(key_id, **more)


def test_another_prefix_is_that_of_the_host() -> None:
    gate = sent(an_auth(prefix="/shop/gate"), url="https://host.example/shop/gate/p_a/proxy/a")
    assert gate.requests[0].headers["x-key-id"] == "k_2345"


def test_its_repr_holds_no_key() -> None:
    auth = an_auth()
    assert repr(auth) == "SignedAuth('k_2345', ...)"
    assert KEY not in f"{auth!r} {vars(auth)!r} {auth._signer!r}"
