"""Work in a fresh interpreter, so that its memory and its imports are its own.

`call(function, *args)` runs a function of some module of this package as `python -m benchmarks.child` and returns
what it returns, by way of JSON. `measured(work)` is what such a function uses to know its time and its peak memory.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
_TIMEOUT_S = 300


def call(function: Callable[..., Any], *args: object) -> Any:
    command = [sys.executable, "-m", "benchmarks.child", function.__module__, function.__name__, json.dumps(args)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{function.__name__}{args} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Run it; returns its `seconds`, and `before_mb` and `peak_mb` of this process's resident memory, in MB."""
    gc.collect()
    before = _resident_bytes()
    _forget_peak()
    started = time.perf_counter()
    kept = work()
    seconds = time.perf_counter() - started
    peak = _peak_bytes()
    del kept
    return {"seconds": seconds, "before_mb": before / 1e6, "peak_mb": max(peak, before) / 1e6}


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _forget_peak() -> None:
    """Linux: the peak starts anew from here. Elsewhere it is that of the whole process, which is more."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024


def _main() -> None:
    module, name, args = sys.argv[1:]
    function = getattr(importlib.import_module(module), name)
    with contextlib.redirect_stdout(io.StringIO()):
        answer = function(*json.loads(args))
    print(json.dumps(answer))


if __name__ == "__main__":
    _main()
