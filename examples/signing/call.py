"""Calls the gate of ``app.py`` from a server, signed.

Run it with what ``app.py set-up`` printed::

    export GATE=... KEY_ID=... KEY=...
    python examples/signing/call.py Lisbon
"""

import os
import sys

import httpx

from apikeychain import Secret
from apikeychain.client import SignedAuth

auth = SignedAuth(os.environ["KEY_ID"], Secret.from_env("KEY"))
with httpx.Client(auth=auth) as client:
    answer = client.get(os.environ["GATE"], params={"q": " ".join(sys.argv[1:])})
print(answer.status_code, answer.text)
