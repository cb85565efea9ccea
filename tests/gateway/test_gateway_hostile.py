"""Clients that speak garbage, stop in the middle, or take nothing: they are hung up on, and the others go on."""

from __future__ import annotations

import logging
import os
import random
import socket
import struct
import time

import pyarrow as pa
import pytest
from table_service import TableService, table_of, typed
from test_gateway_server import ITEMS, Connect, Serve, wait_until

from aerospike_magic.errors import ConnectError
from aerospike_magic.gateway import structures as s
from aerospike_magic.gateway import thrift
from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.calls import write_arguments
from aerospike_magic.gateway.server import Gateway
from aerospike_magic.gateway.thrift import Kind, Type


def rows_of(split: bytes, name: str) -> list[bytes | memoryview]:
    """The arguments of a call for a column of a split."""
    return write_arguments(
        (Type.STRUCT, s.write_id(split)),
        (Type.LIST, s.write_texts([name])),
        (Type.I64, thrift.i64(1 << 20)),
        (Type.STRUCT, s.write_token(None)),
    )


def raw(gateway: Gateway) -> socket.socket:
    return socket.create_connection((gateway.host, gateway.port), 30)


def is_hung_up(client: socket.socket) -> bool:
    try:
        return client.recv(1 << 16) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "speaks no framed Thrift but text, 'GET '"),
        (bytes.fromhex("1603010200010001fc0303"), "but TLS; this gateway listens in clear"),
        (bytes.fromhex("80010001000000147472"), "Thrift without frames; set transport=FRAMED"),
        (b"\xff\xff\xff\xff", "speaks no framed Thrift"),
        (b"\0\0\0\0", "speaks no framed Thrift"),
        (b"\0\0\0\4garb", "instead of 0x8001"),
        (b"\0\0\0\x0c" + bytes.fromhex("80010002 00000000 00000000"), "a message of kind REPLY instead of a call"),
        (b"\0\xff\xff\xff" + b"\0" * 300, "a request of 16,777,215 bytes is larger"),
    ],
)
def test_garbage_is_hung_up_on_and_logged_once(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture, sent: bytes, said: str
) -> None:
    gateway = serve(max_frame_bytes=1 << 20)
    with caplog.at_level(logging.INFO), raw(gateway) as client:
        client.sendall(sent)
        assert is_hung_up(client)
    (record,) = caplog.records
    assert said in record.getMessage()
    assert record.getMessage().startswith("127.0.0.1:")
    assert connect(gateway).list_schemas() == ["test"]


def test_a_call_with_broken_arguments_is_answered(serve: Serve, connect: Connect) -> None:
    client = connect(serve())
    client.send("trinoGetRows", [b"\x0c\0\1\x0b\0\1\x7f\xff\xff\xff\0"])
    reply = client.take()
    assert reply.kind is Kind.EXCEPTION
    assert "a string of 2,147,483,647 bytes" in thrift.read_exception(reply.body).message
    assert client.list_schemas() == ["test"]


