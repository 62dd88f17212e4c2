"""Which bucket of S3 was chosen for something: one that keeps checkpoints, one that keeps assets.

Source: contracts 6 (checkpoints, to the witnesses), 9.
"""

from dataclasses import dataclass
from pathlib import Path

from apikeychain.environment.variables import Variables

# What else is said of one, behind the same beginning as its name.
BESIDE_BUCKET = ("PREFIX", "REGION", "PROFILE", "ENDPOINT_URL", "CA_FILE")
DEFAULT_PREFIX = "apikeychain"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bucket:
    """A bucket, and what in it is ours.

    Attributes:
        profile, endpoint_url, retain_days: or None, where nothing is said of them.
    """

    name: str
    prefix: str
    region: str
    profile: str | None
    endpoint_url: str | None
    ca_file: Path | None
    retain_days: int | None = None


def choose_bucket(variables: Variables, begin: str) -> Bucket | None:
    """That of the variables that begin so, or None. What is wrong is noted in `variables`."""
    bucket = Bucket(
        name=variables.text(f"{begin}_BUCKET"),
        prefix=variables.text(f"{begin}_PREFIX", DEFAULT_PREFIX),
        region=variables.text(f"{begin}_REGION"),
        profile=variables.text(f"{begin}_PROFILE") or None,
        endpoint_url=variables.text(f"{begin}_ENDPOINT_URL") or None,
        ca_file=variables.authorities(f"{begin}_CA_FILE"),
    )
    return bucket if bucket.name else None
