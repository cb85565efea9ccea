"""(h) Loading by the official client's batch writes, two processes; and what of it is the client's own.

Three runs tell who limits whom: the client into the server, the same client into a server that only answers
(`benchmarks.sink`), and requests made beforehand into the server.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from aerospike_magic.devserver import DevServer
from aerospike_magic.wire.batch import BatchRequest, BatchRow, encode_batch_request
from aerospike_magic.wire.digest import compute_digest
from aerospike_magic.wire.message import Field, FieldType, Info2, Op, OpType, encode_message
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.proto import ProtoType, encode_proto
from benchmarks.data import NAMESPACE, Target, make_rows
from benchmarks.report import Figure, Measurement

AT_LEAST = 100_000
BATCH = 500
PROCESSES = 2
MOST = 50_000
"""Records a process and turn."""

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Load:
    """One run: records a second by the clock, and CPU microseconds a record; the server's None if it is not here."""

    rate: float
    client_us: float
    server_us: float | None
    in_calls: float


def measure(target: Target, repeat: int) -> Measurement:
    server = _process_at(target.address)
    n = min(max(target.records // 20 // BATCH, 2) * BATCH, MOST)
    loads, sunk, alone, kept = [], [], [], []
    with _sink() as (sink_address, sink), _keeping_server() as (kept_address, keeper):
        for turn in range(repeat + 1):
            name = f"load{turn}"
            loads.append(_load(target.address, server, name, n))
            sunk.append(_load(sink_address, sink, name, n))
            alone.append(_made_beforehand(target.address, server, f"alone{turn}", n))
            _truncate(target.address, [name, f"alone{turn}"])
            kept.append(_made_beforehand(kept_address, keeper, f"kept{turn}", n))
    best, into_sink, made, in_directory = (
        max(runs[1:], key=lambda run: run.rate) for runs in (loads, sunk, alone, kept)
    )
    figures = [
        Figure("batch writes, two processes", best.rate, "records/s", at_least=AT_LEAST),
        Figure("the same into a sink: the client's ceiling here", into_sink.rate, "records/s"),
        Figure("server / sink", best.rate / into_sink.rate, "×"),
        Figure("CPU of the client, a record", best.client_us, "µs"),
        Figure("CPU of the client into the sink, a record", into_sink.client_us, "µs"),
        Figure("share of the client's time inside batch_write", best.in_calls, "×"),
        Figure("requests made beforehand", made.rate, "records/s"),
    ]
    if best.server_us is not None and made.server_us is not None and into_sink.server_us is not None:
        figures += [
            Figure("CPU of the server, a record", best.server_us, "µs"),
            Figure("CPU of the server, requests made beforehand, a record", made.server_us, "µs"),
            Figure("CPU of the sink, a record", into_sink.server_us, "µs"),
            Figure("what that makes with two whole cores", 2e6 / (best.client_us + best.server_us), "records/s"),
        ]
    if target.is_embedded:
        figures.append(Figure("requests made beforehand, kept by --data", in_directory.rate, "records/s"))
        if in_directory.server_us is not None:
            figures.append(Figure("CPU of the server with --data, a record", in_directory.server_us, "µs"))
    return Measurement(
        "h",
        f"loading by batch writes of {BATCH} records of 7 bins, {PROCESSES} processes of the official client",
        tuple(figures),
        f"best of {repeat} after a warm-up, {PROCESSES} × {n:,} new records each; making rows in Python counts; "
        "clients and server share the machine's cores",
        {
            "load records/s": [run.rate for run in loads],
            "sink records/s": [run.rate for run in sunk],
            "alone records/s": [run.rate for run in alone],
        },
    )


# -- the official client, in processes of its own --


def _load(address: str, server: psutil.Process | None, set_name: str, n_each: int) -> Load:
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.batch_load", address, set_name, str(i * n_each), str(n_each)],
                    cwd=_ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for i in range(PROCESSES)
        ]
        for client in clients:
            client.stdout.readline()
        before, started = _cpu_s(server), time.perf_counter()
        for client in clients:
            client.stdin.write("go\n")
            client.stdin.flush()
        answers = [json.loads(client.stdout.readline()) for client in clients]
        seconds = time.perf_counter() - started
        after = _cpu_s(server)
    n = n_each * PROCESSES
    return Load(
        n / seconds,
        sum(answer["cpu_s"] for answer in answers) / n * 1e6,
        None if before is None or after is None else (after - before) / n * 1e6,
        sum(answer["calls_s"] for answer in answers) / sum(answer["seconds"] for answer in answers),
    )


def _write(address: str, set_name: str, first: int, n: int) -> None:
    import aerospike
    from aerospike_helpers.batch import records as batch
    from aerospike_helpers.operations import operations

    host, _, port = address.rpartition(":")
    client = aerospike.client({"hosts": [(host, int(port))]}).connect()
    rows = make_rows(first, first + n)
    print("ready", flush=True)
    sys.stdin.readline()
    started, cpu_started, calls = time.perf_counter(), time.process_time(), 0.0
    for start in range(0, n, BATCH):
        writes = [
            batch.Write((NAMESPACE, set_name, row["id"]), [operations.write(b, v) for b, v in row.items()])
            for row in rows[start : start + BATCH]
        ]
        request = batch.BatchRecords(writes)
        called = time.perf_counter()
        answer = client.batch_write(request)
        calls += time.perf_counter() - called
        if answer.result or any(write.result for write in writes):
            raise SystemExit(f"a batch write failed: {answer.result}")
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "cpu_s": time.process_time() - cpu_started,
                "calls_s": calls,
            }
        ),
        flush=True,
    )
    client.close()


