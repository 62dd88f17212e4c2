"""Receives alerts by a signed webhook, and shows each once.

ALERTS_SECRET=whsec_... uvicorn alert_receiver:app --port 8443 --ssl-certfile ...
"""

import os

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MAX_BODY_BYTES = 64 * 1024


def create_app(secret: str) -> Starlette:
    """The application.

    Args:
        secret: that whoever sends signs with.
    """
    webhook, seen = Webhook(secret), set[str]()

    async def receive(request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                return Response(status_code=413)
        try:
            alert = webhook.verify(bytes(body), dict(request.headers))
        except (WebhookVerificationError, ValueError):
            return Response(status_code=401)
        # The id is the same when an alert is sent again. Keep it where it outlives the process.
        if alert["data"]["id"] not in seen:
            print(alert["timestamp"], alert["data"]["severity"], alert["type"], alert["data"]["what"])
            seen.add(alert["data"]["id"])
        return Response(status_code=204)

    return Starlette(routes=[Route("/alerts", receive, methods=["POST"])])


if "ALERTS_SECRET" in os.environ:
    app = create_app(os.environ["ALERTS_SECRET"])
