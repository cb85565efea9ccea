"""Contenders that take turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Turns:
    """What one contender took, a sample a turn: seconds on the clock, and of this process's CPUs."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.seconds)

    @property
    def best_cpu(self) -> float:
        return min(self.cpu_seconds)


def take_turns(contenders: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, Turns]:
    """Run every contender once without counting, then all of them in turn, `repeat` times."""
    turns = {name: Turns() for name in contenders}
    for work in contenders.values():
        work()
    for _ in range(repeat):
        for name, work in contenders.items():
            gc.collect()
            started, cpu_started = time.perf_counter(), time.process_time()
            work()
            turns[name].seconds.append(time.perf_counter() - started)
            turns[name].cpu_seconds.append(time.process_time() - cpu_started)
    return turns


def samples(turns: Mapping[str, Turns]) -> dict[str, list[float]]:
    """As a measurement keeps them."""
    clock = {f"{name} seconds": turn.seconds for name, turn in turns.items()}
    return {**clock, **{f"{name} CPU seconds": turn.cpu_seconds for name, turn in turns.items()}}
