"""A witness of somebody else's ledger: it verifies who sends, and keeps what it is sent in a file.

Run it on a host that the keychain's operators cannot write to, behind TLS:

    WITNESS_FILE=/var/lib/witness/shop.jsonl WITNESS_SECRET=whsec_... uvicorn witness:app --port 8443 --ssl-certfile ...
"""

import os
from pathlib import Path

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from apikeychain.backends.file_witness import FileWitness
from apikeychain.backends.witness_protocol import answered

MAX_BODY_BYTES = 8 * 1024 * 1024


def create_app(path: Path, *secrets: str) -> Starlette:
    """The application.

    Args:
        path: of the file that keeps what is sent.
        secrets: whoever has one of them may publish, and ask.
    """
    witness = FileWitness(path)
    webhooks = [Webhook(secret) for secret in secrets]

    async def receive(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                return Response(status_code=413)
        if not any(_is_signed(webhook, bytes(body), dict(request.headers)) for webhook in webhooks):
            return Response(status_code=401)
        status, answer = await answered(witness, bytes(body))
        return Response(answer, status, media_type="application/json")

    return Starlette(routes=[Route("/witness", receive, methods=["POST"])])


def _is_signed(webhook: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    try:
        webhook.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


if "WITNESS_FILE" in os.environ:
    app = create_app(Path(os.environ["WITNESS_FILE"]), *os.environ["WITNESS_SECRET"].split())
