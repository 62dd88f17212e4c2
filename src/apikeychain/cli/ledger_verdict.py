"""What the command says of an examined ledger."""

from collections.abc import Mapping

from apikeychain.cli import output
from apikeychain.model.ledger_report import Anchor, LedgerReport, Manipulation
from apikeychain.rules.kept import kept_text

_COLUMNS = ["seq", "what_was_done", "how_it_shows"]
_UNANCHORED = (
    "the end is not anchored: it was compared with no witness and with nothing that was kept elsewhere (--kept), so "
    "nothing shows whether the end was cut off, an older copy was put back, or all of it was written anew"
)


def tell(report: LedgerReport, *, json: bool) -> None:
    """Say what was found: the faults as a table, or all of it as one document."""
    if json:
        output.document(_document(report))
    elif report.holds:
        output.say("\n".join(_sound(report)))
    else:
        output.table([_row(fault.seq, fault.manipulation, fault.reason) for fault in report.faults], _COLUMNS)
        output.say("\n".join(_broken(report)))


def _sound(report: LedgerReport) -> list[str]:
    kept_now = f"apikeychain ledger verify {report.tenant} --kept {kept_text(report.head)}"
    return [
        _read(report),
        *_dropped(report),
        *(f"the first {anchor.head.size} agree with {anchor.source}" for anchor in report.anchors),
        *_missed(report),
        *([] if report.anchored else [_UNANCHORED]),
        "keep this line elsewhere; it is how to verify the next time:",
        kept_now,
    ]


def _read(report: LedgerReport) -> str:
    size, tenant, since = report.head.size, report.tenant, report.since
    if since is None:
        return f"all {size} entries of {tenant} hold, each behind the one before it"
    return (
        f"the {report.read} entries of {tenant} behind entry {since.size} hold, each behind the one before it; the "
        f"first {since.size} were not read but taken as they were signed"
    )


def _missed(report: LedgerReport) -> list[str]:
    return [f"it was not compared with {unheard.source}: {unheard.reason}" for unheard in report.unheard]


def _dropped(report: LedgerReport) -> list[str]:
    if not report.dropped:
        return []
    by = ", ".join(map(str, report.covering))
    return [f"the bodies of {report.dropped} of them were dropped; look whether you did that: it is said by entry {by}"]


def _broken(report: LedgerReport) -> list[str]:
    counted = ", ".join(f"{count} {manipulation}" for manipulation, count in report.counts.items())
    shown = len(report.faults)
    more = [f"the first {shown} places are shown"] if shown < sum(report.counts.values()) else []
    unanchored = [] if any(anchor.is_elsewhere for anchor in report.anchors) else [_UNANCHORED]
    told = f"{report.read} entries of {report.tenant} were read; in all: {counted}"
    return ["", *more, told, *_missed(report), *unanchored]


def _row(seq: int, manipulation: Manipulation, reason: str) -> Mapping[str, object]:
    return {"seq": seq, "what_was_done": manipulation, "how_it_shows": reason}


def _document(report: LedgerReport) -> output.Document:
    first = report.faults[0] if report.faults else None
    return {
        "tenant": report.tenant,
        "holds": report.holds,
        "anchored": report.anchored,
        "complete": report.is_complete,
        "entries": report.read,
        "dropped": report.dropped,
        "covering": [*report.covering],
        "hash": report.head.hash.hex(),
        "keep": kept_text(report.head) if report.holds else None,
        "kept": kept_text(report.kept) if report.kept else None,
        "since": kept_text(report.since) if report.since else None,
        "anchors": [_anchor(anchor) for anchor in report.anchors],
        "unheard": [
            {"source": unheard.source, "reason": unheard.reason, "failure": unheard.is_failure}
            for unheard in report.unheard
        ],
        "entry": first.seq if first else None,
        "manipulation": first.manipulation if first else None,
        "reason": first.reason if first else None,
        "counts": dict(report.counts),
        "faults": [
            {"seq": fault.seq, "manipulation": fault.manipulation, "reason": fault.reason} for fault in report.faults
        ],
    }


def _anchor(anchor: Anchor) -> Mapping[str, object]:
    head, root = anchor.head, anchor.root
    where = {"source": anchor.source, "elsewhere": anchor.is_elsewhere, "size": head.size, "hash": head.hash.hex()}
    return where | {"root": root.hex() if root else None}
