"""Partial aggregates, added up as Spark does, are what a plain loop over all rows gives."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.engines.spark import aggregates
from aerospike_magic.engines.spark.aggregates import Aggregate, PartialAggregates
from aerospike_magic.errors import QueryError

FUNCTIONS = (
    Aggregate("count_all"),
    Aggregate("count", "v"),
    Aggregate("sum", "v"),
    Aggregate("min", "v"),
    Aggregate("max", "s"),
    Aggregate("count", "g"),
)
ROW = st.tuples(
    st.sampled_from([None, "", "x", "é"]),
    st.none() | st.integers(-(2**62), 2**62),
    st.none() | st.text(max_size=3),
)


def output(by: tuple[str, ...]) -> pa.Schema:
    types = [pa.int64(), pa.int64(), pa.int64(), pa.int64(), pa.string(), pa.int64()]
    functions = [(f"aggregate_{i}", one) for i, one in enumerate(types)]
    return pa.schema([*((name, pa.string()) for name in by), *functions])


def loop(rows: list[Any]) -> tuple[Any, ...]:
    numbers = [v for _, v, _ in rows if v is not None]
    texts = [s.encode() for _, _, s in rows if s is not None]
    return (
        len(rows),
        len(numbers),
        sum(numbers) if numbers else None,
        min(numbers, default=None),
        max(texts).decode() if texts else None,
        sum(g is not None for g, _, _ in rows),
    )


@pytest.mark.parametrize("by", [(), ("g",)])
@given(batches=st.lists(st.lists(ROW, max_size=20), max_size=4), combine_rows=st.sampled_from([0, 3, 1000]))
@settings(deadline=None, max_examples=60)
def test_same_as_a_loop(by: tuple[str, ...], batches: list[list[Any]], combine_rows: int) -> None:
    schema = pa.schema([("g", pa.string()), ("v", pa.int64()), ("s", pa.string())])
    given = [
        pa.record_batch(
            [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), schema, strict=True)], schema=schema
        )
        for rows in batches
        if rows
    ]
    rows = [row for one in batches for row in one]
    groups: dict[Any, list[Any]] = {} if by else {None: []}
    for row in rows:
        groups.setdefault(row[0] if by else None, []).append(row)
    expected = {group: loop(members) for group, members in groups.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aggregates, "_COMBINE_ROWS", combine_rows)
        if any(one[2] is not None and not -(2**63) <= one[2] < 2**63 for one in expected.values()):
            with pytest.raises(QueryError, match="does not fit a long"):
                PartialAggregates(by, FUNCTIONS).compute(given, output(by))
            return
        found = PartialAggregates(by, FUNCTIONS).compute(given, output(by)).to_pylist()
    results = {row.get("g"): tuple(row[f"aggregate_{i}"] for i in range(len(FUNCTIONS))) for row in found}
    assert results == expected
    assert len(found) == len(expected)


def test_count_of_all_rows_needs_no_column() -> None:
    counted = PartialAggregates((), (Aggregate("count_all"),))
    assert counted.columns == ()
    batches = [pa.record_batch([pa.array([1, 2, None])], names=["v"]), pa.record_batch([pa.array([3])], names=["v"])]
    assert counted.compute(batches, pa.schema([("n", pa.int64())])).to_pylist() == [{"n": 4}]
