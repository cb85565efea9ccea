"""A node's share of the records: what it is master of, and what it holds a replica of.

The store counts records of whole sets; a node of a cluster counts its own partitions when it is asked.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.membership import MASTER, NONE
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.store import Namespace, concatenate


def held_partitions(node: Node) -> npt.NDArray[np.bool_] | None:
    """For each partition whether the node holds it; None where there is only one node, which holds all."""
    if len(node.membership.names) == 1 and node.membership.is_whole:
        return None
    return node.membership.columns[node.index] != NONE


def count_sets(node: Node, namespace: Namespace) -> list[tuple[int, int]]:
    """Count each set's records and their bytes on the node, replicas included, in the order of `namespace.sets`."""
    held = held_partitions(node)
    if held is None:
        return [(state.objects, state.used_bytes) for state in namespace.sets]
    with namespace.lock:
        arena, n_sets = namespace.arena, len(namespace.sets)
        offsets = concatenate([namespace.directory.offsets(int(p)) for p in np.flatnonzero(held)])
    set_ids = arena.words16[(offsets >> 1) + 10]
    objects = np.bincount(set_ids, minlength=n_sets)
    n_bytes = np.bincount(set_ids, weights=arena.words32[offsets >> 2], minlength=n_sets)
    return [(int(o), int(b)) for o, b in zip(objects[:n_sets], n_bytes[:n_sets], strict=True)]


def count_namespace(node: Node, namespace: Namespace) -> tuple[int, int]:
    """Count the records that the node is master of, and those that it holds replicas of."""
    if held_partitions(node) is None:
        return namespace.objects, 0
    columns = node.membership.columns[node.index]
    counts = namespace.directory.counts
    return int(counts[columns == MASTER].sum()), int(counts[columns > MASTER].sum())
