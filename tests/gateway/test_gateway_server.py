"""The server: calls and replies over a real socket, side by side, and within bounds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from table_service import TableService

from aerospike_magic.errors import ConfigError, ConnectError, GatewayError, ScanError
from aerospike_magic.gateway import structures as s
from aerospike_magic.gateway import thrift
from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.calls import write_arguments
from aerospike_magic.gateway.client import GatewayClient
from aerospike_magic.gateway.messages import Domain, Range, Ranges, ServiceError, TableName, TupleDomain
from aerospike_magic.gateway.server import Gateway
from aerospike_magic.gateway.thrift import ApplicationError, Type

ITEMS = TableName("test", "items")
Serve = Callable[..., Gateway]
Connect = Callable[..., GatewayClient]


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gateway_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("aerospike-magic-gateway")]


def read_table(client: GatewayClient, names: list[str], max_bytes: int = 1_000) -> pa.Table:
    pages = []
    for split in client.splits(ITEMS).splits:
        token = None
        while True:
            page = client.rows(split.id, names, max_bytes, token)
            pages.append(pa.Table.from_arrays(list(page.columns), names=names))
            token = page.next_token
            if token is None:
                break
    return pa.concat_tables(pages)


@pytest.mark.parametrize("flavor", ["trino", "presto"])
def test_both_engines_names_are_served(gateway: Gateway, service: TableService, connect: Connect, flavor: str) -> None:
    client = connect(gateway, flavor=flavor)
    assert client.list_schemas() == ["test"]
    assert client.list_tables(None) == service.list_tables(None)
    assert client.list_tables("other") == []
    assert client.table_metadata(ITEMS) == service.table_metadata(ITEMS)
    assert client.table_metadata(TableName("test", "none")) is None
    assert client.splits(TableName("test", "empty"), max_count=1).next_token == b"1"


def test_rows_of_every_type_arrive(gateway: Gateway, service: TableService, connect: Connect) -> None:
    client = connect(gateway)
    table = service._tables["test", "items"]
    assert read_table(client, table.schema.names).to_pylist() == table.to_pylist()


def test_rows_without_columns_are_counted(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway)
    pages = [client.rows(split.id, [], 1 << 20) for split in client.splits(ITEMS, frozenset()).splits]
    assert sum(page.n_rows for page in pages) == 1_000
    assert all(page.columns == () for page in pages)


def test_constraints_and_keys_reach_the_service(gateway: Gateway, service: TableService, connect: Connect) -> None:
    client = connect(gateway)
    client.table_metadata(ITEMS)
    constraint = TupleDomain({"qty": Domain(Ranges((Range(3, True, None, False),)), False)})
    client.splits(ITEMS, frozenset({"qty"}), constraint, 7, b"2")
    assert service.asked[-1] == ("splits", ITEMS, frozenset({"qty"}), constraint, 7, b"2")
    (split,) = client.index_splits(ITEMS, ["id"], ["id", "name"], [[3, 999, 10_000]]).splits
    assert client.rows(split.id, ["id"]).columns[0].to_pylist() == [3, 999]


def test_replies_come_out_of_order(gateway: Gateway, service: TableService, connect: Connect) -> None:
    client = connect(gateway)
    split = client.splits(ITEMS).splits[0].id
    service.delay_s = 0.5
    arguments = write_arguments(
        (Type.STRUCT, s.write_id(split)),
        (Type.LIST, s.write_texts(["id"])),
        (Type.I64, thrift.i64(1 << 20)),
        (Type.STRUCT, s.write_token(None)),
    )
    slow = [client.send("trinoGetRows", arguments) for _ in range(8)]
    client.send("trinoListSchemaNames", [thrift.STOP])
    assert client.take().name == "trinoListSchemaNames"
    while not all(reply.done() for reply in slow):
        client.take()
    assert service.most_busy == 8


def test_many_threads_share_a_connection(gateway: Gateway, service: TableService, connect: Connect) -> None:
    client = connect(gateway)
    wanted = service._tables["test", "items"].select(["id", "name"]).to_pylist()
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(read_table(client, ["id", "name"]).to_pylist())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [wanted] * 8


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ServiceError("node BB9 is gone", retryable=True), "node BB9 is gone"),
        (ScanError("a node stopped", hint="wait"), "a node stopped · wait"),
        (ZeroDivisionError("division\nby zero"), "the gateway failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_fails_is_said_and_the_gateway_lives_on(
    gateway: Gateway,
    service: TableService,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    raised: Exception,
    said: str,
) -> None:
    client = connect(gateway)
    split = client.splits(ITEMS).splits[0].id
    service.fail = raised
    with caplog.at_level(logging.INFO), pytest.raises(ServiceError) as seen:
        client.rows(split, ["id"])
    assert seen.value.message == said
    assert seen.value.retryable == (isinstance(raised, ServiceError) and raised.retryable)
    # What the service says itself is the client's business; the rest is one line, without a trace.
    assert len(caplog.records) == (not isinstance(raised, ServiceError))
    assert all(record.exc_info is None and "\n" not in record.getMessage() for record in caplog.records)
    service.fail = None
    assert client.rows(split, ["id"]).n_rows == 250


def test_a_page_that_does_not_fit_its_types_is_an_error(
    gateway: Gateway, service: TableService, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aerospike_magic.gateway.messages import Page

    page = Page(("bigint",), (pa.array(["a"]),), 1)
    monkeypatch.setattr(service, "rows", lambda *_: page)
    with pytest.raises(ServiceError, match="a column of type bigint cannot be made of string"):
        connect(gateway).rows(b"", ["id"])


def test_an_unknown_method_is_named(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway)
    with pytest.raises(ApplicationError, match="there is no method 'trinoDropTable'") as raised:
        client.call("DropTable")
    assert raised.value.fault == 1
    assert client.list_schemas() == ["test"]


def test_writing_is_refused_by_name(gateway: Gateway, connect: Connect) -> None:
    client = connect(gateway, flavor="presto")
    client.send("prestoAddRows", [thrift.STOP])
    assert b"reads only" in bytes(client.take().body._data)


def test_a_reply_larger_than_the_limit_becomes_an_error(serve: Serve, connect: Connect) -> None:
    client = connect(serve(max_reply_bytes=1_000))
    split = client.splits(ITEMS, max_count=1).splits[0].id
    with pytest.raises(ServiceError, match=r"a reply of [0-9,]+ bytes is larger than the gateway's limit of 1,000"):
        client.rows(split, ["id"])
    assert client.list_schemas() == ["test"]


def test_a_request_larger_than_the_limit_is_refused_and_the_connection_lives(serve: Serve, connect: Connect) -> None:
    client = connect(serve(max_frame_bytes=1_000))
    with pytest.raises(ServiceError, match=r"a request of [0-9,]+ bytes is larger than the gateway's limit of 1,000"):
        client.splits(TableName("test", "x" * 500_000))
    assert client.list_schemas() == ["test"]


def test_a_request_waits_for_room_for_its_reply(serve: Serve, service: TableService, connect: Connect) -> None:
    gateway = serve(max_unsent_bytes=3 << 20)
    client = connect(gateway)
    split = client.splits(ITEMS).splits[0].id
    service.delay_s = 0.05
    threads = [threading.Thread(target=lambda: client.rows(split, ["id"], 1 << 20)) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert service.most_busy == 3
    wait_until(lambda: gateway.load.held_bytes == 0 and gateway.load.in_flight == 0)


def test_a_large_request_runs_all_the_same_when_nothing_else_does(serve: Serve, connect: Connect) -> None:
    client = connect(serve(max_unsent_bytes=1, max_unsent_bytes_total=1))
    split = client.splits(ITEMS).splits[0].id
    assert client.rows(split, ["id"], 1 << 20).n_rows == 250


def test_rows_leave_threads_for_the_rest(serve: Serve, service: TableService, connect: Connect) -> None:
    gateway = serve(max_running=2)
    client = connect(gateway)
    split = client.splits(ITEMS).splits[0].id
    service.delay_s = 1.0
    threads = [threading.Thread(target=lambda: connect(gateway).rows(split, ["id"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: gateway.load.running == 2)
    assert client.list_schemas() == ["test"]
    assert service.n_busy == 2
    for thread in threads:
        thread.join(60)
    assert service.most_busy == 2


def test_closing_ends_sockets_and_threads(serve: Serve, service: TableService, connect: Connect) -> None:
    gateway = serve()
    clients = [connect(gateway) for _ in range(5)]
    for client in clients:
        client.list_schemas()
    began = time.monotonic()
    gateway.close()
    assert time.monotonic() - began < 5  # one second, on a machine with nothing else to do
    assert gateway_threads() == []
    with pytest.raises(ConnectError, match="hung up"):
        clients[0].list_schemas()
    with pytest.raises(ConnectError, match="connection refused"):
        connect(gateway)
    gateway.close()


def test_closing_does_not_wait_for_a_call_that_hangs(serve: Serve, service: TableService, connect: Connect) -> None:
    gateway = serve()
    client = connect(gateway)
    split = client.splits(ITEMS).splits[0].id
    hangs, go_on = threading.Event(), threading.Event()
    service.rows = lambda *_: (hangs.set(), go_on.wait(60))  # type: ignore[method-assign,assignment]
    failed: list[str] = []

    def call() -> None:
        try:
            client.rows(split, ["id"])
        except ConnectError as error:
            failed.append(error.message)

    caller = threading.Thread(target=call)
    caller.start()
    assert hangs.wait(60)
    gateway.close()
    caller.join(60)
    assert failed == ["the gateway has hung up"]
    go_on.set()
    wait_until(lambda: gateway_threads() == [])


def test_a_port_in_use_is_said(gateway: Gateway, service: TableService) -> None:
    with pytest.raises(GatewayError, match=f"cannot listen on {gateway.address}: address already in use"):
        Gateway(service, (gateway.host, gateway.port)).start()


def test_an_address_that_is_not_ours_is_said(service: TableService) -> None:
    with pytest.raises(GatewayError, match=r"cannot listen on 192\.0\.2\.1:0"):
        Gateway(service, ("192.0.2.1", 0), GatewayOptions(insecure=True)).start()


def test_a_gateway_starts_once(gateway: Gateway) -> None:
    with pytest.raises(GatewayError, match="runs already"):
        gateway.start()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_running": 0}, "max_running must be more than 0"),
        ({"frame_timeout_s": -1}, "frame_timeout_s must be more than 0"),
        ({"max_frame_bytes": 1 << 40}, "more than max_request_bytes"),
        ({"tls_client_cafile": "x"}, "TLS needs a certificate"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        GatewayOptions(**options)
