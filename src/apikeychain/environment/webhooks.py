"""Which webhooks were chosen: one that keeps checkpoints, one to which alerts go.

Source: contracts 6 (checkpoints, to the witnesses), 8 (alerts).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from apikeychain.environment.variables import Variables
from apikeychain.secret import Secret

# What else is said of one, behind the same beginning as its URL.
BESIDE_URL = ("SECRETS", "SECRETS_FILE", "CA_FILE")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Webhook:
    """A URL that is asked by signed POSTs.

    Attributes:
        url: it may hold a secret.
        secrets: that sign.
    """

    url: Secret
    secrets: tuple[Secret, ...]
    ca_file: Path | None


def choose_alerts(variables: Variables) -> Webhook | None:
    """Where alerts go, or None where nothing is said. What is wrong is noted in `variables`."""
    note_headless(variables, {"ALERTS_URL": BESIDE_URL})
    return choose_webhook(variables, "ALERTS")


def choose_webhook(variables: Variables, begin: str) -> Webhook | None:
    """That of the variables that begin so, or None."""
    secrets, ca_file = variables.secrets(f"{begin}_SECRETS"), variables.authorities(f"{begin}_CA_FILE")
    url = variables.url(f"{begin}_URL")
    return Webhook(url=url, secrets=secrets, ca_file=ca_file) if url else None


def note_headless(variables: Variables, heads: Mapping[str, tuple[str, ...]]) -> None:
    """Note what is said of something that is not there.

    Args:
        variables: where to.
        heads: what says that there is one, and what else is said of it.
    """
    for name, head in _headless(variables, heads):
        variables.problem(name, f"it needs {variables.named(head)}")


def _headless(variables: Variables, heads: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for head, others in heads.items():
        begin = head.rpartition("_")[0]
        if not variables.has(head) and not variables.has(f"{head}_FILE"):
            yield from ((f"{begin}_{name}", head) for name in others if variables.has(f"{begin}_{name}"))
