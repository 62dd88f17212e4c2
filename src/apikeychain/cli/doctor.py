"""`apikeychain doctor`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.cli.invocation import Call, quiet
from apikeychain.doctor.examination import examine
from apikeychain.doctor.finding import Finding, holds
from apikeychain.doctor.probes import look_at_deployment, parse_place


async def doctor(
    *,
    deep: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    url: str | None = None,
    ca_file: Path | None = None,
    call: Call,
) -> int:
    """Look at everything that a keychain stands on, and say what to do. Nothing is changed.

    With --url it looks at a gate that runs somewhere, from outside, as a page on a foreign origin would: TLS, http,
    what the front server does to headers and to callers who lie about their way, and the clock.

    At an OpenBao it logs in as a worker does, which takes one use of a secret id that has only so many; with a token in
    a file it does not.

    The exit code is 0 where nothing fails, also with warnings.

    Args:
        deep: derive every project key again and compare, about 0.2 s each; read the whole of a database in a file.
        url: of a running gate, https://host/api/apikeychain: look at that instead.
        ca_file: authorities that its certificate may be from, instead of the system's.
    """
    with quiet():
        findings = await (
            look_at_deployment(parse_place(url), ca_file=ca_file) if url else examine(call.environment(), deep=deep)
        )
    if call.json:
        output.document({"holds": holds(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            output.say(_line(finding))
    return 0 if holds(findings) else 1


def _line(finding: Finding) -> str:
    advice = f": {finding.advice}" if finding.advice else ""
    return f"{finding.state:<8} {finding.check:<13} {finding.told}{advice}"
