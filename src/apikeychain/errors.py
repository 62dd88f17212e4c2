"""Every exception of the house on one screen.

::

    APIKeyChainError
    ├── SetupError
    │   ├── InvalidValueError
    │   ├── SettingsError
    │   ├── MissingExtraError
    │   ├── MisplacedMiddlewareError
    │   ├── NotOpenError
    │   ├── KeyFileError
    │   ├── DataDirectoryError
    │   ├── DatabaseVersionError
    │   └── BackendSettingsError
    ├── ManagementError
    │   ├── AlreadyExistsError
    │   ├── DoesNotExistError
    │   ├── StillInUseError
    │   └── ConflictError
    ├── SealedValueError
    ├── LedgerBrokenError
    ├── ProofBrokenError
    ├── WitnessRefusedError
    ├── RotationRefusedError
    ├── DamagedDataError
    ├── CallerGoneError
    └── AnswerError
        ├── RefusalError
        │   ├── HeaderRefusedError
        │   ├── PathRefusedError
        │   ├── ParameterRefusedError
        │   ├── UnauthenticatedError
        │   │   ├── SignatureMissingError
        │   │   ├── SignatureRefusedError
        │   │   ├── TimestampRefusedError
        │   │   ├── ReplayedError
        │   │   └── CallerMissingError
        │   ├── OriginRefusedError
        │   ├── PreflightRefusedError
        │   ├── DestinationRefusedError
        │   ├── HTTPSRequiredError
        │   ├── SuspendedError
        │   ├── TokenRefusedError
        │   ├── NotFoundError
        │   ├── MethodRefusedError
        │   ├── BodyTimeoutError
        │   ├── BodyTooLargeError
        │   ├── TypeRefusedError
        │   └── RateLimitedError
        └── FailureError
            ├── UpstreamRefusedError
            ├── CredentialRefusedError
            ├── SecretUnavailableError
            ├── LedgerUnavailableError
            ├── BackendUnavailableError
            ├── UpstreamTimeoutError
            └── InternalError

A *refusal* is our no to the caller: nothing was sent upstream. A *failure* is something that broke behind the gate.
Both know the HTTP status and the stable ``code`` of their problem document.

Source: RFC 9457 (problem details); RFC 9110, section 15 (status codes).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

HeaderLines = tuple[tuple[bytes, bytes], ...]


class APIKeyChainError(Exception):
    """The root: whoever catches it catches all of ours and nothing else."""


class SetupError(APIKeyChainError):
    """The developer or operator has to change something; the text says what."""


class InvalidValueError(SetupError, ValueError):
    """A value that cannot be what it is given as: an id, an origin, a pattern, a quota."""


class SettingsError(SetupError):
    """Settings that are wrong or unsafe, all problems at once.

    Attributes:
        problems: one sentence for each problem.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class MissingExtraError(SetupError, ImportError):
    """Something was asked for whose packages are not installed.

    Args:
        asked: what was asked for, as the user knows it.
        extra: the extra of the package that brings it.
    """

    def __init__(self, asked: str, extra: str) -> None:
        super().__init__(f"{asked} needs more packages: pip install 'apikeychain[{extra}]'")


class MisplacedMiddlewareError(SetupError):
    """The middleware stands inside a CORS middleware of the host, which would answer foreign preflights first."""


class NotOpenError(SetupError):
    """The keychain was used before it was opened or after it was closed."""


class KeyFileError(SetupError):
    """The key file is missing, unreadable, another user's, readable by others, corrupt or of another installation."""


class DataDirectoryError(SetupError):
    """The data directory cannot be used: served by another process, not writable, full."""


class DatabaseVersionError(SetupError):
    """The database was written by a newer version, or its migrations have not run."""


class BackendSettingsError(SetupError):
    """A server behind a plug is set up so that it cannot keep what the plug promises."""


class ManagementError(APIKeyChainError):
    """A management verb that cannot be done as asked; nothing was changed."""


class AlreadyExistsError(ManagementError):
    """There is one of that name already."""


class DoesNotExistError(ManagementError):
    """There is none of that name."""


class StillInUseError(ManagementError):
    """It cannot be removed while something else refers to it."""


class ConflictError(ManagementError):
    """Somebody else changed it in the meantime: read again and repeat."""


