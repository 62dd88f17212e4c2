"""Which witnesses were chosen: a file, a bucket of S3, a webhook; all that are named keep the checkpoints.

Source: contracts 6 (checkpoints, to the witnesses).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from apikeychain.environment.buckets import BESIDE_BUCKET, Bucket, choose_bucket
from apikeychain.environment.variables import Variables
from apikeychain.environment.webhooks import BESIDE_URL, Webhook, choose_webhook, note_headless

# What says that there is one, and what else is said of it.
_HEADS = {"WITNESS_S3_BUCKET": (*BESIDE_BUCKET, "RETAIN_DAYS"), "WITNESS_URL": BESIDE_URL}

# A path is that of a file.
WitnessPlace = Path | Bucket | Webhook


def choose_witnesses(variables: Variables) -> tuple[WitnessPlace, ...]:
    """Those that were chosen. What is wrong is noted in `variables`."""
    note_headless(variables, _HEADS)
    return tuple(_chosen(variables))


def _chosen(variables: Variables) -> Iterator[WitnessPlace]:
    if file := variables.file("WITNESS_FILE"):
        yield file
    days = variables.number("WITNESS_S3_RETAIN_DAYS") if variables.has("WITNESS_S3_RETAIN_DAYS") else None
    if bucket := choose_bucket(variables, "WITNESS_S3"):
        yield replace(bucket, retain_days=days)
    if webhook := choose_webhook(variables, "WITNESS"):
        yield webhook
