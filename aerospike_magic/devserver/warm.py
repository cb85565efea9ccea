"""Compiles the kernels before the first client needs them, on a tiny namespace of its own.

From the cache on disk this takes about a second; the first time on a machine half a minute, beside the loading of data.
"""

from __future__ import annotations

import logging
import socket
import threading

import numpy as np

from aerospike_magic.devserver.cdt.settle import settle
from aerospike_magic.devserver.commands import CommandRunner
from aerospike_magic.devserver.load import Column, bulk_load
from aerospike_magic.devserver.node import Node
from aerospike_magic.devserver.query import QueryRunner
from aerospike_magic.devserver.sindex import SecondaryIndex
from aerospike_magic.devserver.store import Record, now_ms
from aerospike_magic.wire.batch import BatchRequest, BatchRow, encode_batch_request
from aerospike_magic.wire.message import Field, FieldType, Info2, Op, OpType, encode_message
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.query import IndexRange, QueryRequest

log = logging.getLogger(__name__)

_NAME = "warm"
_FILTER = bytes.fromhex("9303935102a16e00")
"""n > 0"""


def start_warming() -> threading.Thread:
    """Compile or load all kernels in a thread of its own."""
    thread = threading.Thread(target=_warm, name="warm-up", daemon=True)
    thread.start()
    return thread


def _warm() -> None:
    started = now_ms()
    node = Node("BB9000000000000", "127.0.0.1", 0, (_NAME,))
    namespace = node.namespaces[_NAME]
    record = Record(bytes(20), "one", 1, 0, now_ms(), None, {b"n": (ParticleType.INTEGER, bytes(8))})
    namespace.put(record)
    near, far = socket.socketpair()
    with near, far:
        for bins in (None, ("n",)):
            _query(node, near, bins=bins)
        _query(node, near, filter_expression=_FILTER)
        bulk_load(namespace, "many", np.arange(3), [Column("n", ParticleType.INTEGER, np.arange(3))])
        node.indexes[_NAME].create(SecondaryIndex(_NAME, "many", "i", "n", "numeric"))
        _query(node, near, set_name="many", index_range=IndexRange.integers("n", 0, 1))
        CommandRunner(node, near, "warm-up").run(_batch())
    settle(ParticleType.LIST, b"\x90")
    namespace.remove(record.digest)
    log.info("kernels are ready after %.1f s", (now_ms() - started) / 1000)


def _batch() -> bytes:
    fields = (Field(FieldType.NAMESPACE, _NAME.encode()), Field(FieldType.SET, b"put"))
    ops = (Op(OpType.WRITE, ParticleType.INTEGER, "n", bytes(8)),)
    row = BatchRow(0, bytes(20), 0x0E, 0, int(Info2.WRITE), fields=fields, ops=ops)
    return encode_message(encode_batch_request(BatchRequest((row,))))


def _query(node: Node, near: socket.socket, **options: object) -> None:
    request = QueryRequest(_NAME, partitions=(0,), **options)  # type: ignore[arg-type]
    QueryRunner(node, request, near, "warm-up").run()
