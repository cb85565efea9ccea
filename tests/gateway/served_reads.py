"""Reading a service as an engine does: splits, then pages, each asked for with the token of the one before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from aerospike_magic.gateway.messages import (
    AllOrNone,
    Domain,
    Equatable,
    Range,
    Ranges,
    Split,
    TableName,
    TupleDomain,
)
from aerospike_magic.gateway.service import AerospikeService

ALL = TupleDomain({})
MANY = 1_000
LARGE = 16 << 20


def splits_of(
    service: AerospikeService,
    table: TableName,
    constraint: TupleDomain = ALL,
    max_count: int = MANY,
    columns: frozenset[str] | None = None,
) -> list[Split]:
    found: list[Split] = []
    token = None
    while True:
        batch = service.splits(table, columns, constraint, max_count, token)
        assert len(batch.splits) <= max_count
        found += batch.splits
        token = batch.next_token
        if token is None:
            return found


def pages_of(
    service: AerospikeService, split: Split, columns: Sequence[str], max_bytes: int = LARGE, token: bytes | None = None
) -> list[pa.Table]:
    found = []
    while True:
        page = service.rows(split.id, columns, max_bytes, token)
        assert len(page.types) == len(page.columns) == len(columns)
        assert all(len(array) == page.n_rows for array in page.columns)
        for array in page.columns:
            array.validate(full=True)
        found.append(pa.table(list(page.columns), names=list(columns)))
        token = page.next_token
        if token is None:
            return found


def read(
    service: AerospikeService,
    table: TableName,
    columns: Sequence[str],
    constraint: TupleDomain = ALL,
    *,
    max_bytes: int = LARGE,
) -> list[dict[str, Any]]:
    """All rows of a table, as an engine would get them."""
    pages = [
        page for split in splits_of(service, table, constraint) for page in pages_of(service, split, columns, max_bytes)
    ]
    return [row for page in pages for row in page.to_pylist()]


def count(service: AerospikeService, table: TableName, constraint: TupleDomain = ALL) -> int:
    """What ``count(*)`` asks for: no columns."""
    n_rows = 0
    for split in splits_of(service, table, constraint, columns=frozenset()):
        token = None
        while True:
            page = service.rows(split.id, [], LARGE, token)
            assert page.columns == ()
            n_rows += page.n_rows
            token = page.next_token
            if token is None:
                break
    return n_rows


# ------------------------------------------------------------------------------------------------ domains


def equal(*values: object, null: bool = False) -> Domain:
    return Domain(Ranges(tuple(Range(v, True, v, True) for v in values)), null)


def between(low: object, high: object, *, low_in: bool = True, high_in: bool = True, null: bool = False) -> Domain:
    return Domain(Ranges((Range(low, low_in, high, high_in),)), null)


def where(**domains: Domain) -> TupleDomain:
    return TupleDomain(domains)


def _rank(value: Any) -> Any:
    # NaN above all numbers, as in this project; strings by their bytes.
    if isinstance(value, str):
        return value.encode()
    return (1, 0) if isinstance(value, float) and math.isnan(value) else (0, value)


def _in_range(value: Any, one: Range) -> bool:
    at = _rank(value)
    if one.low is not None and not (at > _rank(one.low) or (one.low_inclusive and at == _rank(one.low))):
        return False
    return one.high is None or at < _rank(one.high) or (one.high_inclusive and at == _rank(one.high))


def holds(domain: Domain, value: Any) -> bool:
    """Whether a value is in a domain."""
    if value is None:
        return domain.null_allowed
    if isinstance(domain.values, AllOrNone):
        return domain.values.all
    if isinstance(domain.values, Equatable):
        return any(_rank(v) == _rank(value) for v in domain.values.values) == domain.values.inclusive
    return any(_in_range(value, one) for one in domain.values.ranges)


def kept(rows: Sequence[Mapping[str, Any]], constraint: TupleDomain) -> list[Mapping[str, Any]]:
    """The rows that a constraint describes, decided here."""
    if constraint.domains is None:
        return []
    return [row for row in rows if all(holds(domain, row[name]) for name, domain in constraint.domains.items())]
