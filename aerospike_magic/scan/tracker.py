"""Which partitions are still to be read, from which node, and what becomes of those that fail: pure state, no I/O.

Workers take groups of partitions that one node owns, and hand each group back as finished, or as failed with a
reason. A failed partition waits a little, then goes to whoever owns it by then, to be read on from its last record.
A partition that made no progress for `give_up_s` ends the scan: nothing partial is presented as whole.

Groups start small, so that the first rows and the first progress come early, and grow to `group_size`, so that a
lost connection costs little and workers finish together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aerospike_magic.connection import Node, PartitionMap
from aerospike_magic.errors import ScanError
from aerospike_magic.scan.progress import N_PARTITIONS, PartitionState

_FIRST_GROUP_SHARE = 8
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0


@dataclass(frozen=True)
class Group:
    """Partitions that one request asks a node for."""

    node: Node
    node_index: int
    partitions: tuple[int, ...]


@dataclass
class _Trouble:
    """Partitions that failed: since when, how often, and when they may be tried again."""

    since: float
    reason: BaseException
    tries: int = 1
    again_at: float = 0.0


@dataclass
class PartitionTracker:
    """The partitions of one scan.

    Args:
        partition_map: who owns what now.
        partitions: the ids to read.
        group_size: partitions of a full group.
        per_node: groups that may be read from one node at once; 0 for any number.
        give_up_s: seconds that a partition may fail in a row without any record read.
        done: ids that were read before; they only count as done.
        starts_small: whether the first groups are smaller.
    """

    partition_map: PartitionMap
    partitions: Iterable[int]
    group_size: int
    per_node: int = 0
    give_up_s: float = 15.0
    done: Iterable[int] = ()
    starts_small: bool = True
    retries: int = 0
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._states = np.zeros(N_PARTITIONS, np.uint8)
        self._states[list(self.partitions)] = PartitionState.WAITING
        self._states[list(self.done)] = PartitionState.DONE
        self._owners = np.full(N_PARTITIONS, -1, np.int16)
        self._taken = np.zeros(N_PARTITIONS, np.bool_)
        self._active: dict[int, int] = {}
        self._group = max(1, self.group_size // (_FIRST_GROUP_SHARE if self.starts_small else 1))
        self._trouble: dict[int, _Trouble] = {}
        self._stopped = False
        self.done_by_node: dict[int, int] = {}
        self._adopt(self.partition_map)

    def want(self, partitions: Iterable[int]) -> None:
        """Add partitions to read (the second pass learns them from the first)."""
        with self._changed:
            self._states[list(partitions)] = PartitionState.WAITING

    def take(self, preferred: int = -1, before_wait: Callable[[], None] | None = None) -> Group | None:
        """Return the next group to read, waiting for one if others are still being read; None when all is done.

        Args:
            preferred: index of the node the worker is connected to, -1 for none.
            before_wait: called once, without a lock held, if there is a wait, for what cannot wait that long.
        """
        while True:
            with self._changed:
                while not self._stopped:
                    if not self._unfinished():
                        self._changed.notify_all()
                        return None
                    group = self._next_group(preferred)
                    if group is not None:
                        return group
                    if before_wait is not None:
                        break
                    self._changed.wait(self._pause_s())
                else:
                    return None
            before_wait()
            before_wait = None

    def finish(self, group: Group, unavailable: Sequence[int] = (), reason: BaseException | None = None) -> None:
        """Take a group back as read to its end, but for the partitions that its node could not serve."""
        with self._changed:
            missing = set(unavailable)
            done = [p for p in group.partitions if p not in missing]
            self._states[done] = PartitionState.DONE
            self.done_by_node[group.node_index] = self.done_by_node.get(group.node_index, 0) + len(done)
            for partition in done:
                self._trouble.pop(partition, None)
            self._put_down(group)
            lost = [p for p in group.partitions if p in missing]
            if lost and reason is not None:
                self._note_trouble(lost, reason, PartitionState.UNAVAILABLE)
            self._changed.notify_all()

    def fail(self, group: Group, reason: BaseException, made_progress: bool) -> None:
        """Take a group back as not finished; its partitions will be asked for again.

        Args:
            group: what `take` returned.
            reason: what happened.
            made_progress: whether records came before it happened: then the clock for giving up starts anew.
        """
        with self._changed:
            self._put_down(group)
            if made_progress:
                for partition in group.partitions:
                    self._trouble.pop(partition, None)
            self._note_trouble(group.partitions, reason, PartitionState.RETRYING)
            self._changed.notify_all()

    def reassign(self, partition_map: PartitionMap) -> None:
        """Adopt a newer partition map."""
        with self._changed:
            self._adopt(partition_map)
            self._changed.notify_all()

    def stop(self) -> None:
        """Let every waiting `take` return None."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def needs_map(self) -> bool:
        """Whether something failed, or has no owner, so that the partition map should be fetched again."""
        with self._changed:
            return bool(self._trouble) or bool((self._owners[self._in_line()] < 0).any())

    def given_up(self) -> tuple[tuple[int, ...], BaseException | None]:
        """Return the partitions that have failed for too long, and why; empty when there are none."""
        with self._changed:
            self._note_orphans()
            now = time.monotonic()
            hopeless = [p for p, t in self._trouble.items() if now - t.since > self.give_up_s]
            return tuple(sorted(hopeless)), self._trouble[hopeless[0]].reason if hopeless else None

    def snapshot(self) -> tuple[bytes, bytes]:
        """Return the states and the owners of all partitions, a byte each."""
        with self._changed:
            return self._states.tobytes(), np.maximum(self._owners, 0).astype(np.uint8).tobytes()

    def node_totals(self) -> npt.NDArray[np.int64]:
        """Return how many of the wanted partitions each node owns."""
        with self._changed:
            wanted = self._owners[(self._states != PartitionState.NOT_ASKED) & (self._owners >= 0)]
            return np.bincount(wanted, minlength=len(self.nodes)).astype(np.int64)

    def mark_reading(self, partitions: npt.NDArray[np.int64]) -> None:
        """Mark partitions of running groups that records have come from (for display only)."""
        with self._changed:
            waiting = partitions[self._states[partitions] == PartitionState.WAITING]
            self._states[waiting] = PartitionState.READING

    def _adopt(self, partition_map: PartitionMap) -> None:
        known = {node.name: i for i, node in enumerate(self.nodes)}
        index_of = np.full(len(partition_map.nodes) + 1, -1, np.int16)
        for i, node in enumerate(partition_map.nodes):
            if node.name not in known:
                known[node.name] = len(self.nodes)
                self.nodes.append(node)
            else:
                self.nodes[known[node.name]] = node
            index_of[i] = known[node.name]
        self._owners = index_of[partition_map.owners]  # an owner of -1 reads the last entry, -1

    def _unfinished(self) -> bool:
        return bool(((self._states != PartitionState.NOT_ASKED) & (self._states != PartitionState.DONE)).any())

    def _in_line(self) -> npt.NDArray[np.bool_]:
        """Partitions that are neither read nor being read."""
        states = self._states
        return (states != PartitionState.NOT_ASKED) & (states != PartitionState.DONE) & ~self._taken

    def _next_group(self, preferred: int) -> Group | None:
        ready = self._in_line() & (self._owners >= 0)
        now = time.monotonic()
        for partition, trouble in self._trouble.items():
            if trouble.again_at > now:
                ready[partition] = False
        node_index = self._least_busy(np.unique(self._owners[ready]), preferred)
        if node_index < 0:
            return None
        chosen = np.flatnonzero(ready & (self._owners == node_index))[: self._group]
        self._group = min(2 * self._group, self.group_size)
        self._taken[chosen] = True
        self._active[node_index] = self._active.get(node_index, 0) + 1
        return Group(self.nodes[node_index], node_index, tuple(int(p) for p in chosen))

    def _least_busy(self, candidates: npt.NDArray[np.int16], preferred: int) -> int:
        free = [int(n) for n in candidates if not self.per_node or self._active.get(int(n), 0) < self.per_node]
        return min(free, key=lambda n: (self._active.get(n, 0), n != preferred), default=-1)

    def _put_down(self, group: Group) -> None:
        self._taken[list(group.partitions)] = False
        self._active[group.node_index] -= 1

    def _note_trouble(self, partitions: Iterable[int], reason: BaseException, state: PartitionState) -> None:
        now = time.monotonic()
        for partition in partitions:
            self.retries += 1
            trouble = self._trouble.setdefault(partition, _Trouble(now, reason, tries=0))
            trouble.reason = reason
            trouble.tries += 1
            trouble.again_at = now + min(_FIRST_WAIT_S * 2 ** (trouble.tries - 1), _LONGEST_WAIT_S)
            self._states[partition] = state

    def _note_orphans(self) -> None:
        """A partition that nobody owns is in trouble without having been asked for."""
        orphans = np.flatnonzero(self._in_line() & (self._owners < 0))
        unknown = [int(p) for p in orphans if int(p) not in self._trouble]
        reason = ScanError("no node owns it at present")
        self._note_trouble(unknown, reason, PartitionState.UNAVAILABLE)

    def _pause_s(self) -> float:
        """How long to wait for a change: until the next partition may be tried again."""
        now = time.monotonic()
        waits = [t.again_at - now for t in self._trouble.values() if t.again_at > now]
        return max(min(waits), 0.001) if waits else 0.25
