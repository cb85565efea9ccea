"""Records through the official client: what is put is got, under every policy of the first cut."""

from __future__ import annotations

import math
import time
from typing import Any

import aerospike
import pytest
from aerospike import exception
from aerospike_helpers import expressions as exp
from aerospike_helpers.batch import records as batch
from aerospike_helpers.operations import operations
from raw_client import RawClient

from aerospike_magic.wire.message import Op, OpType
from aerospike_magic.wire.msgpack import encode_cdt
from aerospike_magic.wire.particle_type import ParticleType

# The client warns of what a later release or server will do otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

VALUES = [
    0,
    -1,
    2**63 - 1,
    -(2**63),
    0.5,
    -0.0,
    math.inf,
    "",
    "text",
    "héllo 世界 😀",
    True,
    False,
    bytearray(b"\x00\xff"),
    [1, "a", [2.5, None, {"k": bytearray(b"x")}]],
    {"a": 1, "b": {"c": [1, 2]}},
    "x" * 100_000,
]


@pytest.fixture(autouse=True)
def empty_set(client: Any) -> None:
    client.truncate("test", "rec", 0)


def key(user_key: Any) -> tuple[str, str, Any]:
    return ("test", "rec", user_key)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:12] or "empty")
def test_put_and_get(client: Any, value: Any) -> None:
    client.put(key("v"), {"v": value})
    _, meta, bins = client.get(key("v"))
    assert bins == {"v": value}
    assert isinstance(bins["v"], bytes) == isinstance(value, bytearray)
    assert isinstance(bins["v"], bool) == isinstance(value, bool)
    assert meta["gen"] == 1


def test_nan(client: Any) -> None:
    client.put(key("v"), {"v": math.nan})
    assert math.isnan(client.get(key("v"))[2]["v"])


def test_put_merges_bins_and_counts_generations(client: Any) -> None:
    client.put(key(1), {"a": 1})
    client.put(key(1), {"b": 2})
    _, meta, bins = client.get(key(1))
    assert (bins, meta["gen"]) == ({"a": 1, "b": 2}, 2)
    assert client.select(key(1), ["b", "none"])[2] == {"b": 2}
    client.remove_bin(key(1), ["a"])
    assert client.get(key(1))[2] == {"b": 2}
    client.remove(key(1))
    assert client.exists(key(1))[1] is None


def test_write_policies(client: Any) -> None:
    create = {"exists": aerospike.POLICY_EXISTS_CREATE}
    update = {"exists": aerospike.POLICY_EXISTS_UPDATE}
    replace = {"exists": aerospike.POLICY_EXISTS_REPLACE}
    with pytest.raises(exception.RecordNotFound):
        client.put(key(1), {"a": 1}, policy=update)
    with pytest.raises(exception.RecordNotFound):
        client.put(key(1), {"a": 1}, policy=replace)
    client.put(key(1), {"a": 1}, policy=create)
    with pytest.raises(exception.RecordExistsError):
        client.put(key(1), {"a": 1}, policy=create)
    client.put(key(1), {"b": 1}, policy=replace)
    assert client.get(key(1))[2] == {"b": 1}


def test_generation_check(client: Any) -> None:
    client.put(key(1), {"a": 1})
    check = {"gen": aerospike.POLICY_GEN_EQ}
    client.put(key(1), {"a": 2}, meta={"gen": 1}, policy=check)
    with pytest.raises(exception.RecordGenerationError):
        client.put(key(1), {"a": 3}, meta={"gen": 1}, policy=check)
    with pytest.raises(exception.RecordGenerationError):
        client.remove(key(1), meta={"gen": 1}, policy=check)
    assert client.get(key(1))[2] == {"a": 2}


def test_expiry(client: Any) -> None:
    client.put(key(1), {"a": 1}, meta={"ttl": 1})
    client.put(key(2), {"a": 1}, meta={"ttl": 1000})
    assert 995 <= client.get(key(2))[1]["ttl"] <= 1000
    deadline = time.monotonic() + 5
    while client.exists(key(1))[1] is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    found = client.query("test", "rec").results()
    assert [record[2] for record in found] == [{"a": 1}]
    client.touch(key(2), 2000)
    assert 1995 <= client.get(key(2))[1]["ttl"] <= 2000


def test_stored_key(client: Any) -> None:
    client.put(key("secret"), {"a": 1}, policy={"key": aerospike.POLICY_KEY_SEND})
    client.put(key("hidden"), {"a": 2})
    keys = {record[2]["a"]: record[0][2] for record in client.query("test", "rec").results()}
    assert keys == {1: "secret", 2: None}
    # A later write without the key does not lose it.
    client.put(key("secret"), {"a": 3})
    assert {r[0][2] for r in client.query("test", "rec").results()} == {"secret", None}


