"""The verbs of AWS IAM for the access keys of a user: what is asked, and its answers read.

Source: AWS Identity and Access Management API Reference, version 2010-05-08: CreateAccessKey, ListAccessKeys,
DeleteAccessKey, and "Common Errors".
"""

from xml.etree import ElementTree as ET

from apikeychain.errors import BackendUnavailableError
from apikeychain.rules.key_steps import FORM, Asked, Outcome, form_of, id_of, outcome, require_apart

_VERSION = "2010-05-08"
# Told with 400 or 409 of what may come in a moment.
_NOT_NOW = frozenset({"Throttling", "ThrottlingException", "RequestExpired", "EntityTemporarilyUnmodifiable"})


def verb(action: str, user: str, **more: str) -> Asked:
    """The request for a verb that concerns a user."""
    fields = {"Action": action, "Version": _VERSION, "UserName": user, **more}
    return Asked(method="POST", path=b"/", body=form_of(fields.items()), content_type=FORM)


def told(status: int, body: bytes) -> Outcome:
    """What an answer says of the verb."""
    result = outcome(status)
    if result != "refused":
        return result
    try:
        codes = _texts(body, "Code")
    except BackendUnavailableError:
        return "refused"
    return "unknown" if _NOT_NOW.intersection(codes) else "refused"


def new_key(body: bytes) -> tuple[str, str]:
    """The id and the secret part of the key that was made.

    Raises:
        BackendUnavailableError: they cannot be read.
    """
    ids, secrets = _texts(body, "AccessKeyId"), _texts(body, "SecretAccessKey")
    if len(ids) != 1 or len(secrets) != 1:
        msg = "the answer of IAM has no new access key"
        raise BackendUnavailableError(msg)
    require_apart(id_of(ids[0]), secrets[0])
    return ids[0], secrets[0]


def key_ids(body: bytes) -> list[str]:
    """The ids of the access keys in a list.

    Raises:
        BackendUnavailableError: it cannot be read.
    """
    return [id_of(text) for text in _texts(body, "AccessKeyId")]


def _texts(body: bytes, name: str) -> list[str]:
    try:
        text = body.decode()
        if "<!" in text:
            raise ValueError  # noqa: TRY301 - a document type or an entity, which IAM sends none of
        root = ET.fromstring(text)  # noqa: S314 - it has no document type, so nothing can be declared in it
    except (ValueError, ET.ParseError):
        msg = "the answer of IAM cannot be read"
        raise BackendUnavailableError(msg) from None
    return [element.text for element in root.iterfind(f".//{{*}}{name}") if element.text]
