"""One request to AWS and its answer. Whatever the client raises stays here: it holds requests with credentials.

Source: AWS KMS API Reference, "Common Errors" and the errors of each operation.
"""

import asyncio
import functools
import logging
import re
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast, final

from apikeychain.backends.aws_kms.place import Place
from apikeychain.backends.aws_kms.session import MAX_ANSWER_BYTES, Session, TooLongError
from apikeychain.backends.patience import CONNECT_SECONDS, TOTAL_SECONDS, seconds_for
from apikeychain.backends.tls import client_context
from apikeychain.errors import SettingsError, UpstreamRefusedError
from apikeychain.ports.upstream import Guard
from apikeychain.secret import Secret

NO_ANSWER, UNSURE, NO_CREDENTIALS = "no answer", "unsure", "no credentials"
FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException"})
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"})
_BROKEN = frozenset({"DependencyTimeoutException", "KMSInternalException", "KeyUnavailableException", UNSURE})
_UNKNOWN = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        NO_CREDENTIALS,
    }
)
_CODE = re.compile(r"[A-Za-z]{1,64}")
_SERVER = 500


@final
@dataclass(frozen=True, slots=True)
class AccessKey:
    """Credentials that do not change. Those of a role, an instance or a profile are found by the client itself.

    Attributes:
        id: as AWS shows it.
        secret: its other half.
        session_token: where it is a temporary one.
    """

    id: str
    secret: Secret
    session_token: Secret | None = None

    def given(self) -> dict[str, str]:
        """As the client takes it."""
        given = {"aws_access_key_id": self.id, "aws_secret_access_key": self.secret.reveal().decode("ascii")}
        if self.session_token is not None:
            given["aws_session_token"] = self.session_token.reveal().decode("ascii")
        return given


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        code: of the error, or "" where what was asked was done.
        body: what is told, empty for an error.
        message: AWS's own text: to be compared, never to be shown.
        reason: for the operator, where there was no answer.
    """

    code: str = ""
    body: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    message: str = field(default="", repr=False)
    reason: str = "it does not answer"

    @property
    def is_good(self) -> bool:
        """Whether what was asked was done."""
        return not self.code

    @property
    def is_unknown(self) -> bool:
        """Whether AWS does not know who asks."""
        return self.code in _UNKNOWN

    @property
    def is_passing(self) -> bool:
        """See Told."""
        return self.code == NO_ANSWER or self.code in _THROTTLED | _BROKEN

    @property
    def is_failure(self) -> bool:
        """See Told."""
        return self.is_passing or self.is_unknown

    def why(self, refused: str) -> str:
        """See Told."""
        if self.code in {NO_ANSWER, NO_CREDENTIALS}:
            return self.reason
        if self.code in _THROTTLED:
            return "it is throttled"
        if self.code in _BROKEN:
            return "it is broken for now"
        if self.is_unknown:
            return f"its credentials are wrong, revoked or expired, or the clock is wrong ({self.code})"
        return f"it refuses ({self.code or 'no error'}): {refused}"


@final
class Wire:
    """The client of one service of AWS in one event loop.

    Making one mutes the loggers ``botocore`` and ``aiobotocore`` below WARNING: they write what is asked and answered.

    Args:
        place: where it is.
        guard: through which it dials.
        context: of its TLS.
        access_key: who asks; None for what the client finds.
        profile: of the files of the AWS command, or None.
        service: of AWS, as the client names it.
        most_bytes: of a request, or of an answer.
    """

    def __init__(
        self,
        place: Place,
        guard: Guard,
        context: ssl.SSLContext,
        *,
        access_key: AccessKey | None,
        profile: str | None,
        service: str = "kms",
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        for name in ("botocore", "aiobotocore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._place, self._profile, self._access_key, self._service = place, profile, access_key, service
        self._session = functools.partial(Session, guard, place.network, context, most_bytes)
        self._seconds = seconds_for(most_bytes)
        self._client: Any = None
        self._stack = AsyncExitStack()
        self._making = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the connections; who asks again begins anew, with the credentials that there are then."""
        self._client = None
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def send(self, verb: str, fields: Mapping[str, object]) -> Answer:
        """Ask once; without an answer it is one that says so.

        Args:
            verb: of the service, as the client spells it.
            fields: of the request.
        """
        try:
            async with asyncio.timeout(self._seconds):
                client = await self._open()
                body = await _read(await getattr(client, verb)(**fields))
        except Exception as error:  # noqa: BLE001 - whatever a client raises may hold the request with its signature
            return _failed(error)
        return Answer(body=body)

    async def _open(self) -> Any:  # noqa: ANN401 - the client has no types
        async with self._making:
            if self._client is None:
                self._client = await self._stack.enter_async_context(await asyncio.to_thread(self._made))
            return self._client

    def _made(self) -> Any:  # noqa: ANN401 - likewise
        config = import_module("aiobotocore.config").AioConfig(
            http_session_cls=self._session,
            # An address out of the environment or a file is not the operator's word here.
            ignore_configured_endpoint_urls=True,
            request_checksum_calculation="when_required",
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=TOTAL_SECONDS,
            parameter_validation=False,
            # Of S3 alone: a name of a bucket is no part of that of an endpoint of one's own, and what is put is signed.
            s3={"addressing_style": "path" if self._place.base else "auto", "payload_signing_enabled": True},
        )
        session = import_module("aiobotocore.session").AioSession(profile=self._profile)
        given = {} if self._access_key is None else self._access_key.given()
        return session.create_client(
            self._service, region_name=self._place.region, endpoint_url=self._place.base, config=config, **given
        )


def tls_context(place: Place) -> ssl.SSLContext:
    """The context of a place. Reads files, and loads the client: call it in a thread.

    Raises:
        SettingsError: the authorities cannot be read.
    """
    import_module("aiobotocore.session")
    try:
        return client_context(place.network)
    except UpstreamRefusedError:
        raise SettingsError([f"ca_file: {place.network.trust} cannot be read"]) from None


def _failed(error: Exception) -> Answer:
    told: object = getattr(error, "response", None)
    if isinstance(told, dict):
        return _refused(cast("Mapping[str, Any]", told))
    if isinstance(error, TooLongError):
        return Answer(NO_ANSWER, reason="its answer is too long")
    if type(error).__module__ == "botocore.exceptions":
        # All that is dialled here raises errors of its own: these are of who asks.
        return Answer(NO_CREDENTIALS, reason=f"there are no credentials to be had ({type(error).__name__})")
    untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
    return Answer(
        NO_ANSWER, reason="its certificate is not trusted: give ca_file=" if untrusted else "it does not answer"
    )


def _refused(told: Mapping[str, Any]) -> Answer:
    code, message = told.get("Error", {}).get("Code"), told.get("Error", {}).get("Message")
    status = told.get("ResponseMetadata", {}).get("HTTPStatusCode")
    known = isinstance(code, str) and _CODE.fullmatch(code) is not None
    if not isinstance(status, int) or status >= _SERVER or not known:
        return Answer(UNSURE)
    return Answer(str(code), message=str(message))


async def _read(body: dict[str, Any]) -> dict[str, Any]:
    """An answer with all that streams in it."""
    return {**body, "Body": await body["Body"].read()} if "Body" in body else body
