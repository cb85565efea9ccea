"""What there is in a cluster, from info answers alone: namespaces, sets with their size, secondary indexes.

Counts in info answers include replicas, so a set's count is the sum over the nodes divided by the namespace's
effective replication factor. Sources: Aerospike server, as/src/base/set_index.c and namespace.c; vectors,
`info sets`, `info namespace/test`, `info sindex-list`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aerospike_magic.wire.info import parse_info_list, parse_info_pairs


@dataclass(frozen=True, slots=True)
class SetInfo:
    """A set, as the cluster counts it.

    Attributes:
        namespace, name: the set.
        objects: records, replicas not counted.
        n_bytes: bytes of the records, replicas not counted.
        storage_engine: where the records are: "memory", "pmem", "device", or "flash" when the primary index
            is on a device as well.
        index_type: where the primary index is: "mem", "shmem", "pmem" or "flash" ("" when the server does
            not say).
        replication_factor: copies of each record.
        n_indexes: secondary indexes on the set.
    """

    namespace: str
    name: str
    objects: int
    n_bytes: int
    storage_engine: str
    index_type: str = ""
    replication_factor: int = 1
    n_indexes: int = 0

    @property
    def full_name(self) -> str:
        """The table's name, ``namespace.set``."""
        return f"{self.namespace}.{self.name}"


@dataclass(frozen=True, slots=True)
class NamespaceInfo:
    """What one namespace says about itself.

    Attributes:
        name: the namespace.
        objects: master records.
        storage_engine, index_type: as in `SetInfo`.
        replication_factor: copies of each record that exist now.
    """

    name: str
    objects: int
    storage_engine: str
    index_type: str
    replication_factor: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """A secondary index.

    Attributes:
        namespace, set_name: what it covers; `set_name` is "" for an index over the whole namespace.
        name, bin: the index and its bin ("" for an index on an expression).
        type: "numeric", "string", "blob" or "geo2dsphere".
        index_type: "default" (the bin's value), "list", "mapkeys" or "mapvalues".
        ready: whether every node can answer from it.
        entries: entries over all nodes, replicas not counted; None when unknown.
        entries_per_value: mean entries for one value; None when unknown.
        context: whether it indexes inside a list or map, or an expression, so that it does not index the
            bin's value.
    """

    namespace: str
    set_name: str
    name: str
    bin: str
    type: str
    index_type: str
    ready: bool
    entries: int | None = None
    entries_per_value: float | None = None
    context: bool = False


def combine_namespace(name: str, answers: Sequence[str]) -> NamespaceInfo:
    """Put the nodes' answers to ``namespace/<name>`` together."""
    rows = [parse_info_pairs(answer) for answer in answers if answer]
    first = rows[0] if rows else {}
    engine, index_type = _storage(first)
    factor = max((_count(row, "effective_replication_factor", "replication-factor") for row in rows), default=1)
    return NamespaceInfo(name, sum(_count(row, "master_objects") for row in rows), engine, index_type, max(factor, 1))


def combine_sets(namespaces: Mapping[str, NamespaceInfo], answers: Sequence[str]) -> list[SetInfo]:
    """Put the nodes' answers to ``sets`` together, sorted by namespace and name.

    A set that is empty (or truncated) stays in the server's list until it restarts, and so here, with 0
    objects.
    """
    objects: dict[tuple[str, str], int] = {}
    n_bytes: dict[tuple[str, str], int] = {}
    n_indexes: dict[tuple[str, str], int] = {}
    for answer in answers:
        for row in parse_info_list(answer):
            name = (row.get("ns", ""), row.get("set", ""))
            if name[0] not in namespaces or not name[1]:
                continue
            objects[name] = objects.get(name, 0) + _count(row, "objects")
            # Servers before 7.0 count memory and device apart.
            size = (
                _count(row, "data_used_bytes") or _count(row, "device_data_bytes") or _count(row, "memory_data_bytes")
            )
            n_bytes[name] = n_bytes.get(name, 0) + size
            n_indexes[name] = max(n_indexes.get(name, 0), _count(row, "sindexes"))
    found = []
    for (namespace, set_name), count in sorted(objects.items()):
        info = namespaces[namespace]
        factor = info.replication_factor
        found.append(
            SetInfo(
                namespace,
                set_name,
                round(count / factor),
                round(n_bytes[namespace, set_name] / factor),
                info.storage_engine,
                info.index_type,
                factor,
                n_indexes[namespace, set_name],
            )
        )
    return found


def combine_indexes(answers: Sequence[str]) -> list[IndexInfo]:
    """Put the nodes' answers to ``sindex-list:ns=…`` together, without statistics, sorted by name.

    An index is ready when every node that answered lists it with state RW.
    """
    per_node = [parse_info_list(answer) for answer in answers]
    rows = {(row.get("ns", ""), row.get("indexname", "")): row for node in per_node for row in node}
    found = []
    for (namespace, name), row in sorted(rows.items()):
        states = [other.get("state") for node in per_node for other in node if other.get("indexname") == name]
        set_name = row.get("set", "")
        found.append(
            IndexInfo(
                namespace,
                "" if set_name.upper() == "NULL" else set_name,
                name,
                _known(row.get("bin", "")),
                row.get("type", "").lower(),
                row.get("indextype", "default").lower().replace("none", "default"),
                ready=len(states) == len(per_node) and all(state == "RW" for state in states),
                context=bool(_known(row.get("context", "")) or _known(row.get("exp", ""))),
            )
        )
    return found


def combine_index_statistics(answers: Sequence[str], replication_factor: int) -> tuple[int | None, float | None]:
    """Return (entries, entries per value) from answers to ``sindex-stat:…``; None where unknown."""
    rows = [row for row in map(parse_info_pairs, answers) if "entries" in row]
    if not rows or len(rows) < len(answers):
        return None, None
    entries = sum(_count(row, "entries") for row in rows)
    # The server computes entries_per_bval from time to time: 0 means not yet.
    per_value = [_count(row, "entries_per_bval") for row in rows if _count(row, "entries_per_bval")]
    # One value's entries are spread over the nodes, each of which counts its own, replicas included.
    factor = max(replication_factor, 1)
    return round(entries / factor), sum(per_value) / factor if per_value else None


def _storage(row: Mapping[str, str]) -> tuple[str, str]:
    engine = row.get("storage-engine", "memory").lower()
    index_type = row.get("index-type", "").lower()
    return ("flash" if engine == "device" and index_type == "flash" else engine), index_type


def _known(text: str) -> str:
    return "" if text.lower() == "null" else text


def _count(row: Mapping[str, str], *names: str) -> int:
    for name in names:
        value = row.get(name, "")
        if value.isdecimal():
            return int(value)
    return 0
