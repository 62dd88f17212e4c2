"""A local AWS with KMS, S3 and IAM, from the wheel ``moto``, in a process of its own on 127.0.0.1.

It is no AWS: what it keeps is in its memory, and `stop` loses it. The checks of keys that moto lacks are put in by
`aws_process`. The policies are the least with which a gate and an operator get by.
"""

import contextlib
import json
import os
import re
import signal
import sys
from importlib.util import find_spec
from typing import Any, Self, cast

import httpx

from apikeychain.backends.aws_kms import AccessKey, AWSKeyService
from apikeychain.backends.s3_assets import S3Assets
from apikeychain.backends.s3_witness import S3Witness
from apikeychain.errors import MissingExtraError
from apikeychain.secret import Secret
from apikeychain.testing.servers.child import Child
from apikeychain.testing.servers.ports import free_port

REGION = "eu-central-1"
_ROLES = {
    "gate": ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"),
    "operator": (
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:ScheduleKeyDeletion",
    ),
}
_PROGRAM = "from apikeychain.testing.servers.aws_process import run; run()"
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05


def policy(role: str, name: str = "apikeychain") -> dict[str, Any]:
    """The IAM policy of a role: what may be done with the keys that are tagged as those of the platform key.

    Args:
        role: ``"gate"`` or ``"operator"``.
        name: of the platform key.
    """
    tagged = {"StringEquals": {"aws:ResourceTag/apikeychain": name}}
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": "kms:ListAliases", "Resource": "*"},
        {"Effect": "Allow", "Action": [*_ROLES[role]], "Resource": "arn:aws:kms:*:*:key/*", "Condition": tagged},
    ]
    if role == "operator":
        asked = {"StringEquals": {"aws:RequestTag/apikeychain": name}}
        statements += [
            {"Effect": "Allow", "Action": ["kms:CreateKey", "kms:TagResource"], "Resource": "*", "Condition": asked},
            {
                "Effect": "Allow",
                "Action": "kms:CreateAlias",
                "Resource": "arn:aws:kms:*:*:key/*",
                "Condition": tagged,
            },
            {"Effect": "Allow", "Action": "kms:CreateAlias", "Resource": f"arn:aws:kms:*:*:alias/{name}-*"},
        ]
    return {"Version": "2012-10-17", "Statement": statements}


