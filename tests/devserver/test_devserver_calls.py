"""Bit, HyperLogLog and expression operations, and HyperLogLog values in all ways of writing.

The tables are what a real server (8.1.2) answered. With `AEROSPIKE_TEST_HOST=host:port` random operations are compared
with a real server: the answer, and what is left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import aerospike
import pytest
from aerospike_helpers import HyperLogLog
from aerospike_helpers import expressions as exp
from aerospike_helpers.batch import records as batch
from aerospike_helpers.operations import expression_operations, operations
from aerospike_helpers.operations import hll_operations as hll
from cdt_operations import canonical, outcome
from random_calls import RandomCalls
from random_expressions import BINS, RandomExpressions, sketch
from raw_client import RawClient

from aerospike_magic.wire.message import Op, OpType
from aerospike_magic.wire.msgpack import encode_cdt

BLOB, HLL = 4, 18
BIN = "b"
KEY = ("test", "calls", 1)
ABC = "6162636465"


@pytest.fixture(scope="module")
def ours(server: Any) -> Iterator[RawClient]:
    raw = RawClient(server.host, server.port)
    yield raw
    raw.close()


def run_call(raw: RawClient, start: tuple[int, bytes] | None, kind: int, call: list[Any]) -> Any:
    """Run a call on a bin that starts so: its answer, and what is left."""
    raw.remove(1)
    first = [Op(OpType.WRITE, start[0], BIN, start[1])] if start else []
    raw.command(1, *first, Op(OpType.WRITE, 1, "x", bytes(8)), info2=1)
    reads = call[0] in range(50, 60)
    op = Op(kind if reads else kind + 1, BLOB, BIN, encode_cdt(call))
    answer = raw.command(1, op, info1=int(reads), info2=int(not reads))
    return answer.result_code, [(op.particle_type, bytes(op.data)) for op in answer.ops], raw.get(1)


BIT_ROWS = [
    # Resize, insert, remove.
    (ABC, [0, 7, 0, 0], "61626364650000"),
    (ABC, [0, 7, 0, 1], "00006162636465"),
    (ABC, [0, 2, 0, 1], "6465"),
    (ABC, [0, 2, 0, 2], 4),
    (ABC, [0, 2, 4, 2], ABC),
    (None, [0, 3], "000000"),
    (ABC, [1, 1, b"XY"], "61585962636465"),
    (ABC, [1, 7, b"X"], "6162636465000058"),
    (ABC, [1, -1, b"X"], "616263645865"),
    (ABC, [2, 1, 2], "616465"),
    (ABC, [2, 3, 9], 4),
    (ABC, [2, 3, 9, 8], "616263"),
    # Set, or, xor, and, not.
    (ABC, [3, 4, 8, b"\xff"], "6ff2636465"),
    (ABC, [4, 1, 3, b"\xff"], "7162636465"),
    (ABC, [5, 8, 8, b"\xff"], "619d636465"),
    (ABC, [6, 0, 12, b"\xf0\x00"], "6002636465"),
    (ABC, [7, 3, 2], "7962636465"),
    (ABC, [7, 40, 1], 26),
    (ABC, [7, 40, 1, 4], ABC),
    (ABC, [7, 36, 9], 26),
    (None, [7, 0, 1], 17),
    # Shifts, arithmetic.
    (ABC, [8, 0, 16, 4], "1620636465"),
    (ABC, [9, 4, 12, 3], "602c636465"),
    (ABC, [8, 0, 16, 16], "0000636465"),
    (ABC, [10, 0, 8, 2], "6362636465"),
    (ABC, [10, 0, 8, 250], 26),
    (ABC, [10, 0, 8, 250, 0, 2], "ff62636465"),
    (ABC, [10, 0, 8, 250, 0, 4], "5b62636465"),
    (ABC, [11, 8, 8, 99, 0, 2], "6100636465"),
    (ABC, [12, 4, 8, 255], "6ff2636465"),
    # Reads.
    (ABC, [50, 4, 12], (BLOB, "1620")),
    (ABC, [51, 0, 16], (1, "0000000000000006")),
    (ABC, [52, 8, 8, True], (1, "0000000000000001")),
    (ABC, [53, 8, 8, True], (1, "0000000000000006")),
    (ABC, [52, 1, 2, False], (1, "ffffffffffffffff")),
    (ABC, [54, 1, 3, 1], (1, "fffffffffffffffe")),
    (ABC, [54, 36, 9], 26),
    (ABC, [54, 0, 65], 4),
]


@pytest.mark.parametrize(("start", "call", "wanted"), BIT_ROWS)
def test_bits(ours: RawClient, start: str | None, call: list[Any], wanted: Any) -> None:
    begins = None if start is None else (BLOB, bytes.fromhex(start))
    code, answered, (_, bins) = run_call(ours, begins, OpType.BITS_READ, call)
    if isinstance(wanted, int):
        assert code == wanted
    elif isinstance(wanted, tuple):
        assert (code, answered) == (0, [(wanted[0], bytes.fromhex(wanted[1]))])
    else:
        assert (code, answered) == (0, [])
        assert bins[BIN] == (BLOB, bytes.fromhex(wanted))


WAYS = ["put", "operate", "batch", "batch over"]


@pytest.mark.parametrize("way", WAYS)
def test_sketches_are_stored_whichever_way_they_come(client: Any, way: str) -> None:
    _remove(client)
    if way == "batch over":
        client.put(KEY, {BIN: 1})
    value = sketch()
    if way == "put":
        client.put(KEY, {BIN: value})
    elif way == "operate":
        client.operate(KEY, [operations.write(BIN, value)])
    else:
        rows = batch.BatchRecords([batch.Write(KEY, [operations.write(BIN, value)])])
        assert client.batch_write(rows).batch_records[0].result == 0
    for found in (client.get(KEY)[2][BIN], client.batch_read([KEY]).batch_records[0].record[2][BIN]):
        assert isinstance(found, HyperLogLog)
        assert bytes(found) == bytes(value)


@pytest.mark.parametrize("data", [b"", b"\0\x08\0", bytes(sketch())[:-1], b"\1" + bytes(sketch())[1:]])
def test_what_is_no_sketch_is_refused(ours: RawClient, data: bytes) -> None:
    ours.remove(1)
    assert ours.put(1, HLL, data) == 4
    assert ours.put_many([(1, HLL, data)]) == [4]
    assert ours.get(1)[0] == 2


def test_sketches_count(client: Any) -> None:
    _remove(client)

    def run(*wanted: dict[str, Any]) -> list[Any]:
        return [value for _, value in client.operate_ordered(KEY, list(wanted))[2]]

    first, second = list(range(1_000)), list(range(500, 1_500))
    assert run(hll.hll_add("h", first, 12), hll.hll_add("k", second, 12, 20)) == [919, 946]
    assert run(hll.hll_get_count("h"), hll.hll_describe("h"), hll.hll_describe("k")) == [992, [12, 0], [12, 20]]
    other = client.get(KEY)[2]["k"]
    assert run(hll.hll_get_union_count("h", [other]), hll.hll_get_intersect_count("h", [other])) == [1494, 499]
    assert run(hll.hll_get_similarity("k", [other])) == [pytest.approx(0.9999999357386905)]
    assert run(hll.hll_set_union("h", [other]), hll.hll_refresh_count("h"), hll.hll_fold("h", 6)) == [None, 1494, None]
    assert run(hll.hll_describe("h"), hll.hll_init("h"), hll.hll_get_count("h")) == [[6, 0], None, 0]
    with pytest.raises(aerospike.exception.OpNotApplicable):
        run(hll.hll_fold("k", 6))
    with pytest.raises(aerospike.exception.InvalidRequest):
        run(hll.hll_init("n", 3))


write, read = expression_operations.expression_write, expression_operations.expression_read
CREATE, UPDATE, DELETE, QUIET, UNKNOWN_QUIET = 1, 2, 4, 8, 16
SUM = exp.Add(exp.IntBin("i"), exp.IntBin("j"))
LOST = exp.IntBin("nowhere")


class Code(int):
    """A result code, told from a result."""


EXPRESSION_ROWS = [
    (read("r", SUM.compile()), 4, None),
    (read("r", exp.MapGetByKey(None, 7, exp.ResultType.LIST, "b", exp.MapBin("m")).compile()), [1, 2], None),
    (read("r", exp.BitNot(None, 0, 4, exp.BlobBin("b")).compile()), b"\xff\xf0\x55", None),
    (read("r", LOST.compile()), Code(26), None),
    (read("r", LOST.compile(), UNKNOWN_QUIET), "nothing", None),
    (write("n", SUM.compile()), "nothing", {"n": 4}),
    (write("i", SUM.compile()), "nothing", {"i": 4}),
    (write("i", SUM.compile(), CREATE), Code(6), {"i": 7}),
    (write("i", SUM.compile(), CREATE | QUIET), "nothing", {"i": 7}),
    (write("n", SUM.compile(), UPDATE), Code(17), None),
    (write("n", SUM.compile(), UPDATE | QUIET), "nothing", {"i": 7}),
    (write("i", LOST.compile()), Code(26), {"i": 7}),
    (write("i", LOST.compile(), UNKNOWN_QUIET), "nothing", {"i": 7}),
    (write("i", exp.Cond(exp.BoolBin("t"), None, 1).compile(), DELETE), Code(4), {"i": 7}),
    (write("i", exp.Eq(exp.IntBin("i"), "a").compile()), Code(4), {"i": 7}),
]


@pytest.mark.parametrize(("operation", "wanted", "left"), EXPRESSION_ROWS)
def test_expressions(client: Any, operation: dict[str, Any], wanted: Any, left: dict[str, Any] | None) -> None:
    _remove(client)
    client.put(KEY, BINS)
    code, bins = outcome(client, KEY, [operation])
    if isinstance(wanted, Code):
        assert code == wanted
    elif wanted == "nothing":
        assert code in (canonical([]), canonical([(operation["bin"], None)]))
    else:
        assert code == canonical([("r", wanted)])
    assert bins == canonical({**BINS, "b": bytes(BINS["b"]), **(left or {})})


def test_expressions_see_what_was_done_before(client: Any) -> None:
    _remove(client)
    client.put(KEY, BINS)
    steps = [operations.increment("i", 5), write("n", SUM.compile()), read("r", exp.IntBin("n").compile())]
    assert client.operate_ordered(KEY, steps)[2][-1] == ("r", 9)


def test_a_nil_removes_the_bin_if_it_may(client: Any, ours: RawClient) -> None:
    nil = b"\x92\xc0"
    for flags, code, left in ((0, 26, True), (DELETE, 0, False), (QUIET, 0, True)):
        ours.remove(1)
        ours.command(1, Op(OpType.WRITE, 1, BIN, bytes(8)), Op(OpType.WRITE, 1, "x", bytes(8)), info2=1)
        op = Op(OpType.EXP_MODIFY, BLOB, BIN, nil + bytes((flags,)))
        assert ours.command(1, op, info2=1).result_code == code
        assert (BIN in ours.get(1)[1]) is left


# -- against a real server --


@pytest.mark.parametrize("kind", [OpType.BITS_READ, OpType.HLL_READ])
def test_random_calls_like_a_real_server(real_server: Any, ours: RawClient, kind: int) -> None:
    real = RawClient(real_server.host, real_server.port)
    calls = RandomCalls(1)
    for i in range(1_500):
        if kind == OpType.BITS_READ:
            start = calls.pick([(BLOB, calls.blob())] * 9 + [None, (1, bytes(8))])
            call = calls.bit_read() if i % 3 == 0 else calls.bit_call()
        else:
            start = calls.pick([(HLL, calls.sketch())] * 7 + [None, None, (1, bytes(8))])
            call = calls.hll_read() if i % 2 else calls.hll_call()
        found = [run_call(raw, start, kind, call) for raw in (real, ours)]
        assert found[0] == found[1], (start, call)
    real.close()


def test_random_expressions_like_a_real_server(real_client: Any, client: Any) -> None:
    chance = RandomExpressions(1)
    for _ in range(600):
        expression = chance.any()
        if not hasattr(expression, "compile"):
            continue
        compiled = expression.compile()
        steps = [read("r", compiled, chance.pick([0, 0, 16, 8]))]
        if chance.pick([True, True, False]):
            steps = [
                write(chance.pick(["i", "n", "s"]), compiled, chance.pick([0, 0, 0, 1, 2, 4, 8, 9, 10, 16, 31, 32]))
            ]
        steps += chance.pick([[], [], [read("q", compiled), operations.read("i")]])
        found = []
        for connected in (real_client, client):
            policy = {"exists": aerospike.POLICY_EXISTS_CREATE_OR_REPLACE}
            connected.put(KEY, {**BINS, "h": sketch()}, policy=policy)
            found.append(outcome(connected, KEY, steps))
        assert found[0] == found[1], str(expression)


def _remove(client: Any) -> None:
    with contextlib.suppress(aerospike.exception.RecordNotFound):
        client.remove(KEY)
