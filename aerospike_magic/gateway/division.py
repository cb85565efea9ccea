"""A table's rows divided into splits.

A scan becomes shares of the partitions, by the nodes that own them; a look-up becomes some thousand keys a split. Of a
filter that names digests, only their partitions are read. The token for further splits holds the division, which by the
next call could come out otherwise: the query, who owned the partitions, and how many splits were given.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from aerospike_magic.connection import Connection
from aerospike_magic.filters.access import IndexScan, Key, KeyLookup, Nothing
from aerospike_magic.filters.compile import CompiledFilter
from aerospike_magic.filters.predicate import Compare, In, Predicate, conjunction, conjuncts
from aerospike_magic.gateway.filters import from_hex, to_predicate
from aerospike_magic.gateway.messages import HostAddress, Split, SplitBatch, TupleDomain
from aerospike_magic.gateway.options import ServiceOptions
from aerospike_magic.gateway.splits import (
    Query,
    decode_query,
    encode_keys,
    encode_query,
    encode_share,
    pack,
    pack_numbers,
    reading_ids,
    rest_of,
    unpack,
    unpack_numbers,
)
from aerospike_magic.gateway.tables import KEY_SPELLING, SetTable
from aerospike_magic.scan import ScanOptions, ScanPlan, Share, plan_scan
from aerospike_magic.scan.plan import plan_access
from aerospike_magic.scan.tasks import MAX_TASKS, beside, split, throttle
from aerospike_magic.scan.teller import tell_plan
from aerospike_magic.schema.types import DIGEST_NAME
from aerospike_magic.wire.digest import DIGEST_SIZE, N_PARTITIONS, partition_id

KEYS_PER_SPLIT = 2_000
# Opening a split costs about as much as fifteen thousand records. Records can be large, though: a few splits a node are
# made of fewer, so that several of the engine's threads have something to do.
_RECORDS_WORTH_A_SPLIT = 160_000
_FEWEST_RECORDS_OF_A_SPLIT = 40_000
_SPLITS_PER_NODE = 4
_TASK_NAME = "splits"


@dataclass(frozen=True)
class Division:
    """How a scan is divided; the same arguments give the same shares.

    Attributes:
        query: what the splits share.
        n_splits: how many.
        owners: for each of the 4,096 partitions, the index of the node that owned it, -1 for none.
        nodes: the hosts of the nodes.
        partitions: only these are read; empty for all.
    """

    query: Query
    n_splits: int
    owners: tuple[int, ...]
    nodes: tuple[str, ...]
    partitions: tuple[int, ...] = ()

    def shares(self) -> list[Share]:
        """Return what each split reads."""
        if self.partitions:
            return [Share(self.partitions)]
        return split(self.n_splits, self.owners)


class Divider:
    """Divides tables.

    Args:
        connection: to the cluster.
        options: of the service.
    """

    def __init__(self, connection: Connection, options: ServiceOptions) -> None:
        self._connection = connection
        self._options = options

    def divide(
        self,
        table: SetTable,
        columns: frozenset[str] | None,
        constraint: TupleDomain,
        max_count: int,
        token: bytes | None,
    ) -> SplitBatch:
        """Return a table's splits, or the next of them.

        Raises:
            WireError: the token is none of ours.
        """
        if constraint.domains is None:
            return SplitBatch(())
        before = None if token is None else reading_ids(_decode_token, token)
        if isinstance(before, _Divided):
            return self._share_splits(before.division, before.query_bytes, max_count, before.at)
        plan = self._plan(table, columns, constraint)
        if isinstance(plan.access, Nothing):
            return SplitBatch(())
        if isinstance(plan.access, KeyLookup):
            keys = plan.access.keys
            if before is None:
                before = _Begun(self._begin(table, rest_of(plan.access), plan, _n_splits_of(keys)))
            return self._key_splits(keys, before, max_count)
        division = self._division(table, plan)
        self._tell(division.query, plan, len(division.shares()))
        return self._share_splits(division, encode_query(division.query), max_count, 0)

    def look_up(
        self, table: SetTable, values: Iterable[object], constraint: TupleDomain, max_count: int, token: bytes | None
    ) -> SplitBatch:
        """Return splits that read records by the keys shown as `values`, or the next of them.

        Raises:
            WireError: the token is none of ours.
        """
        if constraint.domains is None:
            return SplitBatch(())
        keys = _keys(values, is_hex=table.columns[KEY_SPELLING].is_hex)
        before = None if token is None else reading_ids(_decode_token, token)
        if not isinstance(before, _Begun):
            predicate = to_predicate(constraint, table.columns) if table.options.push else None
            access = KeyLookup(keys, CompiledFilter())
            plan = plan_access(self._connection, table.schema, access)
            before = _Begun(self._begin(table, predicate, plan, _n_splits_of(keys)))
        return self._key_splits(keys, before, max_count)

    def _plan(self, table: SetTable, columns: frozenset[str] | None, constraint: TupleDomain) -> ScanPlan:
        options = table.options
        names = [wire.column.name for name, wire in table.columns.items() if columns is None or name in columns]
        plan = partial(
            plan_scan,
            self._connection,
            table.schema,
            columns=names,
            options=ScanOptions(records_per_second=options.rps),
            use_indexes=options.index,
        )
        return plan(predicate=to_predicate(constraint, table.columns) if options.push else None)

    def _division(self, table: SetTable, plan: ScanPlan) -> Division:
        partition_map = self._connection.partition_map(plan.namespace)
        owners = tuple(partition_map.owners.tolist())
        predicate = conjunction([plan.filter.pushed, plan.filter.residual])
        partitions = _partitions_of(predicate)
        n_splits = 1 if partitions else self._count(table, plan, len(partition_map.nodes))
        shares = [Share(partitions)] if partitions else split(n_splits, owners)
        query = self._query(table, predicate, plan, throttle(table.options.rps, shares, owners, None))
        return Division(query, n_splits, owners, tuple(node.host for node in partition_map.nodes), partitions)

    def _count(self, table: SetTable, plan: ScanPlan, n_nodes: int) -> int:
        rps = table.options.rps
        if table.options.splits is not None:
            return min(table.options.splits, rps) if rps else table.options.splits
        rows = plan.estimated_rows
        few = min(rows // _FEWEST_RECORDS_OF_A_SPLIT, _SPLITS_PER_NODE * n_nodes)
        n = min(self._options.splits, max(1, few, rows // _RECORDS_WORTH_A_SPLIT))
        # What a node may be asked for is divided among all splits that read from it: of few, each gets enough.
        return min(n, _SPLITS_PER_NODE * n_nodes, rps) if rps else n

    def _begin(self, table: SetTable, predicate: Predicate | None, plan: ScanPlan, n_splits: int) -> bytes:
        query = self._query(table, predicate, plan)
        self._tell(query, plan, n_splits)
        return encode_query(query)

    def _query(self, table: SetTable, predicate: Predicate | None, plan: ScanPlan, rps: int = 0) -> Query:
        progress = table.options.progress
        return Query(
            table.schema,
            predicate,
            plan.access if isinstance(plan.access, IndexScan) else None,
            plan.objects,
            rps,
            table.options.mismatch,
            progress,
            uuid.uuid4().hex if progress is not None else "",
        )

    def _tell(self, query: Query, plan: ScanPlan, n_splits: int) -> None:
        if query.progress is not None:
            tell_plan(query.progress, query.scan_id, plan, n_splits, _TASK_NAME)

    def _share_splits(self, division: Division, query_bytes: bytes, max_count: int, at: int) -> SplitBatch:
        shares = division.shares()
        hosts = beside(shares, division.owners, division.nodes) if self._options.hosts else [""] * len(shares)
        end = min(len(shares), at + max(1, max_count))
        splits = tuple(
            Split(encode_share(query_bytes, shares[i], i), self._gateway_of(i, hosts[i])) for i in range(at, end)
        )
        return SplitBatch(splits, None if end == len(shares) else _divided_token(division, query_bytes, end))

    def _key_splits(self, keys: Sequence[Key], begun: _Begun, max_count: int) -> SplitBatch:
        n = _n_splits_of(keys)
        end = min(n, begun.at + max(1, max_count))
        splits = []
        for i in range(begun.at, end):
            own = keys[i * KEYS_PER_SPLIT : (i + 1) * KEYS_PER_SPLIT]
            splits.append(Split(encode_keys(begun.query_bytes, own, i), self._gateway_of(i, "")))
        return SplitBatch(tuple(splits), None if end >= n else pack(begun.query_bytes, [end]))

    def _gateway_of(self, number: int, host: str) -> tuple[HostAddress, ...]:
        """The one gateway that is to be asked for a split; none where nobody told of any."""
        all_of_them = self._options.hosts
        found = [address for address in all_of_them if address.host == host] or all_of_them
        return (found[number % len(found)],) if found else ()


@dataclass(frozen=True)
class _Begun:
    """A look-up of which splits were given: its packed query, and of how many."""

    query_bytes: bytes
    at: int = 0


@dataclass(frozen=True)
class _Divided:
    """A scan of which splits were given."""

    division: Division
    query_bytes: bytes
    at: int


def _divided_token(division: Division, query_bytes: bytes, at: int) -> bytes:
    owners = pack_numbers([owner + 1 for owner in division.owners])
    said = [at, division.n_splits, owners, list(division.nodes), pack_numbers(division.partitions)]
    return pack(query_bytes, said)


def _decode_token(token: bytes) -> _Begun | _Divided:
    query_bytes, own = unpack(token)
    query = decode_query(query_bytes)
    if len(own) == 1:
        return _Begun(query_bytes, int(own[0]))
    at, n_splits, owners, nodes, partitions = own
    owner_of = tuple(owner - 1 for owner in unpack_numbers(owners))
    if len(owner_of) != N_PARTITIONS or not 1 <= n_splits <= MAX_TASKS or max(owner_of) >= len(nodes) or at < 0:
        raise ValueError("no division")
    division = Division(query, int(n_splits), owner_of, tuple(map(str, nodes)), unpack_numbers(partitions))
    return _Divided(division, query_bytes, int(at))


def _n_splits_of(keys: Sequence[Key]) -> int:
    return -(-len(keys) // KEYS_PER_SPLIT)


def _keys(values: Iterable[object], *, is_hex: bool) -> tuple[Key, ...]:
    """The keys that are shown so, each once; NULL is none."""
    found: dict[Key, None] = {}
    for value in values:
        key = from_hex(value) if is_hex and value is not None else value
        if isinstance(key, int | str | bytes):
            found[key] = None
    return tuple(found)


def _partitions_of(predicate: Predicate | None) -> tuple[int, ...]:
    """Where records with the digests that a filter names can be; () for anywhere."""
    for part in conjuncts(predicate):
        if isinstance(part, Compare) and part.op == "=" and part.column == DIGEST_NAME:
            digests: tuple[object, ...] = (part.value,)
        elif isinstance(part, In) and part.column == DIGEST_NAME:
            digests = part.values
        else:
            continue
        found = {partition_id(d) for d in digests if isinstance(d, bytes) and len(d) == DIGEST_SIZE}
        return tuple(sorted(found)) or (0,)
    return ()
