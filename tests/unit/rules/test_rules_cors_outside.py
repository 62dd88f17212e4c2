"""Origins, preflights and calls that others wrote down as cases. Where their folder is absent there are no tests."""

from typing import Any

import pytest

from apikeychain.errors import HeaderRefusedError, InvalidValueError, OriginRefusedError, RefusalError
from apikeychain.model.call import Call, Reply
from apikeychain.model.headers import Headers
from apikeychain.model.origin import parse_origin
from apikeychain.rules import cors
from apikeychain.rules.caller import Caller
from apikeychain.rules.headers import require_single
from apikeychain.rules.snapshot import Snapshot
from outside import cases
from sample_project import WEATHER, a_call, a_snapshot

PAGE = Caller("192.0.2.1", "https", "app.example.com")
ORIGINS, PREFLIGHTS = cases("cors_origin"), cases("cors_preflight")


def _gate(call: Call, project: Snapshot) -> Reply:
    """What a browser gets to see of a call: the rules in their order, with an answer of the provider at the end."""
    require_single(call.headers)
    if call.is_preflight:
        return cors.preflight(call, project)
    origin = cors.admit(call, project, PAGE)
    return Reply(200, cors.expose(((b"access-control-allow-origin", b"*"),), origin))


def _allowed(case: dict[str, Any]) -> list[str]:
    """The origins of the case's list that can be allowed at all."""
    allowed: list[str] = []
    for text in case["allowed"]:
        try:
            allowed.append(parse_origin(text, development=True))
        except InvalidValueError:
            assert text.startswith("http://")
    return allowed


if ORIGINS:

    @pytest.mark.parametrize("case", ORIGINS, ids=lambda case: case["id"])
    def test_origins_that_others_tried(case: dict[str, Any]) -> None:
        lines = [(b"origin", bytes.fromhex(value)) for value in case["origin_hex"]]
        allowed = _allowed(case)
        project = a_snapshot(origins=allowed, development=True)
        # Byte for byte: a blank that the server left in front is part of the value.
        served = case["expect"] == "allow" and len(lines) == 1 and lines[0][1].decode("latin-1") in allowed
        assert served or case["expect"] == "deny" or case.get("doubtful") or len(allowed) < len(case["allowed"])
        if served:
            headers = Headers(_gate(a_call(*lines), project).headers)
            assert headers.all(b"access-control-allow-origin") == (lines[0][1],)
        else:
            with pytest.raises(HeaderRefusedError if len(lines) > 1 else OriginRefusedError):
                _gate(a_call(*lines), project)


if PREFLIGHTS:

    @pytest.mark.parametrize("case", PREFLIGHTS, ids=lambda case: case["id"])
    def test_preflights_and_calls_that_others_tried(case: dict[str, Any]) -> None:
        request, expected = case["request"], case["expect"]
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request["headers"]]
        call = a_call(*lines, method=request["method"].partition(" ")[0])
        removed = "remove the entry" in expected.get("before", "")
        project = a_snapshot(origins=[] if removed else case["allowed"], routes=[WEATHER])
        # Signing headers are not asked for by a project that does not sign; any other OPTIONS is an ordinary method.
        refused = expected["outcome"] in {
            "no_cors",
            "preflight_refused",
            "4xx or preflight_refused",
            "refused",
            "per_tier",
        }
        if refused:
            with pytest.raises(RefusalError) as error:
                _gate(call, project)
            assert error.value.status == 403
            return
        headers = Headers(_gate(call, project).headers)
        assert headers.all(b"access-control-allow-origin") == (case["allowed"][0].encode(),)
        assert headers.all(b"access-control-allow-credentials") == (b"true",)
        assert b"access-control-allow-private-network" not in headers
