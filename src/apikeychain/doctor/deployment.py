"""What a gate that runs somewhere shows to whoever calls it from outside: facts in, findings out.

Source: contracts 1 (unknown projects), 2 (foreign origins, https, headers of every answer), 3 (clocks).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from apikeychain.doctor.finding import Finding
from apikeychain.doctor.verdicts import of_clock
from apikeychain.errors import HTTPSRequiredError, NotFoundError
from apikeychain.rules.headers import ANSWER_LINES, HSTS

_ERROR = "x-apikeychain-error"
_ALLOWED = "access-control-allow-origin"
_REDIRECTS = range(300, 400)
_REFUSED = 400
_SOON_DAYS = 14
_OVERWRITE = "let the front server overwrite X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-For"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer; its header lines by lower-case name."""

    status: int
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The gate's own code for a refusal, or "" where it was not the gate that answered."""
        return self.headers.get(_ERROR, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSFacts:
    """The way to it.

    Attributes:
        version: such as ``"TLSv1.3"``.
        is_old_spoken: whether it speaks a version below 1.2, too.
        days_left: of its certificate.
    """

    version: str
    is_old_spoken: bool
    days_left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFacts:
    """What it answers to a page on a foreign origin that asks for a project that does not exist.

    Attributes:
        call: to the call; `preflight`: to the preflight before it; `trace`: to the method TRACE.
        spoofed: to a call that says of itself that it came over http.
        plain: to one over http; None where nobody answers.
        is_public: whether its host is a name that browsers keep on https.
        ahead_seconds: how far its clock is ahead of this machine's; None where it does not say.
    """

    call: Answered
    preflight: Answered
    trace: Answered
    spoofed: Answered
    plain: Answered | None
    is_public: bool
    ahead_seconds: float | None


def of_tls(facts: TLSFacts) -> Iterator[Finding]:
    """Whether the way is safe."""
    if facts.version == "TLSv1.3":
        yield Finding("tls", "ok", "the connection is TLS 1.3")
    else:
        yield Finding("tls", "warning", f"the connection is {facts.version}", "let the front server speak TLS 1.3")
    if facts.is_old_spoken:
        yield Finding("tls", "failure", "versions below TLS 1.2 are spoken", "turn them off at the front server")
    if facts.days_left < _SOON_DAYS:
        yield Finding("tls", "warning", f"the certificate ends in {facts.days_left:.0f} days", "renew it")


def of_deployment(facts: DeploymentFacts) -> list[Finding]:
    """All of it; where no gate answers, that alone."""
    gate = _of_gate(facts.call)
    if gate.state == "failure":
        return [gate]
    found = [gate, *_of_cors(facts), *_of_headers(facts), _of_plain(facts.plain), _of_proxies(facts.spoofed)]
    if facts.trace.status < _REFUSED:
        found.append(Finding("methods", "warning", "TRACE is answered", "turn it off at the front server"))
    if facts.ahead_seconds is not None:
        found.append(of_clock("clock", facts.ahead_seconds))
    return found


def _of_gate(call: Answered) -> Finding:
    if call.code == NotFoundError.code:
        return Finding("gate", "ok", "the gate answers")
    if call.code == HTTPSRequiredError.code:
        advice = "name the front server in trusted_proxies, and let it set X-Forwarded-Proto"
        return Finding("gate", "failure", "the gate takes a call over https for one over http", advice)
    told = f"no gate answers there, but something with status {call.status}" + (f" ({call.code})" if call.code else "")
    return Finding("gate", "failure", told, "say the address with the prefix: https://host/api/apikeychain")


def _of_cors(facts: DeploymentFacts) -> Sequence[Finding]:
    allowed = [what for what, answered in _foreign(facts) if _ALLOWED in answered.headers]
    if not allowed:
        return [Finding("origins", "ok", "a foreign origin is told nothing")]
    told = f"a foreign origin is allowed in the answer to {' and '.join(allowed)}, and not by the gate"
    return [Finding("origins", "failure", told, "take Access-Control-* out of what stands in front of it")]


def _foreign(facts: DeploymentFacts) -> Iterator[tuple[str, Answered]]:
    yield "a call", facts.call
    yield "a preflight", facts.preflight


def _of_headers(facts: DeploymentFacts) -> Sequence[Finding]:
    lines = {name.decode(): value.decode() for name, value in ANSWER_LINES}
    found = [_changed(name) for name, value in lines.items() if facts.call.headers.get(name) != value]
    if "origin" not in facts.call.headers.get("vary", "").lower():
        found.append(_changed("vary"))
    name = HSTS[0].decode()
    if facts.is_public and name not in facts.call.headers:
        told = f"{name} is missing: development is on, or something in front takes it out"
        found.append(Finding("headers", "warning", told, "turn development off, and let the header pass"))
    return found or [Finding("headers", "ok", "the gate's headers arrive")]


def _changed(name: str) -> Finding:
    return Finding("headers", "failure", f"{name} is missing or changed", "let the front server pass it as it is")


def _of_plain(plain: Answered | None) -> Finding:
    if plain is None:
        return Finding("http", "ok", "nobody answers over http")
    if plain.code == HTTPSRequiredError.code:
        return Finding("http", "ok", "a call over http is refused")
    if plain.status in _REDIRECTS:
        told = "a call over http is redirected, when what it carried has been seen already"
        return Finding("http", "warning", told, "refuse it under the prefix of the gate")
    told = f"a call over http is answered with status {plain.status}"
    return Finding("http", "failure", told, "refuse it, or close the port")


def _of_proxies(spoofed: Answered) -> Finding:
    if spoofed.code == HTTPSRequiredError.code:
        return Finding("proxies", "failure", "what a caller says of its own way is believed", _OVERWRITE)
    return Finding("proxies", "ok", "what a caller says of its own way is not believed")
