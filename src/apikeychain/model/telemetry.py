"""What OpenTelemetry is told: the closed list of attributes, steps and metrics.

What a tenant chose, as the name of a route, stands on spans alone: metrics have a bound that no tenant can raise.

Source: OpenTelemetry semantic conventions for HTTP spans and metrics; contracts 4 (nothing secret is told).
"""

from dataclasses import dataclass
from typing import Final, Literal

Port = Literal["store", "key_service", "rate_limiter", "replay_guard", "signals", "asset_store"]
Step = Literal["load", "verify", "spend", "record", "read", "intend", "open", "send", "shape"]

METHOD: Final = "http.request.method"
STATUS: Final = "http.response.status_code"
PROJECT: Final = "apikeychain.project"
ROUTE: Final = "apikeychain.route"
PROVIDER: Final = "apikeychain.provider"
OUTCOME: Final = "apikeychain.outcome"
STATUS_CLASS: Final = "apikeychain.status_class"
STEP: Final = "apikeychain.step"
PORT: Final = "apikeychain.port"
CACHED: Final = "apikeychain.cached"
PASSED: Final = "passed"

ATTRIBUTES: Final = {
    METHOD: "the method, or `_OTHER` for one that HTTP does not know",
    STATUS: "the status of the answer; 499 where the caller left before there was one",
    PROJECT: "the id of the project, once it was loaded",
    ROUTE: "the name of the route, once the call was matched to it",
    PROVIDER: "the name of that route's provider",
    OUTCOME: "`passed`, or the code of the refusal or failure, as in the problem document; `caller-gone`",
    STATUS_CLASS: "`2xx` to `5xx`",
    STEP: "the name of the step",
    PORT: "the plug, by the keychain's argument",
    CACHED: "whether the secret was open already",
}
CALL: Final = "apikeychain.call"
STEPS: Final[dict[Step, str]] = {
    "load": "the project is read, where it is not held or is to be read anew",
    "verify": "the signature, where there is one: the body that it covers, and its claim",
    "spend": "the quotas are spent, or what the claim spent is settled",
    "record": "a place in the ledger is taken",
    "read": "a body that is checked before anything is sent is read",
    "intend": "what the call is about to do is written down, where the ledger is written ahead",
    "open": "the secret is opened, or below `verify` the signing key, where it is not open or is to be opened anew",
    "send": "the provider, up to the head of its answer",
    "shape": "an answer is read that the route's transforms want whole",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, as the reference tells of it."""

    kind: str
    unit: str
    meaning: str
    attributes: tuple[str, ...] = ()


METRICS: Final = {
    "apikeychain.calls": Metric("counter", "{call}", "calls that ended", (STATUS_CLASS, OUTCOME)),
    "apikeychain.call.duration": Metric(
        "histogram", "s", "a call from its head to the last byte of its answer", (STATUS_CLASS, OUTCOME)
    ),
    "apikeychain.step.duration": Metric("histogram", "s", "one step of a call", (STEP,)),
    "apikeychain.upstream.duration": Metric(
        "histogram", "s", "a provider, from the request to the head of its answer", (OUTCOME,)
    ),
    "apikeychain.ledger.queued": Metric("up-down counter", "{entry}", "ledger entries that are not written yet"),
    "apikeychain.ledger.flush.duration": Metric("histogram", "s", "the writing of one group of entries", (OUTCOME,)),
    "apikeychain.ledger.gaps": Metric("counter", "{entry}", "ledger entries that say what was or may have been lost"),
    "apikeychain.ledger.rounds": Metric(
        "counter", "{round}", "rounds in which checkpoints were to be signed and published", (OUTCOME,)
    ),
    "apikeychain.ledger.broken": Metric(
        "counter", "{chain}", "times that a chain was not signed, since it does not hold or cannot be read"
    ),
    "apikeychain.rotation.due": Metric(
        "up-down counter",
        "{secret}",
        "secrets whose rotation this worker was to look at when it last looked: a step is due or may be",
    ),
    "apikeychain.secrets": Metric("counter", "{secret}", "secrets that calls used", (CACHED,)),
    "apikeychain.plug.failures": Metric("counter", "{failure}", "times that a plug did not do its deed", (PORT,)),
}
