"""What a witness over HTTP is asked, and what it answers: JSON in the body of a POST, for either side.

::

    {"type":"witness.publish","data":{"moments":[{"note":"...","extensions":[
        {"checkpoint":{"index":0,"path":[...],"statement":"..."},"path":[...],"since":0}, ...]}, ...]}}
    {"type":"witness.latest","data":{"tenant":"..."}}       {"checkpoint":{"index","note","path","statement"}}, or null
    {"type":"witness.vouch","data":{"key_lists":[...]}}
    {"type":"witness.key_lists","data":{}}                  {"key_lists":[...]}

    200  what was asked    204  it is kept    400  no such request    409  {"reasons":{tenant: reason}}    503  not now

Source: docs/reference/witness-protocol.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from apikeychain.errors import BackendUnavailableError, InvalidValueError, WitnessRefusedError
from apikeychain.model.ids import TenantId, parse_tenant_id
from apikeychain.ports.witness import Extension, Witness
from apikeychain.proof.checkpoint import Checkpoint
from apikeychain.proof.extension import read_members, read_witnessed
from apikeychain.proof.reading import ProofError, canonical_json, read_object, read_path, require, require_members

PUBLISH, LATEST, VOUCH, KEY_LISTS = "witness.publish", "witness.latest", "witness.vouch", "witness.key_lists"
_REQUEST, _ANSWER = "the request", "the answer"
_EXTENSION = {"checkpoint": dict, "path": list, "since": int}


def publish_request(extensions: Iterable[Extension]) -> bytes:
    """Asks to keep checkpoints."""
    moments: dict[str, list[object]] = {}
    for each in extensions:
        said = {"checkpoint": each.checkpoint.members, "path": [step.hex() for step in each.path]}
        moments.setdefault(each.checkpoint.note, []).append(said | {"since": each.since})
    listed = [{"note": note, "extensions": each} for note, each in moments.items()]
    return _request(PUBLISH, {"moments": listed})


def latest_request(tenant: TenantId) -> bytes:
    """Asks for the last checkpoint of a chain."""
    return _request(LATEST, {"tenant": tenant})


def vouch_request(key_lists: Sequence[str]) -> bytes:
    """Asks to keep key lists."""
    return _request(VOUCH, {"key_lists": [*key_lists]})


def key_lists_request() -> bytes:
    """Asks for all key lists."""
    return _request(KEY_LISTS, {})


async def answered(witness: Witness, body: bytes) -> tuple[int, bytes]:
    """What a receiver answers: the status, and a body of JSON.

    Args:
        witness: that keeps what it is given.
        body: of a request whose signature was verified before.

    Raises:
        DamagedDataError: what the witness keeps cannot be read.
    """
    try:
        return await _answered(witness, body)
    except (ProofError, InvalidValueError) as error:
        return HTTPStatus.BAD_REQUEST, canonical_json({"error": str(error)})
    except WitnessRefusedError as error:
        return HTTPStatus.CONFLICT, canonical_json({"reasons": error.reasons})
    except BackendUnavailableError:
        return HTTPStatus.SERVICE_UNAVAILABLE, b""


async def _answered(witness: Witness, body: bytes) -> tuple[int, bytes]:
    kind, data = _read_request(body)
    if kind == PUBLISH:
        await witness.publish(_extensions(data))
    elif kind == VOUCH:
        await witness.vouch(_texts(data, _REQUEST))
    elif kind == LATEST:
        require_members(data, {"tenant": str}, _REQUEST)
        last = await witness.latest(parse_tenant_id(str(data["tenant"])))
        told = None if last is None else last.document
        return HTTPStatus.OK, canonical_json({"checkpoint": told})
    else:
        require(kind == KEY_LISTS, "nothing of that type is answered")
        return HTTPStatus.OK, canonical_json({"key_lists": [*await witness.key_lists()]})
    return HTTPStatus.NO_CONTENT, b""


def read_latest(body: bytes) -> Checkpoint | None:
    """The checkpoint in an answer.

    Raises:
        ProofError: there is no answer to the question.
    """
    found = _read(body, _ANSWER)
    require(found.keys() == {"checkpoint"}, f"{_ANSWER} has other members than checkpoint")
    if found["checkpoint"] is None:
        return None
    shape = {"index": int, "note": str, "path": list, "statement": str}
    said = read_members(found["checkpoint"], shape, _ANSWER)
    return read_witnessed({name: value for name, value in said.items() if name != "note"}, said["note"])


def read_key_lists(body: bytes) -> Sequence[str]:
    """The key lists in an answer. Raises ProofError."""
    return _texts(_read(body, _ANSWER), _ANSWER)


def read_reasons(body: bytes) -> Mapping[str, str]:
    """Why an answer refuses what, by tenant. Raises ProofError."""
    found = _read(body, _ANSWER)
    require_members(found, {"reasons": dict}, _ANSWER)
    reasons: dict[str, str] = found["reasons"]
    require(reasons and all(type(why) is str for why in reasons.values()), "it does not say why it refuses")
    return reasons


def _request(kind: str, data: Mapping[str, object]) -> bytes:
    return canonical_json({"type": kind, "data": data})


def _read_request(body: bytes) -> tuple[str, Mapping[str, Any]]:
    found = _read(body, _REQUEST)
    require_members(found, {"type": str, "data": dict}, _REQUEST)
    return found["type"], found["data"]


def _extensions(data: Mapping[str, Any]) -> list[Extension]:
    require_members(data, {"moments": list}, _REQUEST)
    found: list[Extension] = []
    for moment in data["moments"]:
        said = read_members(moment, {"note": str, "extensions": list}, _REQUEST)
        for extension in said["extensions"]:
            each = read_members(extension, _EXTENSION, _REQUEST)
            checkpoint = read_witnessed(each["checkpoint"], said["note"])
            found.append(Extension(checkpoint, each["since"], read_path(each["path"], "the checkpoint")))
    return found


def _texts(found: Mapping[str, Any], what: str) -> list[str]:
    require_members(found, {"key_lists": list}, what)
    texts: list[str] = found["key_lists"]
    require(all(type(text) is str for text in texts), f"{what} has a key list that is no text")
    return texts


def _read(body: bytes, what: str) -> dict[str, Any]:
    return read_object(body.decode("utf-8", "replace"), what, canonical=False)
