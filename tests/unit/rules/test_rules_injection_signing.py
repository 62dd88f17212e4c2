"""A call that is signed: what is signed is what is sent, and no line of the caller's stands beside it."""

import hashlib
import hmac
from dataclasses import replace

import pytest

from apikeychain.errors import InternalError, InvalidValueError, SecretUnavailableError
from apikeychain.model.call import Message, UpstreamRequest
from apikeychain.model.network import PUBLIC, Network
from apikeychain.model.provider import Credential, OAuth2Credential, Provider
from apikeychain.model.route import JSONBody, QueryParameter, RawBody, Timeouts
from apikeychain.model.signing_credentials import AWSCredential, HMACAlgorithm, HMACCredential, HMACEncoding
from apikeychain.rules import sigv4
from apikeychain.rules.injection import authorised, inject, require_form, signature_of
from apikeychain.secret import Secret
from exchange import NOW, Chunks, a_call, a_route, goes_up, posted

AWS = Secret("AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPx:the-session-token==")
KEY = Secret("ann:key-0123456789")
S3, LAMBDA = AWSCredential("eu-central-1", "s3"), AWSCredential("eu-central-1", "lambda")
HMAC = HMACCredential(header="X-Sign", signed="{method} {host} {target} {body}", key_id_header="X-Key")


def _provider(credential: Credential) -> Provider:
    return Provider("weather", "https://api.weather.example:8443/v1", credential)


