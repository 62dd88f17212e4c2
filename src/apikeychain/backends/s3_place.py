"""Where a bucket of S3 is and what in it is ours, as the operator says it, and what is refused of it.

Source: Amazon S3 User Guide, "General purpose buckets naming rules", "Naming Amazon S3 objects".
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import final

from apikeychain.backends.aws_kms.place import Place, parse_place
from apikeychain.backends.aws_kms.session import MAX_ANSWER_BYTES
from apikeychain.backends.aws_kms.wire import AccessKey, Wire, tls_context
from apikeychain.backends.s3_objects import Kept, Objects
from apikeychain.errors import MissingExtraError, SettingsError
from apikeychain.ports.upstream import Guard

_AUTO = "auto"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_PREFIX = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """What is ours of a bucket, and who asks for it.

    Attributes:
        place: its server.
        bucket: its name.
        prefix: how the keys begin.
        access_key, profile: who asks; None for what the AWS client finds.
    """

    place: Place
    bucket: str
    prefix: str
    access_key: AccessKey | None
    profile: str | None

    @classmethod
    def parse(
        cls,
        bucket: str,
        prefix: str,
        *,
        region: str,
        access_key: AccessKey | None,
        profile: str | None,
        endpoint_url: str | None,
        ca_file: Path | str | None,
        more: Sequence[str] = (),
    ) -> "S3Place":
        """The place.

        Args:
            bucket: its name.
            prefix: how the keys begin.
            region: of the bucket, like ``eu-central-1``; ``auto`` where the server knows none.
            access_key: who asks.
            profile: of the files of the AWS command.
            endpoint_url: ``https://name[:port]`` of a server of your own; ``http://`` for a loopback host.
            ca_file: the authorities that its certificate may come from; None for those of the system.
            more: what else is wrong.

        Raises:
            MissingExtraError: the extra ``aws`` is not installed.
            SettingsError: with every problem.
        """
        if not find_spec("aiobotocore"):
            asked = "S3"
            raise MissingExtraError(asked, "aws")
        named = "us-east-1" if region == _AUTO else region
        place, problems = parse_place(named, endpoint_url=endpoint_url, ca_file=Path(ca_file) if ca_file else None)
        if not _BUCKET.fullmatch(bucket):
            problems.append("bucket: write the name of a bucket, of small letters, digits, `.` and `-`")
        if not _PREFIX.fullmatch(prefix):
            problems.append("prefix: write a path like a/b (no slash before or behind)")
        problems += more
        if access_key is not None and profile is not None:
            problems.append("access_key and profile: give one of them")
        if problems:
            raise SettingsError(problems)
        at = replace(place, region=region)
        return cls(place=at, bucket=bucket, prefix=prefix, access_key=access_key, profile=profile)

    async def line(self, guard: Guard, kept: Kept) -> Objects:
        """A line to the bucket in this event loop.

        Args:
            guard: through which it dials.
            kept: what the objects are.

        Raises:
            SettingsError: the authorities cannot be read.
        """
        context = await asyncio.to_thread(tls_context, self.place)
        wire = Wire(
            self.place,
            guard,
            context,
            access_key=self.access_key,
            profile=self.profile,
            service="s3",
            most_bytes=max(kept.most_bytes, MAX_ANSWER_BYTES),
        )
        return Objects(wire, self.bucket, kept)
