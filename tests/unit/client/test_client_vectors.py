"""One set of vectors holds the verifier, the Python signer and the JavaScript signer together."""

import hashlib
import importlib.util
import json
from typing import Any

import httpx
import pytest

import node
from apikeychain.client.signing import Signer, sign
from apikeychain.errors import SignatureRefusedError
from apikeychain.secret import Secret
from command import ROOT
from signature_vectors import VECTORS, Vector, verify

_MAKER = ROOT / "tests" / "vectors" / "make_signature_v1.py"


def _names(vectors: list[Vector]) -> list[str]:
    return [vector["name"] for vector in vectors]


def test_the_vectors_are_what_their_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("make_signature_v1", _MAKER)
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert json.dumps(maker.document(), indent=1) + "\n" == maker.FILE.read_text()


def test_every_vector_has_a_name_of_its_own() -> None:
    names = [name for vectors in VECTORS.values() for name in _names(vectors)]
    assert len(names) == len(set(names)) > 40


@pytest.mark.parametrize(
    "vector", VECTORS["signed"] + VECTORS["accepted"], ids=_names(VECTORS["signed"] + VECTORS["accepted"])
)
def test_the_verifier_takes_what_is_rightly_signed(vector: Vector) -> None:
    verify(vector)


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=_names(VECTORS["refused"]))
def test_the_verifier_refuses_what_was_changed_or_is_malformed(vector: Vector) -> None:
    with pytest.raises(SignatureRefusedError):
        verify(vector)


@pytest.mark.parametrize("vector", VECTORS["signed"], ids=_names(VECTORS["signed"]))
def test_the_python_signer_writes_the_headers_of_the_vector(vector: Vector) -> None:
    signer = Signer.of(
        vector["key_id"],
        Secret(vector["key"]),
        prefix=vector["prefix"],
        signed_headers=vector["signed_headers"],
        user=vector["user"] or None,
    )
    lines = sign(
        signer,
        method=vector["method"],
        target=httpx.URL(vector["url"]).raw_path,
        headers=[(name.encode(), value.encode("latin-1")) for name, value in vector["headers"].items()],
        body_sha256=hashlib.sha256(bytes.fromhex(vector["body"])).hexdigest(),
        timestamp=vector["timestamp"],
        nonce=vector["nonce"],
    )
    assert {name.decode(): value.decode() for name, value in lines} == vector["sent"]


def test_the_javascript_signer_writes_the_headers_of_every_vector() -> None:
    program = """
      const all = [];
      for (const one of given) {
        const key = await module.importKey(one.key);
        const body = Uint8Array.from(Buffer.from(one.body, "hex"));
        all.push(await module.sign({
          keyId: one.key_id, key, method: one.method, url: one.url, prefix: one.prefix, user: one.user || undefined,
          headers: one.headers, signedHeaders: one.signed_headers, body, now: one.timestamp, nonce: one.nonce,
        }));
      }
      return all;
    """
    written: list[dict[str, Any]] = node.run(program, VECTORS["signed"])
    assert dict(zip(_names(VECTORS["signed"]), written, strict=True)) == {
        vector["name"]: vector["sent"] for vector in VECTORS["signed"]
    }
