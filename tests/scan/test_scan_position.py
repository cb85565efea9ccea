"""A reader that keeps its position: stopped anywhere, any number of times, it has read every record once."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from typing import Any

import aerospike
import pyarrow as pa
import pytest

from aerospike_magic.connection import Connection
from aerospike_magic.errors import ScanError, WireError
from aerospike_magic.filters.access import IndexScan
from aerospike_magic.filters.predicate import And, Compare, IsNull, Not, Predicate
from aerospike_magic.scan import Scan, ScanOptions, ScanPlan, Share, plan_scan
from aerospike_magic.scan.position import Piece, ScanPosition
from aerospike_magic.scan.tasks import split

N = 4_000


@pytest.fixture(scope="module")
def table(client: Any) -> Iterator[str]:
    """Records of which only some have any of the bins `seldom`, `often`; `other` is what the rest has."""
    name = f"pos{uuid.uuid4().hex[:8]}"
    for i in range(N):
        bins: dict[str, Any] = {"n": i % 50} if i % 3 else {"other": i}
        if i % 10 == 0:
            bins["seldom"] = f"s{i}"
        client.put(("test", name, i), bins, policy={"key": 1})
    client.index_single_value_create("test", name, "n", aerospike.INDEX_NUMERIC, f"{name}_n")
    yield name
    client.index_remove("test", f"{name}_n")
    client.truncate("test", name, 0)


def options(workers: int, **more: Any) -> ScanOptions:
    return ScanOptions(workers=workers, batch_rows=128, partitions_per_request=64, buffered_bytes=10_000, **more)


def read_in_parts(connection: Connection, plan: ScanPlan, chance: random.Random) -> list[int]:
    """Read with many scans, each from the bytes in which the one before left its position."""
    partitions = plan.share.partitions
    position = ScanPosition()
    keys: list[int] = []
    n_scans = 0
    while True:
        left = chance.randrange(1, 6)
        with Scan(connection, plan, position) as scan:
            for piece in scan.pieces():
                part = piece
                if piece.batch.num_rows > 1 and chance.random() < 0.5:
                    part, _ = piece.split(chance.randrange(1, piece.batch.num_rows))
                keys += part.batch.column("__key").to_pylist()
                position.advance(part)
                left -= bool(part.batch.num_rows)
                if left <= 0 or part is not piece:
                    break
            else:
                assert n_scans >= 1
                return keys
        n_scans += 1
        position = ScanPosition.from_bytes(position.to_bytes(partitions), partitions)


CASES: list[tuple[Predicate | None, list[str], Any]] = [
    (None, ["__key"], lambda i: True),
    (None, ["__key", "n"], lambda i: True),
    (None, ["__key", "seldom"], lambda i: True),
    (Compare("<", "n", 20), ["__key", "n"], lambda i: i % 3 and i % 50 < 20),
    (IsNull("n"), ["__key", "seldom"], lambda i: i % 3 == 0),
    (And(Not(IsNull("n")), Compare(">", "__key", 100)), ["__key", "n"], lambda i: i % 3 and i > 100),
]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(("predicate", "columns", "wanted"), CASES)
def test_stopped_anywhere_every_record_comes_once(
    connection: Connection, table: str, predicate: Predicate | None, columns: list[str], wanted: Any, workers: int
) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    plan = plan_scan(
        connection, schema, columns=columns, predicate=predicate, options=options(workers), use_indexes=False
    )
    expected = [i for i in range(N) if wanted(i)]
    for seed in range(3):
        assert sorted(read_in_parts(connection, plan, random.Random(seed))) == expected


def test_an_index_query_goes_on_by_digest_and_value(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    plan = plan_scan(connection, schema, columns=["__key", "n"], predicate=Compare("<", "n", 9), options=options(1))
    if not isinstance(plan.access, IndexScan):
        from aerospike_magic.filters.access import choose_access
        from aerospike_magic.scan.plan import plan_access

        indexes = connection.indexes("test")
        access = choose_access(Compare("<", "n", 9), schema, indexes, 10**9, connection.encode_expression)
        plan = plan_access(connection, schema, access, columns=["__key", "n"], objects=N, options=options(1))
    assert isinstance(plan.access, IndexScan)
    for seed in range(3):
        found = read_in_parts(connection, plan, random.Random(seed))
        assert sorted(found) == [i for i in range(N) if i % 3 and i % 50 < 9]


def test_shares_and_slices_keep_positions_of_their_own(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    plan = plan_scan(connection, schema, columns=["__key"], options=options(1))
    shares = [*split(3)[:2], *(Share(split(3)[2].partitions, 2, k) for k in range(2))]
    found = [key for share in shares for key in read_in_parts(connection, plan.for_share(share), random.Random(1))]
    assert sorted(found) == list(range(N))


def test_what_was_read_before_counts_as_done(connection: Connection, table: str) -> None:
    schema = connection.schema(f"test.{table}", sample_records=100_000)
    plan = plan_scan(connection, schema, columns=["__key"], options=options(1))
    position = ScanPosition()
    with Scan(connection, plan, position) as scan:
        for piece in scan.pieces():
            position.advance(piece)
            if len(position.passes[0].done) > 1_000:
                break
    with Scan(connection, plan, position) as scan:
        for _ in scan.pieces():
            pass
        assert scan.progress.fraction == 1.0
        assert scan.progress.records < N


def test_a_scan_without_a_position_has_no_pieces(connection: Connection, table: str) -> None:
    plan = plan_scan(connection, connection.schema(f"test.{table}"), columns=["__key"])
    with Scan(connection, plan) as scan, pytest.raises(ScanError, match="no position"):
        scan.pieces()


def test_a_piece_splits_into_rows_and_what_is_said_goes_with_the_last() -> None:
    batch = pa.record_batch({"a": [1, 2, 3]})
    digests = pa.array([bytes([i]) * 20 for i in range(3)], pa.binary(20))
    piece = Piece(batch, digests, None, 0, ((0, (7,)),), (9,))
    first, rest = piece.split(2)
    assert (first.batch.num_rows, first.done, first.omitted) == (2, (), ())
    assert rest.batch.to_pydict() == {"a": [3]}
    assert (rest.done, rest.omitted) == (((0, (7,)),), (9,))
    position = ScanPosition()
    position.advance(rest)
    assert position.passes[0].done == {7}
    assert position.omitted == {9}
    assert position.passes[0].last == {0x202: (b"\2" * 20, 0)}


def test_positions_are_bytes_and_back() -> None:
    position = ScanPosition()
    position.passes[0].done.update({5, 4095})
    position.passes[0].last[17] = b"d" * 20, -(2**63)
    position.passes[1].last[4095] = b"e" * 20, 5
    position.omitted.add(4095)
    partitions = (4095, 5, 17, 900)
    data = position.to_bytes(partitions)
    again = ScanPosition.from_bytes(data, partitions)
    assert (again.passes, again.omitted) == (position.passes, position.omitted)
    for broken in (b"", data[:-1], data + b"x", data[: len(data) // 2]):
        with pytest.raises(WireError):
            ScanPosition.from_bytes(broken, partitions)