class SealedValueError(APIKeyChainError):
    """A sealed value does not open: missing, tampered with, moved or another's. One error on purpose."""

    def __str__(self) -> str:
        """The same words whatever is wrong."""
        return "what is stored does not open: it is missing, was changed or moved, or belongs to another key"


class LedgerBrokenError(APIKeyChainError):
    """The audit ledger does not verify.

    Attributes:
        tenant: whose chain it is.
        seq: the first entry that does not hold (counted from 1).
        reason: what is wrong with it.
    """

    def __init__(self, tenant: str, seq: int, reason: str) -> None:
        self.tenant, self.seq, self.reason = tenant, seq, reason
        super().__init__(f"the ledger of {tenant!r} is broken at entry {seq}: {reason}")


class ProofBrokenError(APIKeyChainError):
    """A proof that an entry stands in a ledger does not hold. The text says what."""


class WitnessRefusedError(APIKeyChainError):
    """A witness was given what does not go on from what it has: a chain was cut, written anew, or rolled back.

    Attributes:
        reasons: what does not fit, by the tenant whose chain was refused; "" where it is the key lists, "?" where it
            cannot be told whose chain it is.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        told = "; ".join(f"{tenant or 'key lists'}: {reason}" for tenant, reason in self.reasons.items())
        super().__init__(f"the witness refused: {told}")


class RotationRefusedError(APIKeyChainError):
    """A provider refused to make, take or end a key.

    Args:
        reason: what was refused, and what to do about it; nothing that the provider said.

    Attributes:
        orphans: labels or ids of keys that may live there all the same, since an earlier order of the same key broke
            off: somebody has to look for them.
    """

    def __init__(self, reason: str = "the provider refused", orphans: Sequence[str] = ()) -> None:
        self.orphans = tuple(orphans)
        super().__init__(reason)


class DamagedDataError(APIKeyChainError):
    """Something that is stored is not what was written: one tenant's, while the store itself answers.

    Args:
        what: what cannot be read, never with its content.
        advice: what the operator can do.

    Attributes:
        tenant: whose it is, or "" where whoever found it does not know.
    """

    def __init__(self, what: str, tenant: str = "", *, advice: str = "restore it from a backup") -> None:
        self.tenant = tenant
        owner = f" of the tenant {tenant!r}" if tenant else ""
        super().__init__(f"{what}{owner} cannot be read, it was damaged or changed from outside: {advice}")


class CallerGoneError(APIKeyChainError):
    """The caller closed the connection before the call was over: there is nobody left to answer."""


class AnswerError(APIKeyChainError):
    """An error that is an answer.

    Args:
        hint: a sentence for the developer, sent in development only. Never holds a value that a caller sent,
            except a refused origin.
        headers: further header lines of the answer.

    Attributes:
        status: the HTTP status.
        code: the stable code of contracts 1, also sent as ``X-APIKeyChain-Error``.
        title: the one sentence a caller reads.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "The gate failed."

    def __init__(self, hint: str = "", *, headers: HeaderLines = ()) -> None:
        self.hint, self.headers = hint, headers
        super().__init__(hint or self.title)


class RefusalError(AnswerError):
    """Our no to the caller: nothing was sent upstream."""


class HeaderRefusedError(RefusalError):
    """A header is missing, came twice or with an underscore twin, or two readers could read it in two ways."""

    status, code, title = (
        400,
        "header-refused",
        "A header is missing, came twice or with a twin, or can be read in two ways.",
    )


class PathRefusedError(RefusalError):
    """The path is not one that the route can have."""

    status, code, title = 400, "path-refused", "The path is not one that this route can have."


class ParameterRefusedError(RefusalError):
    """A parameter does not fit its declaration.

    Args:
        parameter: its name as declared, or "" where the body as a whole is meant. Its value is never told.
    """

    status, code, title = 400, "parameter-refused", "A parameter does not fit its declaration."

    def __init__(self, parameter: str = "", hint: str = "") -> None:
        self.parameter = parameter
        super().__init__(hint)


class UnauthenticatedError(RefusalError):
    """A call that does not prove whose it is; its answer names the scheme by which it could."""

    status = 401

    def __init__(self, hint: str = "") -> None:
        super().__init__(hint, headers=((b"www-authenticate", b"APIKeyChain-HMAC"),))


class SignatureMissingError(UnauthenticatedError):
    """The project or route takes signed calls only."""

    code, title = "signature-missing", "This call has to be signed."


