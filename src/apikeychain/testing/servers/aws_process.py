"""What the process of a local AWS runs: moto, made as strict as AWS KMS and S3 where it is laxer.

moto checks the encryption context. It lets disabled keys and those that wait for their end go on working, takes no
notice of `SourceKeyId`, and has another error for a text of another key: so AWS's own checks stand before its verbs.
It refuses who asks in XML, which KMS does not speak. What it judges of IAM is the action alone, neither resource nor
condition. S3 asks nobody for a signature here; what a request says of the digest of its body is compared, and of two
that put an object at once, each unless there is one, one alone does.
"""

import base64
import hashlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.iam.access_control import IAMRequest
from moto.kms.responses import KmsResponse
from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response
from moto.server import main

# A text of moto's begins with the id of its key.
_ID_BYTES = 36


class _KMSError(JsonRESTError):
    code = 400


class _BadDigestError(S3ClientError):
    def __init__(self) -> None:
        super().__init__("BadDigest", "The SHA256 you specified did not match the calculated checksum.")


def strict(verb: Callable[[Any], str], named: tuple[str, ...]) -> Callable[[Any], str]:
    """A verb of KMS that looks at its keys first.

    Args:
        verb: moto's own.
        named: the parameters that name keys; the first one is of the key that made the text, where there is one.
    """

    def asked(self: Any) -> str:  # noqa: ANN401 - a request of moto's
        blob = self._get_param("CiphertextBlob")
        for name in named:
            key_id = self._get_param(name)
            self._validate_key_id(key_id)
            key = self.kms_backend.describe_key(key_id)
            if key.key_state == "PendingDeletion":
                state = "KMSInvalidStateException"
                raise _KMSError(state, f"{key.arn} is pending deletion.")
            if key.key_state == "Disabled":
                state = "DisabledException"
                raise _KMSError(state, f"{key.arn} is disabled.")
            if blob and name == named[0] and _key_of(blob) != key.id:
                state = "IncorrectKeyException"
                raise _KMSError(state, "The key ID in the request does not identify a key that can perform this.")
        return verb(self)

    return asked


def _key_of(blob: str | bytes) -> str:
    raw = base64.b64decode(blob) if isinstance(blob, str) else blob
    return raw[:_ID_BYTES].decode("latin-1")


def told_by_kms(code: str, message: str) -> Callable[..., None]:
    """A refusal of who asks, in KMS's words.

    Args:
        code: of the error.
        message: of AWS; `{action}` is what was asked.
    """

    def refused(self: Any, *_: object) -> None:  # noqa: ANN401 - a request of moto's
        raise _KMSError(code, message.format(action=self._action))

    return refused


def one_by_one(verb: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The verb of S3 that puts an object, for one request after another, and only for a body as it was announced.

    Args:
        verb: moto's own.
    """
    one = threading.Lock()

    def asked(self: Any) -> Any:  # noqa: ANN401 - a request of moto's, and its answer
        announced = self.headers.get("x-amz-checksum-sha256")
        if announced and announced != base64.b64encode(hashlib.sha256(self.body or b"").digest()).decode():
            raise _BadDigestError
        with one:
            return verb(self)

    return asked


def make_strict() -> None:
    """Put AWS's checks before moto's verbs, and its words in place of moto's."""
    for name, code, message in (
        ("_raise_access_denied", "AccessDeniedException", "User: a user is not authorized to perform: {action}"),
        ("_raise_invalid_access_key", "UnrecognizedClientException", "The security token in the request is invalid."),
        ("_raise_signature_does_not_match", "InvalidSignatureException", "The request signature does not match."),
    ):
        setattr(IAMRequest, name, told_by_kms(code, message))
    for name, keys in (
        ("encrypt", ("KeyId",)),
        ("decrypt", ("KeyId",)),
        ("re_encrypt", ("SourceKeyId", "DestinationKeyId")),
    ):
        setattr(KmsResponse, name, strict(getattr(KmsResponse, name), keys))
    setattr(S3Response, "put_object", one_by_one(S3Response.put_object))  # noqa: B010 - a plain assignment is to a method


def run() -> None:
    """Serve, until it is told to end."""
    make_strict()
    main(sys.argv[1:])