class AWSServer:
    """One local AWS. A context manager; all else is for use inside it.

    Attributes:
        address: where it listens.
        root: may do everything.
    """

    def __init__(self) -> None:
        self._exit = contextlib.ExitStack()
        # By a signal that lets a measured process write down what it did.
        self._child = Child(signal.SIGTERM)
        self.address, self._port = "", 0
        self._is_enforced = False
        self.root = AccessKey("AKIAIOSFODNN7EXAMPLE", Secret("a-made-up-secret-access-key"))

    def __enter__(self) -> Self:
        """Start it, with nothing in it.

        Raises:
            MissingExtraError: the wheel is not installed.
        """
        if not find_spec("moto"):
            asked = "a local AWS"
            raise MissingExtraError(asked, "testing")
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        with contextlib.ExitStack() as stack:
            self._client = stack.enter_context(httpx.Client(base_url=self.address, trust_env=False, timeout=10))
            stack.callback(self.stop)
            self.start()
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._exit.close()

    def start(self) -> None:
        """Start it again after `stop`, with nothing in it; one that runs goes on.

        Raises:
            RuntimeError: it does not come up.
        """
        if not self._child.is_running:
            environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
            self._child.start([sys.executable, "-c", _PROGRAM, "-p", str(self._port)], env=environment)
        self.resume()
        self._child.wait(self._is_up, _START_SECONDS, lambda: "the local AWS did not come up")

    def stop(self) -> None:
        """End it, and lose what it kept."""
        self._child.stop()

    def hang(self) -> None:
        """Let it take connections and answer nothing, until `resume`."""
        self._child.hang()

    def resume(self) -> None:
        """Let it answer again."""
        self._child.resume()

    def enforce(self, *, enforced: bool = True) -> None:
        """Whether signatures are checked, and what policies allow; not so at the start."""
        self._is_enforced = enforced
        self._set_enforced(enforced=enforced)

    def user(self, role: str, name: str = "apikeychain") -> AccessKey:
        """The access key of a new user with the policy of a role. moto judges its actions alone.

        Args:
            role: ``"gate"`` or ``"operator"``.
            name: of the platform key.
        """
        user = f"{role}-{name}"
        allowed = [
            {"Effect": "Allow", "Action": statement["Action"], "Resource": "*"}
            for statement in policy(role, name)["Statement"]
        ]
        # The verb of moto's that needs both permissions.
        allowed[1]["Action"] = [*allowed[1]["Action"], *(["kms:ReEncrypt"] if role == "operator" else [])]
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        self._iam("CreateUser", UserName=user)
        self._iam("PutUserPolicy", UserName=user, PolicyName=role, PolicyDocument=document)
        told = self._iam("CreateAccessKey", UserName=user)
        return AccessKey(_between(told, "AccessKeyId"), Secret(_between(told, "SecretAccessKey")))

    def revoke(self, key: AccessKey) -> None:
        """Delete an access key."""
        user = _between(self._iam("GetAccessKeyLastUsed", AccessKeyId=key.id), "UserName")
        self._iam("DeleteAccessKey", UserName=user, AccessKeyId=key.id)

    def key_service(self, access_key: AccessKey | None = None, **more: Any) -> AWSKeyService:  # noqa: ANN401 - its arguments
        """A key service on it."""
        return AWSKeyService(REGION, access_key=access_key or self.root, endpoint_url=self.address, **more)

    def create_bucket(self, name: str, *, locks: bool = False) -> None:
        """Make an empty bucket.

        Args:
            name: of at least three characters.
            locks: whether it has object lock.
        """
        lines = {"authorization": self._scope("s3"), "x-amz-bucket-object-lock-enabled": str(locks).lower()}
        where = "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"
        self._client.put(f"/{name}", headers=lines, content=where.format(REGION)).raise_for_status()

    def stored(self, bucket: str) -> dict[str, bytes]:
        """What lies in a bucket, by key, past every client; of 1,000 objects at most."""
        lines = {"authorization": self._scope("s3")}
        listed = self._client.get(f"/{bucket}", headers=lines).raise_for_status().text
        keys = re.findall(r"<Key>([^<]*)</Key>", listed)
        return {key: self._client.get(f"/{bucket}/{key}", headers=lines).raise_for_status().content for key in keys}

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Put an object, or another one in its place, past every client."""
        lines = {"authorization": self._scope("s3")}
        self._client.put(f"/{bucket}/{key}", headers=lines, content=body).raise_for_status()

    def witness(self, bucket: str, prefix: str = "apikeychain", **more: Any) -> S3Witness:  # noqa: ANN401 - its arguments
        """A witness on it."""
        return S3Witness(bucket, prefix, region=REGION, access_key=self.root, endpoint_url=self.address, **more)

    def assets(self, bucket: str, prefix: str = "apikeychain", **more: Any) -> S3Assets:  # noqa: ANN401 - its arguments
        """An asset store on it."""
        return S3Assets(bucket, prefix, region=REGION, access_key=self.root, endpoint_url=self.address, **more)

    def kms(self, verb: str, **fields: object) -> dict[str, Any]:
        """What KMS answers to its administrator.

        Raises:
            httpx.HTTPError: it does not answer, or refuses.
        """
        lines = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"TrentService.{verb}",
            "authorization": self._scope("kms"),
        }
        answer = self._asked(lines, json=fields)
        return cast("dict[str, Any]", answer.json() or {}) if answer.content else {}

    def _iam(self, action: str, **fields: str) -> str:
        lines = {"authorization": self._scope("iam")}
        return self._asked(lines, data={"Action": action, "Version": "2010-05-08", **fields}).text

    def _asked(self, lines: dict[str, str], **body: Any) -> httpx.Response:  # noqa: ANN401 - what the client takes
        # Its administrator has no policy: nothing is enforced meanwhile.
        self._set_enforced(enforced=False)
        try:
            return self._client.post("/", headers=lines, **body).raise_for_status()
        finally:
            self._set_enforced(enforced=self._is_enforced)

    def _set_enforced(self, *, enforced: bool) -> None:
        self._client.post("/moto-api/reset-auth", content="0" if enforced else "inf").raise_for_status()

    def _scope(self, service: str) -> str:
        return f"AWS4-HMAC-SHA256 Credential={self.root.id}/20260101/{REGION}/{service}/aws4_request"

    def _is_up(self) -> bool:
        try:
            return self._client.get("/moto-api/data.json", timeout=2).is_success
        except httpx.TransportError:
            return False


def _between(text: str, name: str) -> str:
    return text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]
