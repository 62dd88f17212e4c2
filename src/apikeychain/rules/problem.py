"""A refusal or failure as the answer that callers get.

::

    {"type": "urn:apikeychain:problem:<code>", "title", "status", "code", "parameter" or not, "hint" in development}

The text of an exception never leaves the process: only the class's own title and, in development, its hint.

Source: contracts 1; RFC 9457, section 3.
"""

import json

from apikeychain.errors import AnswerError, ParameterRefusedError
from apikeychain.model.call import Call, Reply
from apikeychain.rules import cors, headers
from apikeychain.rules.caller import Caller

MEDIA_TYPE = b"application/problem+json"
ERROR_HEADER = b"x-apikeychain-error"


def answer(error: AnswerError, call: Call, *, development: bool) -> Reply:
    """`error` as a problem document, which the page of an admitted origin can read.

    Args:
        error: what was raised.
        call: what it answers.
        development: whether its hint is sent.
    """
    document: dict[str, str | int] = {
        "type": f"urn:apikeychain:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
    }
    if isinstance(error, ParameterRefusedError):
        document["parameter"] = error.parameter
    if development and error.hint:
        document["hint"] = error.hint
    body = json.dumps(document, separators=(",", ":")).encode()
    lines = (
        (b"content-type", MEDIA_TYPE),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (ERROR_HEADER, error.code.encode()),
    )
    return Reply(error.status, cors.expose(lines + error.headers, call.admitted), body)


def secured(error: AnswerError, call: Call, caller: Caller, *, development: bool) -> Reply:
    """`error` as the answer to a call that was not in the gate, or broke it. See `answer` and `headers.secure`."""
    reply = answer(error, call, development=development)
    reply.headers = headers.secure(reply.headers, call, caller, development=development)
    return reply
