"""`apikeychain doctor`."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from apikeychain.cli import output
from apikeychain.cli.invocation import Call, quiet
from apikeychain.doctor.examination import examine
from apikeychain.doctor.finding import Finding, holds


async def doctor(*, deep: Annotated[bool, Parameter(negative="", show_default=False)] = False, call: Call) -> int:
    """Look at everything that a keychain stands on, and say what to do. Nothing is changed.

    The exit code is 0 where nothing fails, also with warnings.

    Args:
        deep: derive every project key again and compare, about 0.2 s each; read the whole of a database in a file.
    """
    with quiet():
        findings = await examine(call.environment(), deep=deep)
    if call.json:
        output.document({"holds": holds(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            output.say(_line(finding))
    return 0 if holds(findings) else 1


def _line(finding: Finding) -> str:
    advice = f": {finding.advice}" if finding.advice else ""
    return f"{finding.state:<8} {finding.check:<13} {finding.told}{advice}"
