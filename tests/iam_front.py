"""TLS in front of a local AWS's IAM, which hears what is made, and fails on command."""

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from apikeychain.model.key_steps import Step
from apikeychain.model.provider import Provider
from apikeychain.model.rotators import AWSIAMRotation
from apikeychain.model.signing_credentials import AWSCredential
from apikeychain.ports.upstream import Upstream
from apikeychain.rotation.access import Access
from apikeychain.secret import Secret
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.rotator import CANARY
from apikeychain.testing.servers.aws import AWSServer
from described_api import HOST, access_to

USER, _ADMIN = "shop", "turner"
HOW = AWSIAMRotation(
    provider="iam",
    credential="iam-admin",
    user=USER,
    verify=Step(method="POST", path="/", form=(("Action", "GetCallerIdentity"), ("Version", "2011-06-15"))),
)
_FRAMING = frozenset({b"connection", b"content-length", b"transfer-encoding"})


@dataclass
class IAMFront:
    """What stands between a rotator and a local AWS.

    Attributes:
        admin: the text of the key that makes keys.
        made: the text of each key that was made, by its id.
        status: that everything is answered with, with a text that tells too much; 0 for AWS's answer.
        lost: how many of the next keys are made and not answered.
        refused: verbs that are answered with 403.
        instead: the body of the next answers, or b"".
        slow: how many of the next trials of a key are refused, as those of a new one are at first.
    """

    local: LocalProvider
    server: AWSServer
    client: httpx.AsyncClient
    admin: str = ""
    made: dict[str, str] = field(default_factory=dict)
    status: int = 0
    lost: int = 0
    refused: set[str] = field(default_factory=set)
    slow: int = 0
    is_gone: bool = False
    instead: bytes = b""

    async def alive(self) -> list[str]:
        """The texts of the keys that live, of those that were made here; the id of another."""
        answer = await self._asked("ListAccessKeys")
        return [self.made.get(key_id, key_id) for key_id in _between(answer, "AccessKeyId")]

    async def make(self, user: str = USER) -> str:
        """The text of a key that somebody else made."""
        answer = await self._asked("CreateAccessKey", UserName=user)
        return ":".join(_between(answer, "AccessKeyId") + _between(answer, "SecretAccessKey"))

    async def begin(self) -> None:
        """A user without a key, and one who may make and end keys; each request has to be signed."""
        known = _between(await self._asked("ListUsers"), "UserName")
        for user in {USER, _ADMIN} - {*known}:
            await self._asked("CreateUser", UserName=user)
        for user in (USER, _ADMIN):
            for key_id in _between(await self._asked("ListAccessKeys", UserName=user), "AccessKeyId"):
                await self._asked("DeleteAccessKey", UserName=user, AccessKeyId=key_id)
        await self.allow(_ADMIN)
        await self.allow(USER, "iam:GetUser")
        self.admin = await self.make(_ADMIN)
        self.server.enforce()

    async def allow(self, user: str = USER, *verbs: str) -> None:
        """Let a user do this and no more: make and end keys where nothing is said."""
        allowed = [*verbs] or ["iam:CreateAccessKey", "iam:DeleteAccessKey", "iam:ListAccessKeys"]
        statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        await self._asked("PutUserPolicy", UserName=user, PolicyName="turn", PolicyDocument=policy)

    async def front(self, visit: Visit) -> None:
        """Hand a request on, and its answer back."""
        await visit.read_all()
        action = re.findall(r"Action=([A-Za-z]+)", visit.received.body.decode())[0]
        if self.is_gone:
            visit.cut()
            return
        if self.instead:
            await visit.answer(200, body=self.instead)
            return
        if self.status or action in self.refused:
            told = f"{CANARY}: no, {[*visit.received.lines]} {self.made}"
            await visit.answer(self.status or 403, body=told.encode())
            return
        if action == "GetCallerIdentity" and self.slow:
            self.slow -= 1
            await visit.answer(403)
            return
        lines = [line for line in visit.received.lines if line[0].lower() not in _FRAMING]
        answer = await self.client.post("/", headers=lines, content=bytes(visit.received.body))
        made = _between(answer.text, "(?:AccessKeyId|SecretAccessKey)")
        if action == "CreateAccessKey" and answer.is_success:
            self.made[made[0]] = ":".join(made)
            if self.lost:
                self.lost -= 1
                visit.cut()
                return
        await visit.answer(answer.status_code, body=answer.content)

    def access(self, upstream: Upstream, more: Mapping[str, Secret] | None = None) -> Access:
        """What the rotator of the user's key reaches."""
        base = f"https://{HOST}:{self.local.port}"
        services = {"iam-admin": "iam", "sts": "sts"}
        providers = {name: Provider(of, base, AWSCredential("us-east-1", of)) for name, of in services.items()}
        return access_to(upstream, self.local, providers, {"iam-admin": Secret(self.admin), **(more or {})}, "sts")

    async def _asked(self, action: str, **fields: str) -> str:
        """What IAM answers to its own administrator, who has no policy."""
        self.server.enforce(enforced=False)
        lines = {"authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/iam/aws4_request"}
        sent = {"Action": action, "Version": "2010-05-08", "UserName": USER, **fields}
        answer = await self.client.post("/", headers=lines, data=sent)
        self.server.enforce()
        return answer.raise_for_status().text


def _between(text: str, name: str) -> list[str]:
    return re.findall(f"<{name}>([^<]*)<", text)


@asynccontextmanager
async def iam_front(server: AWSServer) -> AsyncGenerator[IAMFront, None]:
    """One that stands, with a user who has no key."""
    async with (
        LocalProvider(HOST) as local,
        httpx.AsyncClient(base_url=server.address, trust_env=False, timeout=10) as client,
    ):
        front = IAMFront(local, server, client)
        local.on("/", front.front)
        await front.begin()
        yield front