def test_many_lines_of_a_kind_are_one(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    gateway = serve()
    with caplog.at_level(logging.INFO):
        for _ in range(20):
            with raw(gateway) as client:
                client.sendall(b"\xff\xff\xff\xff")
                assert is_hung_up(client)
    assert 1 <= len(caplog.records) < 15


@pytest.mark.parametrize("sent", [b"\0", b"\0\0\1\0", b"\0\0\1\0abc"])
def test_half_a_frame_times_out_and_an_idle_client_does_not(serve: Serve, connect: Connect, sent: bytes) -> None:
    gateway = serve(frame_timeout_s=0.3)
    idle = connect(gateway)
    idle.list_schemas()
    with raw(gateway) as client:
        client.sendall(sent)
        assert is_hung_up(client)
    assert idle.list_schemas() == ["test"]
    wait_until(lambda: gateway.load.in_flight == 0)


def test_a_frame_in_drops_does_not_live_longer(serve: Serve) -> None:
    gateway = serve(frame_timeout_s=0.4)
    with raw(gateway) as client:
        client.sendall(b"\0\0\1\0")
        client.settimeout(0.05)
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline
            try:
                client.sendall(b"x")
                if client.recv(10) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break


def test_a_client_that_takes_nothing_waits_alone_and_is_hung_up_on(connect: Connect) -> None:
    wide = table_of(typed("text", "varchar", ["x" * 100_000] * 400))
    service = TableService({("test", "items"): wide}, n_splits=1)
    options = GatewayOptions(send_timeout_s=2.0, max_unsent_bytes=4 << 20)
    with Gateway(service, options=options) as gateway:
        other = connect(gateway)
        split = other.splits(ITEMS).splits[0].id
        arguments = rows_of(split, "text")
        with raw(gateway) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
            for i in range(40):
                slow.sendall(b"".join(thrift.frame_message(Kind.CALL, "trinoGetRows", i, arguments)))
            held = []
            for _ in range(5):
                assert other.rows(split, ["text"], 1 << 20).n_rows == 10
                held.append(gateway.load.held_bytes)
            # What the slow one holds, a reply of the other, and what the kernel's buffers have taken meanwhile.
            assert max(held) <= (4 << 20) + (2 << 20)
            wait_until(lambda: gateway.load.connections == 1)
        wait_until(lambda: gateway.load.held_bytes == 0 and gateway.load.in_flight == 0)
        assert other.list_schemas() == ["test"]


def test_a_connection_is_not_read_beyond_its_requests_in_flight(
    serve: Serve, service: TableService, connect: Connect
) -> None:
    gateway = serve(max_in_flight=4)
    client = connect(gateway)
    split = client.splits(ITEMS).splits[0].id
    service.delay_s = 0.1
    arguments = rows_of(split, "id")
    replies = [client.send("trinoGetRows", arguments) for _ in range(12)]
    wait_until(lambda: gateway.load.in_flight == 4)
    while not all(reply.done() for reply in replies):
        assert gateway.load.in_flight <= 4
        client.take()
    assert service.most_busy <= 4


def test_requests_in_flight_are_bounded_over_all_connections(
    serve: Serve, service: TableService, connect: Connect
) -> None:
    gateway = serve(max_in_flight_total=3)
    clients = [connect(gateway) for _ in range(4)]
    split = clients[0].splits(ITEMS).splits[0].id
    service.delay_s = 0.1
    arguments = rows_of(split, "id")
    for client in clients:
        for _ in range(3):
            client.send("trinoGetRows", arguments)
    for client in clients:
        for _ in range(3):
            assert client.take().kind is Kind.REPLY
    assert service.most_busy <= 3


def test_a_client_that_leaves_takes_its_requests_along(serve: Serve, service: TableService, connect: Connect) -> None:
    gateway = serve(max_running=1)
    client = connect(gateway)
    split = client.splits(ITEMS).splits[0].id
    service.delay_s = 0.3
    before = len(service.asked)
    arguments = rows_of(split, "id")
    for _ in range(20):
        client.send("trinoGetRows", arguments)
    wait_until(lambda: gateway.load.in_flight == 20)
    client.close()
    wait_until(lambda: gateway.load.in_flight == 0 and gateway.load.connections == 0)
    assert len(service.asked) - before < 10
    assert gateway.load.held_bytes == 0


def test_an_idle_client_makes_room_for_a_new_one(serve: Serve, connect: Connect) -> None:
    gateway = serve(max_connections=2)
    first, second = connect(gateway), connect(gateway)
    first.list_schemas()
    second.list_schemas()
    time.sleep(1.2)
    second.list_schemas()
    third = connect(gateway)
    assert third.list_schemas() == ["test"]
    assert second.list_schemas() == ["test"]
    assert gateway.load.connections == 2
    with pytest.raises(ConnectError, match="hung up"):
        first.list_schemas()


def test_too_many_busy_clients_are_refused(
    serve: Serve, service: TableService, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = serve(max_connections=1)
    first = connect(gateway)
    split = first.splits(ITEMS).splits[0].id
    service.delay_s = 2.0
    reply = first.send("trinoGetRows", rows_of(split, "id"))
    wait_until(lambda: gateway.load.running == 1)
    with raw(gateway) as second:
        assert is_hung_up(second)
    wait_until(lambda: "1 clients are connected, and none is idle" in caplog.text)
    assert first.take() is reply.result()


def noise(rng: random.Random) -> bytes:
    call = b"".join(thrift.frame_message(Kind.CALL, "trinoListSchemaNames", 1, [thrift.STOP]))
    kind = rng.randrange(4)
    if kind == 0:
        return os.urandom(rng.randrange(1, 2_000))
    if kind == 1:
        return call * 3 + call[: rng.randrange(len(call))]
    mutant = bytearray(call)
    mutant[rng.randrange(4 if kind == 2 else 0, len(mutant))] = rng.randrange(256)
    return bytes(mutant)


def test_garbage_from_all_sides_while_rows_are_read(serve: Serve, service: TableService, connect: Connect) -> None:
    gateway = serve(frame_timeout_s=0.5)
    client = connect(gateway)
    table: pa.Table = service._tables["test", "items"]
    rng = random.Random(7)
    open_ones: list[socket.socket] = []
    total = 0
    for split in client.splits(ITEMS).splits:
        token = None
        while True:
            for _ in range(3):
                bad = raw(gateway)
                bad.sendall(noise(rng))
                if rng.random() < 0.3:
                    bad.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    bad.close()  # with a reset
                else:
                    open_ones.append(bad)
            page = client.rows(split.id, ["id"], 500, token)
            total += page.n_rows
            token = page.next_token
            if token is None:
                break
    assert total == table.num_rows
    for bad in open_ones:
        bad.close()
    wait_until(lambda: gateway.load.connections == 1 and gateway.load.in_flight == 0)
