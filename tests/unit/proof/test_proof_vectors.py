"""The vectors of the ledger's formats, failures included: our verifier and the independent one say what they say."""

import json
from typing import Any

import pytest

import independent_lists
import independent_verifier
from apikeychain.proof.entry import parse_proof, verify_proof
from apikeychain.proof.export import verify_export
from apikeychain.proof.key_list import follow
from apikeychain.proof.note import parse_keys
from apikeychain.proof.reading import ProofError
from vectors import make_ledger_v1 as other

VECTORS: dict[str, Any] = json.loads(other.FILE.read_text())
TEXT = VECTORS["keys"]
KEYS = parse_keys(TEXT)


def refused(topic: str) -> pytest.MarkDecorator:
    cases: list[dict[str, Any]] = VECTORS[topic]["refused"]
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def others_holds(verify: Any, *arguments: Any) -> bool:
    try:
        verify(*arguments)
    except Exception:  # noqa: BLE001  # it says so: whatever it raises is its no
        return False
    return True


@pytest.mark.parametrize("place", range(9))
def test_a_proof_of_the_vectors_holds(place: int) -> None:
    text = VECTORS["proofs"]["accepted"][place]
    assert len(VECTORS["proofs"]["accepted"]) == 9
    assert verify_proof(parse_proof(text), KEYS).seq == json.loads(json.loads(text)["entry"]["payload"])["seq"]
    independent_verifier.verify_proof(text, TEXT)


@refused("proofs")
def test_a_proof_of_the_vectors_that_is_wrong_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        verify_proof(parse_proof(case["text"]), KEYS)
    assert not others_holds(independent_verifier.verify_proof, case["text"], TEXT)


@pytest.mark.parametrize("place", range(3))
def test_an_export_of_the_vectors_holds(place: int) -> None:
    case = VECTORS["exports"]["accepted"][place]
    assert verify_export(case["lines"], KEYS).entries == case["entries"]
    assert independent_lists.verify_export(case["lines"], TEXT) == case["entries"]


@refused("exports")
def test_an_export_of_the_vectors_that_is_wrong_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        verify_export(case["lines"], KEYS)
    assert not others_holds(independent_lists.verify_export, case["lines"], TEXT)


@pytest.mark.parametrize("place", range(2))
def test_the_key_lists_of_the_vectors_lead_to_their_keys(place: int) -> None:
    case = VECTORS["key_lists"]["accepted"][place]
    assert follow(case["notes"], None) == follow(case["notes"], KEYS) == parse_keys(case["keys"])
    assert independent_lists.follow_lists(case["notes"]) == case["keys"]


@refused("key_lists")
def test_key_lists_of_the_vectors_that_are_wrong_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        follow(case["notes"], None)
    assert not others_holds(independent_lists.follow_lists, case["notes"])


def test_the_program_beside_them_writes_the_same_but_for_the_signatures() -> None:
    made = json.dumps(_unsigned(other.document()))
    assert made == json.dumps(_unsigned(VECTORS))


def _unsigned(value: Any) -> Any:
    """Without the lines of signatures, wherever they stand."""
    if isinstance(value, dict):
        return {name: _unsigned(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_unsigned(one) for one in value]
    if isinstance(value, str) and value.startswith("{"):
        return _unsigned(json.loads(value))
    return value.partition("\n\n")[0] if isinstance(value, str) else value