def test_operate(client: Any) -> None:
    ops = [
        operations.increment("n", 2),
        operations.append("s", "b"),
        operations.prepend("s", "a"),
        operations.read("n"),
    ]
    assert client.operate(key(1), ops)[2] == {"n": 2}
    assert client.operate(key(1), ops)[2] == {"n": 4}
    assert client.get(key(1))[2] == {"n": 4, "s": "aabb"}
    with pytest.raises(exception.BinIncompatibleType):
        client.increment(key(1), "s", 1)


def test_unsupported_operation_changes_nothing(client: Any, server: Any) -> None:
    if not server.is_embedded:
        pytest.skip("a real server supports it")
    raw = RawClient(server.host, server.port)
    raw.remove(1)
    assert raw.put(1, ParticleType.LIST, encode_cdt([1])) == 0
    before = raw.get(1)
    select_by_path = Op(OpType.CDT_MODIFY, ParticleType.BLOB, "b", encode_cdt([0xFE, [], 0]))
    answer = raw.command(1, Op(OpType.WRITE, ParticleType.INTEGER, "a", bytes(8)), select_by_path, info2=1)
    assert answer.result_code == 16
    assert raw.get(1) == before
    raw.close()


def test_filtered_commands(client: Any) -> None:
    client.put(key(1), {"a": 1})
    policy = {"expressions": exp.GT(exp.IntBin("a"), 1).compile()}
    with pytest.raises(exception.FilteredOut):
        client.get(key(1), policy=policy)
    with pytest.raises(exception.FilteredOut):
        client.put(key(1), {"a": 5}, policy=policy)
    with pytest.raises(exception.FilteredOut):
        client.remove(key(1), policy=policy)
    assert client.get(key(1))[2] == {"a": 1}


def test_batch_read(client: Any) -> None:
    for i in range(0, 1000, 2):
        client.put(key(i), {"i": i, "s": str(i)})
    found = client.batch_read([key(i) for i in range(1000)]).batch_records
    assert [(r.result, r.record and r.record[2]) for r in found] == [
        (0, {"i": i, "s": str(i)}) if i % 2 == 0 else (2, None) for i in range(1000)
    ]
    found = client.batch_read([key(0), key(1)], ["s"]).batch_records
    assert [r.record and r.record[2] for r in found] == [{"s": "0"}, None]
    policy = {"expressions": exp.LT(exp.IntBin("i"), 4).compile()}
    found = client.batch_read([key(i) for i in range(0, 8, 2)], policy=policy).batch_records
    assert [r.result for r in found] == [0, 0, 27, 27]


def test_batch_of_writes_reads_and_removes(client: Any) -> None:
    rows = [batch.Write(key(i), [operations.write("i", i)]) for i in range(100)]
    client.batch_write(batch.BatchRecords(rows))
    assert all(row.result == 0 for row in rows)
    mixed = [
        batch.Read(key(1), None, read_all_bins=True),
        batch.Write(key(2), [operations.increment("i", 1), operations.read("i")]),
        batch.Remove(key(3)),
        batch.Remove(key("none")),
        batch.Write(key(4), [operations.write("i", 0)], policy={"exists": aerospike.POLICY_EXISTS_CREATE}),
    ]
    client.batch_write(batch.BatchRecords(mixed))
    assert [row.result for row in mixed] == [0, 0, 0, 2, 5]
    assert (mixed[0].record[2], mixed[1].record[2]) == ({"i": 1}, {"i": 3})
    client.batch_remove([key(i) for i in range(100)])
    assert client.query("test", "rec").results() == []


def test_truncate_one_set_only(client: Any) -> None:
    client.put(key(1), {"a": 1})
    client.put(("test", "other", 1), {"a": 1})
    client.truncate("test", "rec", 0)
    assert client.exists(key(1))[1] is None
    assert client.exists(("test", "other", 1))[1] is not None


def test_truncate_what_is_older(client: Any) -> None:
    client.put(key("old"), {"a": 1})
    time.sleep(0.05)
    between = time.time_ns()
    time.sleep(0.05)
    client.put(key("new"), {"a": 2})
    client.truncate("test", "rec", between)
    assert [record[2] for record in client.query("test", "rec").results()] == [{"a": 2}]


def test_unknown_namespace(client: Any) -> None:
    with pytest.raises(exception.AerospikeError):
        client.put(("nowhere", "rec", 1), {"a": 1})


def test_record_too_big(client: Any) -> None:
    with pytest.raises(exception.RecordTooBig):
        client.put(key(1), {"a": "x" * (1 << 20)})


def test_transactions_and_functions_are_refused(client: Any) -> None:
    one = key("txn")
    client.put(one, {"n": 0})
    with pytest.raises(aerospike.exception.AerospikeError) as caught:
        client.put(one, {"n": 99}, policy={"txn": aerospike.Transaction()})
    assert caught.value.code == 25
    with pytest.raises(aerospike.exception.AerospikeError) as caught:
        client.apply(one, "module", "function", [])
    assert caught.value.code == 16
    assert client.get(one)[2] == {"n": 0}
