"""(g) What importing the extension costs: in a bare interpreter, and as `%load_ext` in an IPython that runs already."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.child import call
from benchmarks.data import Target
from benchmarks.report import Figure, Measurement
from benchmarks.timing import take_turns

AT_MOST_S = 0.3


def measure(target: Target, repeat: int) -> Measurement:
    turns = take_turns(
        {
            "bare": lambda: _run("pass"),
            "package": lambda: _run("import aerospike_magic"),
            "extension": lambda: _run("import aerospike_magic.magic"),
        },
        repeat,
    )
    seconds = {name: turn.seconds for name, turn in turns.items()}
    seconds["load_ext"] = [call(load_extension) for _ in range(repeat)]
    best = {name: min(values) for name, values in seconds.items()}
    return Measurement(
        "g",
        "import of the extension",
        (
            Figure("import aerospike_magic.magic", best["extension"] - best["bare"], at_most=AT_MOST_S),
            Figure("%load_ext aerospike_magic, IPython running", best["load_ext"], at_most=AT_MOST_S),
            Figure("import aerospike_magic", best["package"] - best["bare"]),
            Figure("the bare interpreter, subtracted", best["bare"]),
        ),
        f"best of {repeat}, a fresh process each, in turn, after a warm-up",
        seconds,
    )


def load_extension() -> float:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    started = time.perf_counter()
    shell.extension_manager.load_extension("aerospike_magic")
    return time.perf_counter() - started


def _run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)
