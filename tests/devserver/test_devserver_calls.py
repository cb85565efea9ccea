"""Bit and HyperLogLog operations, and HyperLogLog values in all ways of writing.

The tables are what a real server (8.1.2) answered. With `AEROSPIKE_TEST_HOST=host:port` random operations are compared
with a real server: the answer, and the bytes that are left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import aerospike
import pytest
from aerospike_helpers import HyperLogLog
from aerospike_helpers.batch import records as batch
from aerospike_helpers.operations import bitwise_operations as bits
from aerospike_helpers.operations import hll_operations as hll
from aerospike_helpers.operations import operations
from random_calls import RandomCalls
from raw_client import RawClient

from aerospike_magic.wire.message import Op, OpType
from aerospike_magic.wire.msgpack import encode_cdt

BLOB, HLL = 4, 18
BIN = "b"
KEY = ("test", "calls", 1)


@pytest.fixture(scope="module")
def ours(server: Any) -> Iterator[RawClient]:
    raw = RawClient(server.host, server.port)
    yield raw
    raw.close()


def outcome(raw: RawClient, start: tuple[int, bytes] | None, kind: int, call: list[Any]) -> Any:
    """Run a call on a bin that starts so: its answer, and what is left."""
    raw.remove(1)
    raw.command(1, *([Op(OpType.WRITE, *(start[0], BIN, start[1]))] if start else []), Op(OpType.WRITE, 1, "x", bytes(8)), info2=1)
    reads = call[0] in range(50, 60)
    op = Op(kind if reads else kind + 1, BLOB, BIN, encode_cdt(call))
    answer = raw.command(1, op, info1=1 if reads else 0, info2=0 if reads else 1)
    return answer.result_code, [(op.particle_type, bytes(op.data)) for op in answer.ops], raw.get(1)


@pytest.mark.parametrize("kind", [OpType.BITS_READ, OpType.HLL_READ])
def test_like_a_real_server(real_server: Any, ours: RawClient, kind: int) -> None:
    real = RawClient(real_server.host, real_server.port)
    calls = RandomCalls(int(os.environ.get("SEED", "1")))
    is_bits = kind == OpType.BITS_READ
    for i in range(int(os.environ.get("NN", "2000"))):
        if is_bits:
            start = calls._pick([(BLOB, calls.blob())] * 9 + [None, (1, bytes(8))])
            call = calls.bit_read() if i % 3 == 0 else calls.bit_call()
        else:
            start = calls._pick([(HLL, calls.sketch())] * 7 + [None, None, (1, bytes(8))])
            call = calls.hll_read() if i % 2 else calls.hll_call()
        try:
            found = [outcome(raw, start, kind, call) for raw in (real, ours)]
        except StopIteration:
            raise AssertionError((start, call)) from None
        assert found[0] == found[1], (start, call)
    real.close()