class SignatureRefusedError(UnauthenticatedError):
    """A signature that does not hold: malformed, by an unknown key, or a wrong one. One answer for all."""

    code, title = "signature-refused", "The signature does not hold."


class TimestampRefusedError(UnauthenticatedError):
    """The signature's moment is too far from now."""

    code, title = "timestamp-refused", "The timestamp is too far from this server's clock."


class ReplayedError(UnauthenticatedError):
    """The very same signed request came before."""

    code, title = "replayed", "This signed request came before: sign each one anew."


class CallerMissingError(UnauthenticatedError):
    """The host's own login has to name the caller and did not."""

    code, title = "caller-missing", "This call needs a caller who is logged in."


class OriginRefusedError(RefusalError):
    """The origin is not on the project's list."""

    status, code, title = 403, "origin-refused", "This origin is not allowed."


class PreflightRefusedError(RefusalError):
    """The preflight asks for a method or header that no route has."""

    status, code, title = 403, "preflight-refused", "The preflight asks for a method or header that is not allowed."


class DestinationRefusedError(RefusalError):
    """The answer would become a document or worker of the page or, if it is no asset, a script or style."""

    status, code, title = (
        403,
        "destination-refused",
        "An answer cannot be used as what it was asked for: a document, say, or a worker.",
    )


class HTTPSRequiredError(RefusalError):
    """The call came over plain http outside development."""

    status, code, title = 403, "https-required", "Only https is served."


class SuspendedError(RefusalError):
    """The project, route, origin or caller is suspended."""

    status, code, title = 403, "suspended", "This is suspended for now."


class TokenRefusedError(RefusalError):
    """The token of an asset is missing, expired, or of something else: one answer for all."""

    status, code, title = 403, "token-refused", "This needs a token that is good."


class NotFoundError(RefusalError):
    """There is no such project or route, or it is switched off."""

    status, code, title = 404, "not-found", "There is nothing here."


class MethodRefusedError(RefusalError):
    """The route, or an asset, does not take this method."""

    status, code, title = 405, "method-refused", "What is here does not take this method."


class BodyTimeoutError(RefusalError):
    """The body did not come in time."""

    status, code, title = 408, "body-timeout", "The body did not come in time."


class BodyTooLargeError(RefusalError):
    """The body is larger than the route takes."""

    status, code, title = 413, "body-too-large", "The body is larger than this route takes."


class TypeRefusedError(RefusalError):
    """The body's content type or encoding is not one that the route takes."""

    status, code, title = 415, "type-refused", "This content type or encoding is not taken here."


class RateLimitedError(RefusalError):
    """A quota is used up."""

    status, code, title = 429, "rate-limited", "Too many calls: try again later."


class FailureError(AnswerError):
    """Something behind the gate broke; the caller did nothing wrong."""


class UpstreamRefusedError(FailureError):
    """The provider could not be reached safely, or its answer cannot be passed on."""

    status, code, title = (
        502,
        "upstream-refused",
        "The provider could not be reached or its answer cannot be passed on.",
    )


class CredentialRefusedError(FailureError):
    """The provider refused our credential (401 or 407); its body does not pass."""

    status, code, title = 502, "credential-refused", "The provider refused the stored credential."


class SecretUnavailableError(FailureError):
    """The secret is missing or does not open."""

    status, code, title = 503, "secret-unavailable", "The stored secret cannot be used now."


class LedgerUnavailableError(FailureError):
    """The call cannot be written down, so it is not made."""

    status, code, title = 503, "ledger-unavailable", "The call cannot be recorded now, so it is not made."


class BackendUnavailableError(FailureError):
    """A store, limiter or key service is down: the gate is closed."""

    status, code, title = 503, "backend-unavailable", "The gate is closed: something behind it does not answer."


class UpstreamTimeoutError(FailureError):
    """The provider did not answer in time."""

    status, code, title = 504, "upstream-timeout", "The provider did not answer in time."


class InternalError(FailureError):
    """A bug of ours, or a plug that broke its contract."""


CALLER_GONE = "caller-gone"


def code_of(error: BaseException) -> str:
    """What stands for an error where it is written down: the code of an answer, a bug's, or that the caller left."""
    if isinstance(error, AnswerError):
        return error.code
    is_bug = isinstance(error, Exception) and not isinstance(error, CallerGoneError)
    return InternalError.code if is_bug else CALLER_GONE