def _aws_lines(request: UpstreamRequest, credential: AWSCredential, payload: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The signature that belongs to what is sent, read off the request itself."""
    path, _, query = request.target.partition(b"?")
    given = [line for line in request.headers if line[0].decode() not in credential.header_names]
    return sigv4.signed_lines(
        credential,
        sigv4.read_key(AWS.reveal()),
        NOW,
        method=request.method,
        host=b"api.weather.example:8443",
        path=path,
        query=query,
        headers=given,
        payload=payload,
    )


@pytest.mark.parametrize("credential", [S3, LAMBDA])
def test_an_aws_signature_covers_what_is_sent(credential: AWSCredential) -> None:
    route = a_route(_provider(credential), tail=True, parameters=(QueryParameter("q"),))
    request = inject(goes_up(route, b"weather/a:b/c%20d", b"q=x+y:z"), AWS, NOW)
    assert request.target == b"/v1/a%3Ab/c%20d?q=x%20y%3Az"
    expected = _aws_lines(request, credential, hashlib.sha256(b"").hexdigest().encode())
    assert request.headers[-len(expected) :] == expected


def test_the_body_is_signed_where_it_is_whole_and_named_as_unsigned_where_it_streams_to_s3() -> None:
    whole = inject(posted(a_route(_provider(LAMBDA), methods=("POST",), body=JSONBody()), b"{}"), AWS, NOW)
    assert whole.headers[-1:] == _aws_lines(whole, LAMBDA, hashlib.sha256(b"{}").hexdigest().encode())[-1:]
    target = goes_up(a_route(_provider(S3), methods=("GET", "PUT"), body=RawBody(("text/plain",))))
    streamed = inject(replace(target, method="PUT", body=Chunks(b"a")), AWS, NOW)
    assert dict(streamed.headers)[b"x-amz-content-sha256"] == b"UNSIGNED-PAYLOAD"
    assert streamed.headers[-1:] == _aws_lines(streamed, S3, b"UNSIGNED-PAYLOAD")[-1:]


def test_no_line_of_a_signature_comes_from_anywhere_else() -> None:
    forged = tuple((name.encode(), b"mine") for name in S3.header_names)
    target = replace(goes_up(a_route(_provider(LAMBDA))), headers=((b"accept", b"a"), *forged))
    lines = inject(target, AWS, NOW).headers
    assert b"mine" not in dict(lines).values()
    assert [name for name, _ in lines] == [b"accept", b"x-amz-date", b"x-amz-security-token", b"authorization"]


@pytest.mark.parametrize("name", ["X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token"])
def test_no_route_declares_a_line_of_a_signature(name: str) -> None:
    with pytest.raises(InvalidValueError, match="the credential goes there"):
        a_route(_provider(S3), headers=(name,))
    with pytest.raises(InvalidValueError, match="the credential goes there"):
        a_route(replace(_provider(S3), headers=((name, "x"),)))


def test_an_hmac_covers_what_is_sent() -> None:
    route = a_route(_provider(HMAC), methods=("POST",), body=JSONBody(undeclared="forward"))
    target = replace(posted(route, b'{"a":1}'), query=b"q=a:b")
    request = inject(replace(target, headers=((b"x-key", b"mine"), (b"x-sign", b"mine"))), KEY, NOW)
    text = b'POST api.weather.example:8443 /v1?q=a:b {"a":1}'
    mac = hmac.new(b"key-0123456789", text, "sha256").hexdigest().encode()
    assert request.headers == ((b"x-key", b"ann"), (b"x-sign", mac))
    assert (request.target, request.body) == (b"/v1?q=a:b", b'{"a":1}')


def test_a_call_without_a_body_is_signed_with_an_empty_one() -> None:
    request = inject(goes_up(a_route(_provider(HMAC))), KEY, NOW)
    mac = hmac.new(b"key-0123456789", b"GET api.weather.example:8443 /v1 ", "sha256").hexdigest().encode()
    assert request.headers[-1] == (b"x-sign", mac)


def test_an_access_token_goes_as_bearer_token() -> None:
    request = inject(goes_up(a_route(_provider(OAuth2Credential()))), Secret("token-0123456789"), NOW)
    assert request.headers[-1] == (b"authorization", b"Bearer token-0123456789")


@pytest.mark.parametrize(
    "credential",
    [LAMBDA, HMAC, replace(HMAC, signed="{body_sha256}")],
    ids=["aws", "hmac-body", "hmac-hash"],
)
def test_a_route_whose_body_streams_is_refused_where_the_body_is_signed(credential: Credential) -> None:
    with pytest.raises(InvalidValueError) as refused:
        a_route(_provider(credential), methods=("PUT",), body=RawBody(("text/plain",)))
    assert str(refused.value) == (
        "the route 'weather' cannot have a RawBody: the provider 'weather' wants the body signed, so it is read whole "
        "before it is sent: declare a JSONBody or a FormBody"
    )
    assert a_route(_provider(credential), methods=("PUT",), body=JSONBody()).place.signing == credential


def test_a_body_that_streams_all_the_same_is_a_bug_and_is_not_sent() -> None:
    target = replace(goes_up(a_route(_provider(LAMBDA))), body=Chunks(b"a"))
    with pytest.raises(InternalError):
        inject(target, AWS, NOW)


def test_a_signature_without_the_body_lets_it_stream() -> None:
    credential = replace(HMAC, signed="{method}")
    route = a_route(_provider(credential), methods=("GET", "PUT"), body=RawBody(("text/plain",)))
    request = inject(replace(goes_up(route), method="PUT", body=Chunks(b"a")), KEY, NOW)
    assert request.headers[-1][1] == hmac.new(b"key-0123456789", b"PUT", "sha256").hexdigest().encode()


@pytest.mark.parametrize("credential", [S3, HMAC], ids=["aws", "hmac"])
def test_a_secret_of_another_form_signs_nothing(credential: Credential) -> None:
    with pytest.raises(SecretUnavailableError):
        inject(goes_up(a_route(_provider(credential))), Secret("no-colon-in-it"), NOW)


@pytest.mark.parametrize("credential", [S3, HMAC], ids=["aws", "hmac"])
def test_a_secret_of_another_form_is_not_taken(credential: Credential) -> None:
    with pytest.raises(InvalidValueError, match=r"The secret is no .* write <") as refused:
        require_form(_provider(credential), Secret("no-colon-in-it"))
    assert "colon" not in str(refused.value)
    require_form(_provider(credential), AWS)
    require_form(_provider(OAuth2Credential()), Secret("no-colon-in-it"))


@pytest.mark.parametrize("credential", [S3, HMAC, OAuth2Credential()], ids=["aws", "hmac", "oauth2"])
def test_a_request_of_our_own_carries_the_same_credential_as_a_call(credential: Credential) -> None:
    secret = AWS if credential == S3 else KEY
    route = a_route(_provider(credential), network=Network(private=True), timeouts=Timeouts(connect=1.5))
    call = inject(goes_up(route), secret, NOW)
    target = goes_up(route)
    own = Message(method="GET", path=b"/v1", headers=target.headers)
    provider = _provider(credential)
    options = {"timeouts": route.timeouts, "network": route.network}
    assert authorised(own, provider, secret, NOW, **options) == call  # type: ignore[arg-type]  # a mapping of both
    plain = authorised(own, provider, secret, NOW)
    assert (plain.network, plain.timeouts, plain.headers) == (PUBLIC, Timeouts(), call.headers)


def test_a_request_of_our_own_stays_below_its_base_url() -> None:
    with pytest.raises(InternalError):
        authorised(Message(method="GET", path=b"/v2"), _provider(S3), AWS, NOW)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_the_signature_of_an_hmac_is_known_without_what_stands_before_it(
    algorithm: HMACAlgorithm, encoding: HMACEncoding
) -> None:
    credential = replace(HMAC, prefix="v1=", algorithm=algorithm, encoding=encoding)
    request = inject(goes_up(a_route(_provider(credential))), KEY, NOW)
    assert b"v1=" + signature_of(request, credential) == dict(request.headers)[b"x-sign"]


def test_the_signature_of_an_aws_request_is_known() -> None:
    request = inject(goes_up(a_route(_provider(S3))), AWS, NOW)
    fields = dict(request.headers)[b"authorization"]
    assert fields.endswith(b", Signature=" + signature_of(request, S3))


def test_a_signed_request_shows_nothing_of_the_secret() -> None:
    shown = repr(inject(goes_up(a_route(_provider(S3))), AWS, NOW)) + repr(a_call())
    assert "wJalr" not in shown
    assert "session-token" not in shown
