"""`python -m benchmarks`: run the measurements, print figures beside their targets, write JSON."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import Target, open_target
from benchmarks.report import Measurement, print_heading, print_measurement, to_json, write_json

MEASUREMENTS = {
    "a": "scan_to_arrow",
    "b": "scan_to_pandas",
    "c": "decode_alone",
    "d": "pushed_filter",
    "e": "streamed_aggregate",
    "f": "first_progress",
    "g": "imports",
    "h": "batch_load",
    "i": "bulk_write",
    "j": "spark_read",
    "k": "spark_tasks",
    "l": "trino_read",
}


def run(keys: Sequence[str], records: int, repeat: int) -> dict[str, Any]:
    """Run the measurements on one server; returns what is written as JSON."""
    started = time.monotonic()
    measurements: list[Measurement] = []
    with open_target(records) as target:
        print_heading(target)
        for key in keys:
            measurements.append(_measure(key, target, repeat))
            print_measurement(measurements[-1])
        return to_json(target, measurements, time.monotonic() - started)


def _measure(key: str, target: Target, repeat: int) -> Measurement:
    module = importlib.import_module(f"benchmarks.{MEASUREMENTS[key]}")
    try:
        return module.measure(target, repeat)
    except Exception as error:  # the other measurements are still worth having
        traceback.print_exc()
        return Measurement(key, MEASUREMENTS[key].replace("_", " "), (), f"failed: {error}", failed=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join(MEASUREMENTS), metavar="a,b", help="which measurements, by letter")
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="records in the set")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="repetitions of each contender")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where to write; default: benchmarks/results/")
    given = parser.parse_args(arguments)
    keys = [key.strip() for key in given.only.split(",")]
    if unknown := [key for key in keys if key not in MEASUREMENTS]:
        parser.error(f"no measurement {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    if given.records < 10 or given.repeat < 1:
        parser.error("--records must be at least 10, --repeat at least 1")
    content = run(keys, given.records, given.repeat)
    missed = [f["name"] for m in content["measurements"] for f in m["figures"] if f["met"] is False]
    path = write_json(content, given.json)
    print(f"\n{content['elapsed_s']:.0f} s; written to {path}")
    print(f"targets missed: {'; '.join(missed)}" if missed else "no target missed")
    failed = [m["key"] for m in content["measurements"] if m["failed"]]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
