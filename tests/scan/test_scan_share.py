"""Shares: parts of a set that together are the whole, each record in exactly one."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.connection import Connection
from aerospike_magic.filters.predicate import And, Compare, In, Predicate
from aerospike_magic.scan import Scan, ScanOptions, Share, plan_scan
from aerospike_magic.scan.share import WHOLE
from aerospike_magic.wire.digest import compute_digest, partition_id

N = 2_000
OPTIONS = ScanOptions(workers=2, batch_rows=512)
SHARES = {
    "the whole": [WHOLE],
    "halves": [Share(tuple(range(0, 4096, 2))), Share(tuple(range(1, 4096, 2)))],
    "slices": [Share(WHOLE.partitions, 3, k) for k in range(3)],
    "mixed": [
        Share(tuple(range(1_000))),
        *(Share(tuple(range(1_000, 4_096)), 2, k) for k in range(2)),
    ],
}


@pytest.fixture(scope="module")
def table(client: Any) -> Iterator[str]:
    """N records, every third one without the bin `n`, none with a stored key."""
    name = f"share{uuid.uuid4().hex[:8]}"
    for i in range(N):
        client.put(("test", name, i), {"id": i} if i % 3 == 0 else {"id": i, "n": i % 10})
    yield name
    client.truncate("test", name, 0)


def read_shares(connection: Connection, table: str, shares: list[Share], **wanted: Any) -> list[pa.Table]:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    plan = pickle.loads(pickle.dumps(plan_scan(connection, schema, options=OPTIONS, **wanted)))
    tables = []
    for share in shares:
        with Scan(connection, plan.for_share(share)) as scan:
            tables.append(pa.Table.from_batches(scan.batches(), scan.schema))
            assert scan.progress.state == "done"
    return tables


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize(
    ("columns", "predicate", "wanted"),
    [
        (("id", "__digest"), None, range(N)),
        (("n", "__digest", "id"), Compare("=", "n", 7), [i for i in range(N) if i % 3 and i % 10 == 7]),
        (("id", "__digest"), In("__key", (5, 6, 7, 5_000, 1_999)), [5, 6, 7, 1_999]),
        (("id", "__digest"), And(In("__key", (5, 6, 7)), Compare(">", "id", 5)), [6, 7]),
    ],
)
def test_every_record_is_in_exactly_one_share(
    connection: Connection,
    table: str,
    shares: list[Share],
    columns: tuple[str, ...],
    predicate: Predicate | None,
    wanted: Any,
) -> None:
    tables = read_shares(connection, table, shares, columns=columns, predicate=predicate)
    assert sorted(i for t in tables for i in t["id"].to_pylist()) == sorted(wanted)
    for share, part in zip(shares, tables, strict=True):
        assert all(share.holds(digest) for digest in part["__digest"].to_pylist())


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_records_without_the_wanted_bin_are_in_one_share_too(
    connection: Connection, table: str, shares: list[Share]
) -> None:
    # The second pass, for records that the server leaves out, has to keep to the share as well.
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    plan = plan_scan(connection, schema, columns=("n", "__digest"), options=OPTIONS)
    plan = plan if plan.omitted_filter else plan_scan(connection, schema, columns=("n",), options=OPTIONS)
    rows: list[Any] = []
    for share in shares:
        with Scan(connection, plan.for_share(share)) as scan:
            rows += [n for batch in scan.batches() for n in batch["n"].to_pylist()]
    assert sorted(rows, key=lambda n: -1 if n is None else n) == sorted(
        (None if i % 3 == 0 else i % 10 for i in range(N)), key=lambda n: -1 if n is None else n
    )


def test_only_rows_can_be_counted_in_shares(connection: Connection, table: str) -> None:
    tables = read_shares(connection, table, SHARES["slices"], columns=())
    assert sum(t.num_rows for t in tables) == N


@given(st.integers(), st.integers(1, 9))
def test_a_digest_is_in_one_slice_of_its_partition(key: int, modulus: int) -> None:
    digest = compute_digest("s", key % 2**63)
    mine = partition_id(digest)
    assert sum(Share((mine,), modulus, k).holds(digest) for k in range(modulus)) == 1
    assert not Share(((mine + 1) % 4096,), modulus).holds(digest)


@pytest.mark.parametrize("wrong", [((0, 0), 1, 0), ((4096,), 1, 0), ((0,), 2, 2), ((0,), 0, 0)])
def test_a_share_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"slice|partitions"):
        Share(*wrong)
