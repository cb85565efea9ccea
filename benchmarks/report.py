"""Figures with their targets: as a table to read, and as JSON to compare."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.data import Target

RESULTS = Path(__file__).parent / "results"
_NAME_WIDTH = 58


@dataclass(frozen=True)
class Figure:
    """One number. `at_most` and `at_least` are its target, in the same unit; a figure without one only informs."""

    name: str
    value: float
    unit: str = "s"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"≤ {_number(self.at_most)} {self.unit}"
        return f"≥ {_number(self.at_least)} {self.unit}" if self.at_least is not None else ""

    @property
    def is_met(self) -> bool | None:
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None


@dataclass(frozen=True)
class Measurement:
    """What one module measured: its letter in the issue, figures, how they came about, and every sample taken."""

    key: str
    title: str
    figures: tuple[Figure, ...]
    how: str
    samples: dict[str, list[float]] = field(default_factory=dict)
    failed: bool = False


def print_measurement(measurement: Measurement) -> None:
    print(f"\n({measurement.key}) {measurement.title}")
    for figure in measurement.figures:
        value = f"{_number(figure.value)} {figure.unit}"
        verdict = {None: "", True: "met", False: "MISSED"}[figure.is_met]
        print(f"    {figure.name:<{_NAME_WIDTH}} {value:>18}   {figure.target:<18} {verdict}".rstrip())
    print(f"    [{measurement.how}]", flush=True)


def print_heading(target: Target) -> None:
    where = "embedded server" if target.is_embedded else f"Aerospike {target.build}"
    print(f"{target.records:,} records of 7 bins in test.{target.set_name} · {where} at {target.address}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}", flush=True)


def to_json(target: Target, measurements: Sequence[Measurement], elapsed_s: float) -> dict[str, Any]:
    return {
        "format": 1,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "elapsed_s": round(elapsed_s, 1),
        "server": {"build": target.build, "embedded": target.is_embedded},
        "machine": {
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "records": target.records,
        "measurements": [
            {
                "key": m.key,
                "title": m.title,
                "how": m.how,
                "figures": [
                    {"name": f.name, "value": f.value, "unit": f.unit, "target": f.target, "met": f.is_met}
                    for f in m.figures
                ],
                "samples": m.samples,
                "failed": m.failed,
            }
            for m in measurements
        ],
    }


def write_json(content: dict[str, Any], path: Path | None) -> Path:
    """Write to `path`, or to a new file in `results/`; returns where."""
    if path is None:
        kind = "embedded" if content["server"]["embedded"] else content["server"]["build"]
        path = RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _number(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return text.removesuffix(".0")
