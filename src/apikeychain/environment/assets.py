"""Where assets are kept by what was chosen: a directory, or a bucket of S3.

Source: contracts 9; spec 10.2.
"""

from pathlib import Path

from apikeychain.environment.buckets import BESIDE_BUCKET, DEFAULT_PREFIX, Bucket, choose_bucket
from apikeychain.environment.variables import Variables
from apikeychain.environment.webhooks import note_headless

# A path is that of a directory.
AssetPlace = Path | Bucket


def choose_assets(variables: Variables) -> AssetPlace | None:
    """Where they are, or None where nothing is said. What is wrong is noted in `variables`."""
    note_headless(variables, {"ASSETS_S3_BUCKET": BESIDE_BUCKET})
    directory = variables.file("ASSETS_DIRECTORY", "write the absolute path of a directory")
    bucket = choose_bucket(variables, "ASSETS_S3")
    if directory and bucket:
        variables.problem("ASSETS_S3_BUCKET", f"say one of it and {variables.named('ASSETS_DIRECTORY')}")
    if bucket and _meets_checkpoints(variables):
        # A witness takes what lies there for something that stands before its checkpoints.
        variables.problem("ASSETS_S3_PREFIX", "checkpoints are kept there: name another one")
    return directory or bucket


def _meets_checkpoints(variables: Variables) -> bool:
    def told(begin: str) -> tuple[str, str]:
        return variables.text(f"{begin}_BUCKET"), variables.text(f"{begin}_ENDPOINT_URL")

    ours, theirs = (variables.text(f"{begin}_PREFIX", DEFAULT_PREFIX) + "/" for begin in ("ASSETS_S3", "WITNESS_S3"))
    return told("ASSETS_S3") == told("WITNESS_S3") and (ours.startswith(theirs) or theirs.startswith(ours))
