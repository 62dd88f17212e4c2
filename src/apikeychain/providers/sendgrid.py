"""SendGrid: a mail after a dynamic template.

Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send (its address; programs that call it
were read on 2026-11-24). An account in the EU has another host: ``replace(SENDGRID,
base_url="https://api.eu.sendgrid.com/v3")``.

The route lets the caller choose who gets the mail, so it is switched off: who enables it should ask for a signature
(``require="signature"``). The text is a template's, subject and all: content and attachments of the caller's are left
out on purpose.
"""

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import JSONBody, JSONField, ProxyRoute

SENDGRID = Provider(
    "sendgrid",
    "https://api.sendgrid.com/v3",
    HeaderCredential("Authorization", "Bearer "),
    source="https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send",
    reviewed="2026-11-24",
)

ROUTES = (
    ProxyRoute(
        "send-mail",
        provider="sendgrid",
        path="/mail/send",
        methods=("POST",),
        body=JSONBody(
            (
                JSONField("personalizations", type="array", required=True),
                JSONField("from", type="object", required=True),
                JSONField("template_id", pattern=r"d-[0-9a-f]{32}", required=True),
                JSONField("reply_to", type="object"),
                JSONField("categories", type="array"),
                JSONField("send_at", type="integer", minimum=0),
                JSONField("asm", type="object"),
            ),
        ),
        tolerated=("authorization", "user-agent"),
        answer_headers=("X-Message-Id",),
        max_body_bytes=256 * 1024,
        enabled=False,
    ),
)
