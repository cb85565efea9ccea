"""The stream's reader, driven as Spark drives it but without a JVM: windows, limits, clocks, concurrent writes."""

from __future__ import annotations

import json
import pickle
import threading
import time
import uuid

import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")

from pyspark.sql.types import StructType

from aerospike_magic.engines.spark.source import AerospikeDataSource
from aerospike_magic.engines.spark.stream_offsets import Offset, pieces_between
from aerospike_magic.engines.spark.stream_reader import ReadAllAvailable, ReadMaxRows, parse_time_ms
from aerospike_magic.errors import ConfigError

N = 1_500
SCHEMA = StructType().add("id", "long").add("v", "long")

limits = pytest.mark.skipif(ReadMaxRows is None, reason="Spark before 4.2 hands over no limits")


@pytest.fixture
def table(client):
    name = f"stream{uuid.uuid4().hex[:8]}"
    yield name
    client.truncate("test", name, 0)


@pytest.fixture
def stream(server, table):
    """Make a reader: `stream(stream__start="latest")`."""
    made = []

    def maker(**options):
        given = {"aerospike.seedhost": server.address, "path": f"test.{table}", "aerospike.stream.lag": "0"}
        given |= {"aerospike." + name.replace("__", "."): value for name, value in options.items()}
        made.append(AerospikeDataSource(given).streamReader(SCHEMA))
        return made[-1]

    yield maker
    for reader in made:
        reader.stop()


def put(client, table, ids, v):
    for i in ids:
        client.put(("test", table, i), {"id": i, "v": v})


def read(reader, start, end):
    """The rows of a batch, as (id, v), by way of other processes."""
    worker = pickle.loads(pickle.dumps(reader))
    rows = []
    for task in reader.partitions(json.loads(json.dumps(start)), json.loads(json.dumps(end))):
        for batch in worker.read(pickle.loads(pickle.dumps(task))):
            rows += [(row["id"], row["v"]) for row in batch.to_pylist()]
    return rows


def later(reader, start):
    """The end of a batch from `start` that holds all that was written before this call."""
    if ReadAllAvailable is None:
        wanted = max(reader._clocks_ms()) + 1_000
        while (end := reader.latestOffset())["until_ms"] < wanted:
            time.sleep(0.05)
        return end
    reader.prepareForTriggerAvailableNow()
    return reader.latestOffset(start, ReadAllAvailable())


def test_each_change_is_in_one_window(client, table, stream):
    put(client, table, range(N), 0)
    reader = stream(partition__count="7")
    first = reader.initialOffset()
    second = later(reader, first)
    assert sorted(read(reader, first, second)) == [(i, 0) for i in range(N)]
    put(client, table, range(10), 1)
    put(client, table, range(5), 2)
    client.remove(("test", table, 9))
    put(client, table, [N], 1)
    third = later(reader, second)
    rows = sorted(read(reader, second, third))
    assert rows == [(i, 2) for i in range(5)] + [(i, 1) for i in range(5, 9)] + [(N, 1)]
    # Read again, the first window lacks what has gone to the second, and nothing else.
    assert sorted(read(reader, first, second)) == [(i, 0) for i in range(10, N)]
    assert read(reader, third, third) == read(reader, third, second) == []


def test_a_window_is_exact_to_the_millisecond(client, table, stream):
    put(client, table, range(40), 0)
    reader = stream()
    end = later(reader, reader.initialOffset())
    low, high = max(0, end["until_ms"] - 10_000), end["until_ms"]
    counts = {}
    while high - low > 1:  # the last-update-time of the first record written, by halves
        middle = (low + high) // 2
        counts[middle] = len(read(reader, Offset(0).to_json(), Offset(middle).to_json()))
        low, high = (low, middle) if counts[middle] else (middle, high)
    assert read(reader, Offset(0).to_json(), Offset(low).to_json()) == []
    of_that_ms = read(reader, Offset(low).to_json(), Offset(high).to_json())
    assert (0, 0) in of_that_ms
    rest = read(reader, Offset(high).to_json(), end)
    assert sorted(of_that_ms + rest) == [(i, 0) for i in range(40)]


@limits
@pytest.mark.parametrize("most", [1, 100, 700, N, 10 * N])
def test_no_batch_has_more_rows_than_the_limit(client, table, stream, most):
    n = 40 if most == 1 else N
    put(client, table, range(n), 0)
    reader = stream(stream__maxRecords=str(most), partition__count="3")
    assert reader.getDefaultReadLimit() == ReadMaxRows(most)
    at, rows, sizes = reader.initialOffset(), [], []
    reader.prepareForTriggerAvailableNow()
    while (end := reader.latestOffset(at, ReadMaxRows(most))) != at:
        batch = read(reader, at, end)
        sizes.append(len(batch))
        rows += batch
        at = end
    assert sorted(rows) == [(i, 0) for i in range(n)]
    assert max(sizes) <= most
    assert len(sizes) <= 2 + n // (most * 0.9) if most > 1 else sizes.count(1) == n


