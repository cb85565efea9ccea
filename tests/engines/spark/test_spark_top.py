"""The first rows of a task: what sorting all rows in Spark's order begins with."""

from __future__ import annotations

import functools
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.engines.spark import top
from aerospike_magic.engines.spark.pushed import Pushed
from aerospike_magic.engines.spark.top import SortKey, TopRows

SCHEMA = pa.schema(
    [("l", pa.int64()), ("d", pa.float64()), ("s", pa.string()), ("b", pa.bool_()), ("other", pa.binary())]
)
ROW = st.tuples(
    st.none() | st.sampled_from([-(2**63), -1, 0, 1, 2**53, 2**53 + 1, 2**63 - 1]),
    st.none() | st.sampled_from([-math.inf, -1.5, -0.0, 0.0, 5e-324, 2.0, math.inf, math.nan]),
    st.none() | st.sampled_from(["", "a", "ab", "b", "é", "\U0001f600", "\uffff"]),
    st.none() | st.booleans(),
    st.none() | st.binary(max_size=2),
)
KEYS = st.lists(
    st.builds(SortKey, st.sampled_from(["l", "d", "s", "b"]), st.booleans(), st.booleans()), min_size=1, max_size=3
)


def compare(one: tuple[Any, ...], other: tuple[Any, ...], keys: list[SortKey]) -> int:
    """Spark's order of two rows, value by value."""
    for key in keys:
        x, y = (row[SCHEMA.names.index(key.column)] for row in (one, other))
        if x is None or y is None:
            if (x is None) != (y is None):
                return -1 if (x is None) == key.nulls_first else 1
            continue
        x, y = (_rank(v) for v in (x, y))
        if x != y:
            return -1 if (x < y) == key.ascending else 1
    return 0


def _rank(value: Any) -> Any:
    if isinstance(value, float):
        return (1, 0.0) if math.isnan(value) else (0, value)
    return value.encode() if isinstance(value, str) else value


@given(
    batches=st.lists(st.lists(ROW, min_size=1, max_size=12), max_size=4),
    keys=KEYS,
    rows=st.integers(1, 15),
    few=st.sampled_from([1, 5, 1000]),
)
@settings(deadline=None, max_examples=150)
def test_no_row_is_missing(batches: list[list[Any]], keys: list[SortKey], rows: int, few: int) -> None:
    given = [
        pa.record_batch([pa.array(c, f.type) for c, f in zip(zip(*b, strict=True), SCHEMA, strict=True)], schema=SCHEMA)
        for b in batches
    ]
    order = functools.cmp_to_key(lambda x, y: compare(x, y, keys))
    everything = sorted((row for batch in batches for row in batch), key=order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top, "_FEW_ROWS", few)
        kept = list(TopRows(rows, tuple(keys)).keep(given))
    assert all(batch.schema == SCHEMA for batch in kept)
    found = sorted((tuple(row.values()) for batch in kept for row in batch.to_pylist()), key=order)
    assert len(found) == min(rows, len(everything))
    # Of rows that are alike any may be chosen: row by row, they are alike.
    assert all(compare(x, y, keys) == 0 for x, y in zip(found, everything, strict=False))


def test_as_the_jar_tells_it() -> None:
    text = '{"rows":3,"by":[{"column":"l","ascending":false,"nulls_first":true}]}'
    pushed = Pushed.from_options({"aerospike_magic.pushed.top": text})
    assert pushed.top == TopRows(3, (SortKey("l", False, True),))
    assert pushed.renamed({"l": "__key"}).top == TopRows(3, (SortKey("__key", False, True),))