# -- requests made beforehand --


def _made_beforehand(address: str, server: psutil.Process | None, set_name: str, n: int) -> Load:
    requests = [_request(set_name, start) for start in range(0, n, BATCH)]
    host, _, port = address.rpartition(":")
    space = bytearray(1 << 20)
    with socket.create_connection((host, int(port))) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        before, started, cpu_started = _cpu_s(server), time.perf_counter(), time.process_time()
        for request in requests:
            opened.sendall(request)
            _read_answer(opened, space)
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
        after = _cpu_s(server)
    server_us = None if before is None or after is None else (after - before) / n * 1e6
    return Load(n / seconds, cpu_s / n * 1e6, server_us, 1.0)


def _request(set_name: str, first: int) -> bytes:
    fields = (Field(FieldType.NAMESPACE, NAMESPACE.encode()), Field(FieldType.SET, set_name.encode()))
    rows = [
        BatchRow(
            i,
            compute_digest(set_name, row["id"]),
            0x0E,
            0,
            int(Info2.WRITE | Info2.RESPOND_ALL_OPS),
            fields=fields,
            ops=tuple(Op(OpType.WRITE, *_particle(name, value)) for name, value in row.items()),
        )
        for i, row in enumerate(make_rows(first, first + BATCH))
    ]
    return encode_proto(ProtoType.MESSAGE, encode_message(encode_batch_request(BatchRequest(tuple(rows)))))


def _particle(name: str, value: Any) -> tuple[int, str, bytes]:
    kind, data = encode_particle(value)
    return kind, name, data


def _read_answer(opened: socket.socket, space: bytearray) -> None:
    """Read up to the last message, which is a proto's last 22 bytes."""
    held = 0
    view = memoryview(space)
    while True:
        held += opened.recv_into(view[held:])
        at = 0
        while at + 8 <= held:
            end = at + 8 + int.from_bytes(view[at + 2 : at + 8], "big")
            if end > held:
                break
            if space[end - 22 + 3] & 1:
                return
            at = end


# -- who serves --


@contextmanager
def _sink() -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "benchmarks.sink"]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield f"127.0.0.1:{process.stdout.readline().strip()}", psutil.Process(process.pid)
        process.stdin.close()


@contextmanager
def _keeping_server() -> Iterator[tuple[str, psutil.Process]]:
    with tempfile.TemporaryDirectory() as directory, DevServer((NAMESPACE,), data=directory) as server:
        yield server.address, psutil.Process(server.pid)


def _process_at(address: str) -> psutil.Process | None:
    """Find the process that listens at an address, if it is of this machine and may be looked at."""
    port = int(address.rpartition(":")[2])
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return psutil.Process(connection.pid)
    return None


def _cpu_s(process: psutil.Process | None) -> float | None:
    if process is None:
        return None
    times = process.cpu_times()
    return float(times.user + times.system)


def _truncate(address: str, set_names: list[str]) -> None:
    from aerospike_magic.connection import connect

    with connect(address) as connection:
        for name in set_names:
            connection.client.truncate(NAMESPACE, name, 0)


if __name__ == "__main__":
    _write(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