@limits
def test_a_partition_with_too_many_records_is_cut(client, table, stream):
    # Digests of one partition (the first twelve bits) that differ in the last word, by which slices are cut.
    digests = [
        (7).to_bytes(2, "little") + bytes(14) + (i * 2_654_435_761 % 2**32).to_bytes(4, "little") for i in range(300)
    ]
    for i, digest in enumerate(digests):
        client.put(("test", table, None, bytearray(digest)), {"id": i, "v": 0})
    put(client, table, range(1_000, 1_200), 0)
    reader = stream()
    at, rows, slices = reader.initialOffset(), [], 0
    reader.prepareForTriggerAvailableNow()
    while (end := reader.latestOffset(at, ReadMaxRows(50))) != at:
        batch = read(reader, at, end)
        assert len(batch) <= 50
        slices += end.get("slices", 1) > 1
        rows += batch
        if slices == 3:  # the limit goes in the middle of the partition, and comes again
            assert {p.slices for p in pieces_between(Offset.from_json(end), Offset(end["end_ms"]))} > {1}
            everything = reader.latestOffset(end, ReadAllAvailable())
            assert sorted(rows + read(reader, end, everything)) == sorted(
                [(i, 0) for i in range(300)] + [(i, 0) for i in range(1_000, 1_200)]
            )
        at = end
    assert slices >= 5
    assert sorted(rows) == [(i, 0) for i in range(300)] + [(i, 0) for i in range(1_000, 1_200)]


def test_while_others_write_every_state_comes_once_and_the_last_one_comes(client, table, stream):
    """The rows of all batches, each batch read twice: no loss of a last state, no state in two batches."""
    last, stopped = {}, threading.Event()

    def write():
        v = 0
        while not stopped.is_set():
            v += 1
            i = v * 7 % 200
            put(client, table, [i], v)
            last[i] = v

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reader = stream(partition__count="4")
        at, batches = reader.initialOffset(), []
        for _ in range(6):
            if len(batches) == 4:
                stopped.set()
                writer.join()
            end = later(reader, at)
            tried, again = read(reader, at, end), read(reader, at, end)
            assert set(again) <= set(tried)
            batches.append(again)
            at = end
    finally:
        stopped.set()
        writer.join()
    states = [state for batch in batches for state in batch]
    assert len(states) == len(set(states))
    assert all(len({i for i, _ in batch}) == len(batch) for batch in batches)
    seen = {}
    for i, v in states:
        assert v > seen.get(i, 0)
        seen[i] = v
    assert seen == last


def test_a_stream_stays_behind_the_clock(client, table, stream):
    put(client, table, range(5), 0)
    reader = stream(stream__lag="60000")
    first = reader.initialOffset()
    end = reader.latestOffset(first, None)
    assert end["until_ms"] <= time.time() * 1_000 - 60_000
    assert read(reader, first, end) == []


@pytest.mark.parametrize("start", ["latest", "now", "future"])
def test_where_a_stream_starts(client, table, stream, start):
    put(client, table, range(5), 0)
    time.sleep(1.1)  # the clocks that are asked tell whole seconds
    words = {"latest": "latest", "now": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "future": "2100-01-01"}
    reader = stream(stream__start=words[start])
    first = reader.initialOffset()
    put(client, table, range(5, 8), 1)
    end = later(reader, first)
    assert sorted(read(reader, first, end)) == ([] if start == "future" else [(i, 1) for i in range(5, 8)])
    if start == "future":
        assert first["until_ms"] == 4_102_444_800_000
        assert end == first


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01.5+01:00", 1_500 - 3_600_000),
        ("2026-11-24 06:00:00", 1_795_500_000_000),
        ("2026-11-24T06:00:00Z", 1_795_500_000_000),
        ("1795500000000", 1_795_500_000_000),
    ],
)
def test_points_in_time(text, ms):
    assert parse_time_ms(text) == ms


def test_what_makes_no_sense_is_told(stream):
    with pytest.raises(ConfigError, match="aerospike.stream.start is 'yesterday' · it is earliest, latest"):
        stream(stream__start="yesterday")
    with pytest.raises(ConfigError, match="leave out aerospike.sample.size"):
        stream(sample__size="5")
