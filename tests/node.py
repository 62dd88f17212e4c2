"""Real Node, from Debian's packages, running the JavaScript of the package."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apikeychain.client import JAVASCRIPT

CLIENT = JAVASCRIPT.with_name("apikeychain.js")
_MISSING = "Node is missing: apt-get install -y nodejs"
# What a test sees is one JSON value on stdout.
_FRAME = """
import * as module from {module};
const told = await (async (given) => {{ {program} }})(JSON.parse(process.argv[1]));
console.log(JSON.stringify(told));
"""


def require(node: str | None) -> str:
    if node is None:
        pytest.fail(_MISSING, pytrace=False)
    return node


def run(
    program: str, given: object = None, *, frame: str = _FRAME, module: Path = JAVASCRIPT, ca: str | None = None
) -> Any:
    """What `program` returns, as the body of an async function of `module` and `given`.

    Args:
        program: statements that end in a return.
        given: that can be written as JSON.
        frame: the whole of it, where it needs another.
        module: of the package.
        ca: the file of a certificate authority that is trusted beside the usual ones.
    """
    text = frame.format(module=json.dumps(module.as_uri()), program=program)
    done = subprocess.run(  # noqa: S603  # the programs are written in the tests
        [require(shutil.which("node")), "--input-type=module", "--eval", text, json.dumps(given)],
        env={"PATH": os.environ["PATH"], **({"NODE_EXTRA_CA_CERTS": ca} if ca else {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
