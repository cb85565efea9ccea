"""Contenders that take turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping


def take_turns(contenders: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, list[float]]:
    """Run every contender once without counting, then all of them in turn, `repeat` times; returns their seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for work in contenders.values():
        work()
    for _ in range(repeat):
        for name, work in contenders.items():
            gc.collect()
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return seconds
