"""Scan progress in one line of words: while it runs, and as the record of what was done.

Both forms take all the scans of a query (a join has several), and never call an unfinished scan finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from aerospike_magic.display.text import (
    clean,
    count,
    duration,
    escape,
    fit,
    percent,
    plural,
    rate,
    size,
    width,
)

if TYPE_CHECKING:
    from aerospike_magic.scan.progress import ScanProgress

_BAR = "▏▎▍▌▋▊▉█"
MAX_PREDICATE_CHARS = 120


def total_fraction(scans: Sequence[ScanProgress]) -> float:
    """Return how much of all the scans' partitions has been read to its end, 0..1."""
    total = sum(scan.partitions_total for scan in scans)
    return sum(scan.partitions_done for scan in scans) / total if total else 0.0


def total_eta_s(scans: Sequence[ScanProgress]) -> float | None:
    """Return the seconds left until the slowest running scan ends; None when unknown."""
    etas = [scan.eta_s for scan in scans if not scan.is_finished]
    known = [eta for eta in etas if eta is not None]
    return max(known) if known and len(known) == len(etas) else None


def summary_line(scans: Sequence[ScanProgress], elapsed_s: float, *, tail: str = "") -> str:
    """Say what a query did: `336,776 scanned → 111,279 returned · origin = 'JFK' pushed · 0.21 s`.

    Args:
        scans: the last snapshot of each scan.
        elapsed_s: seconds from the start of the cell.
        tail: further words, such as where the result went.
    """
    parts = [*_scan_words(scans), duration(elapsed_s), *([tail] if tail else [])]
    return clean(" · ".join(parts))


def summary_html(scans: Sequence[ScanProgress], elapsed_s: float, *, tail: str = "") -> str:
    """Return `summary_line` as HTML without the style sheet; predicates are set apart."""
    parts = []
    for scan in scans:
        words = escape(_flow(scan, named=len(scans) > 1))
        if scan.pushed:
            words += f' · <span class="aero-pred">{escape(_short(scan.pushed))}</span> pushed'
        if scan.residual:
            words += f' · <span class="aero-pred">{escape(_short(scan.residual))}</span> checked here'
        words += "".join(f" · {escape(note)}" for note in _notes(scan))
        parts.append(words)
    body = " + ".join(parts) if parts else "no set read"
    end = f' · <span class="aero-dim">{escape(duration(elapsed_s))}</span>'
    end += f" · {escape(tail)}" if tail else ""
    return f'<div class="aero-line" role="status">{body}{end}</div>'


def stopped_words(scans: Sequence[ScanProgress]) -> str:
    """Say how far a stopped query got: `38 % of 4,096 partitions, 127,000 scanned → 41,000 returned`."""
    if not scans:
        return "nothing was read"
    read = sum(scan.scanned for scan in scans)
    total = sum(scan.partitions_total for scan in scans)
    returned = sum(scan.returned for scan in scans)
    reached = percent(total_fraction(scans))
    return f"{reached} of {plural(total, 'partition')}, {count(read)} scanned → {count(returned)} returned"


def live_line(scans: Sequence[ScanProgress], elapsed_s: float, cells: int = 100, activity: str = "") -> str:
    """Return one line for a query that runs, at most `cells` terminal cells wide.

    The bar gives way first, then the words at the end.

    Args:
        scans: a snapshot of each scan; none yet while the query is planned.
        elapsed_s: seconds since the cell started.
        cells: width of the line.
        activity: where the engine itself is, in a few words.
    """
    if not scans:
        return fit(clean(f"{activity or 'planning'} · {duration(elapsed_s)}"), cells)
    fraction = total_fraction(scans)
    words = [
        percent(fraction),
        _running_flow(scans),
        rate(sum(s.records_per_s for s in scans if not s.is_finished)),
    ]
    eta_s = total_eta_s(scans)
    words.append(f"{duration(eta_s)} left" if eta_s is not None else duration(elapsed_s))
    words += [activity, *_attention(scans)]
    words += [f"{_short(scan.pushed)} pushed" for scan in scans if scan.pushed]
    text = clean(" · ".join(word for word in words if word))
    n_bar = min(24, cells - width(text) - 2)
    return fit(f"{bar(fraction, n_bar)} {text}", cells) if n_bar >= 8 else fit(text, cells)


def bar(fraction: float, cells: int) -> str:
    """Return a bar of block characters, filled to eighths of a cell."""
    eighths = round(max(0.0, min(1.0, fraction)) * cells * 8)
    full, rest = divmod(eighths, 8)
    filled = "█" * full + (_BAR[rest - 1] if rest else "")
    return filled + "·" * (cells - len(filled))


def mismatch_lines(scans: Iterable[ScanProgress]) -> list[str]:
    """Say which values did not fit their column and which bins the sampled schema has not seen."""
    from aerospike_magic.scan.progress import most_telling

    lines = []
    for scan in scans:
        for found in most_telling(scan.mismatches):
            example = f', e.g. "{_short(found.example, 60)}"' if found.example else ""
            where = f"{scan.namespace}.{scan.set_name}, bin `{found.bin}`"
            if found.kind == "unseen":
                lines.append(
                    f"{where}: {plural(found.count, 'value')} of a bin that the sample did not have, "
                    f"not in the result{example}"
                )
            else:
                lines.append(f"{where}: {plural(found.count, 'value')} did not fit, now NULL{example}")
    return [clean(line) for line in lines]


def _scan_words(scans: Sequence[ScanProgress]) -> list[str]:
    if not scans:
        return ["no set read"]
    if len(scans) == 1:
        return _one_scan(scans[0], named=False)
    return [" + ".join(" · ".join(_one_scan(scan, named=True)) for scan in scans)]


def _one_scan(scan: ScanProgress, *, named: bool) -> list[str]:
    words = [_flow(scan, named=named)]
    if scan.pushed:
        words.append(f"{_short(scan.pushed)} pushed")
    if scan.residual:
        words.append(f"{_short(scan.residual)} checked here")
    return words + _notes(scan)


def _flow(scan: ScanProgress, *, named: bool) -> str:
    name = f"{scan.namespace}.{scan.set_name} " if named else ""
    return f"{name}{count(scan.scanned)} scanned → {count(scan.returned)} returned"


def _notes(scan: ScanProgress) -> list[str]:
    notes = [] if scan.access == "partition scan" else [scan.access]
    # A scan whose consumer has enough ends well, but early.
    if scan.state == "cancelled" or (scan.state == "done" and scan.fraction < 1):
        notes.append(f"stopped at {percent(scan.fraction)} of the partitions")
    if scan.state == "failed":
        notes.append("failed")
    if scan.retries:
        notes.append(f"{plural(scan.retries, 'partition')} asked again")
    if scan.throttled:
        notes.append("throttled")
    return notes


def _running_flow(scans: Sequence[ScanProgress]) -> str:
    scanned, returned = sum(s.scanned for s in scans), sum(s.returned for s in scans)
    n_bytes = sum(s.n_bytes for s in scans)
    names = f" from {len(scans)} sets" if len(scans) > 1 else ""
    return f"{count(scanned)} scanned{names} → {count(returned)} · {size(n_bytes)}"


def _attention(scans: Sequence[ScanProgress]) -> list[str]:
    retries = sum(scan.retries for scan in scans)
    notes = [f"{plural(retries, 'partition')} asked again"] if retries else []
    return notes + (["throttled"] if any(scan.throttled for scan in scans) else [])


def _short(text: str, limit: int = MAX_PREDICATE_CHARS) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
