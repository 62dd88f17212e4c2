"""Which witnesses were chosen: a file, a bucket of S3, a webhook; all that are named keep the checkpoints.

Source: contracts 6 (checkpoints, to the witnesses).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apikeychain.environment.variables import Variables
from apikeychain.environment.webhooks import BESIDE_URL, Webhook, choose_webhook, note_headless

# What says that there is one, and what else is said of it.
_HEADS = {
    "WITNESS_S3_BUCKET": ("PREFIX", "REGION", "PROFILE", "ENDPOINT_URL", "CA_FILE", "RETAIN_DAYS"),
    "WITNESS_URL": BESIDE_URL,
}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bucket:
    """A witness in S3.

    Attributes:
        profile, endpoint_url, retain_days: or None, where nothing is said of them.
    """

    name: str
    prefix: str
    region: str
    profile: str | None
    endpoint_url: str | None
    ca_file: Path | None
    retain_days: int | None


# A path is that of a file.
WitnessPlace = Path | Bucket | Webhook


def choose_witnesses(variables: Variables) -> tuple[WitnessPlace, ...]:
    """Those that were chosen. What is wrong is noted in `variables`."""
    note_headless(variables, _HEADS)
    return tuple(_chosen(variables))


def _chosen(variables: Variables) -> Iterator[WitnessPlace]:
    if file := variables.file("WITNESS_FILE"):
        yield file
    bucket = _bucket(variables)
    if bucket.name:
        yield bucket
    if webhook := choose_webhook(variables, "WITNESS"):
        yield webhook


def _bucket(variables: Variables) -> Bucket:
    return Bucket(
        name=variables.text("WITNESS_S3_BUCKET"),
        prefix=variables.text("WITNESS_S3_PREFIX", "apikeychain"),
        region=variables.text("WITNESS_S3_REGION"),
        profile=variables.text("WITNESS_S3_PROFILE") or None,
        endpoint_url=variables.text("WITNESS_S3_ENDPOINT_URL") or None,
        ca_file=variables.authorities("WITNESS_S3_CA_FILE"),
        retain_days=variables.number("WITNESS_S3_RETAIN_DAYS") if variables.has("WITNESS_S3_RETAIN_DAYS") else None,
    )
