"""TLS, client certificates, and what may be served in clear."""

from __future__ import annotations

import logging
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from table_service import TableService
from test_gateway_server import ITEMS, Connect, Serve, read_table, wait_until

from aerospike_magic.errors import ConnectError, GatewayError
from aerospike_magic.gateway.bounds import GatewayOptions
from aerospike_magic.gateway.catalog_file import CatalogTls, catalog_text
from aerospike_magic.gateway.server import Gateway


def client_context(authority: Path, name: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority / "ca.pem")
    if name is not None:
        context.load_cert_chain(authority / f"{name}.pem", authority / f"{name}.key")
    return context


def certificate(authority: Path, name: str = "node.test") -> dict[str, Any]:
    return {"tls_certfile": authority / f"{name}.pem", "tls_keyfile": authority / f"{name}.key"}


def test_rows_over_tls(serve: Serve, service: TableService, connect: Connect, authority: Path) -> None:
    client = connect(serve(**certificate(authority)), context=client_context(authority), server_hostname="node.test")
    table = service._tables["test", "items"]
    assert read_table(client, table.schema.names, 1 << 20).to_pylist() == table.to_pylist()


def test_a_client_in_clear_is_hung_up_on(
    serve: Serve, connect: Connect, authority: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = serve(**certificate(authority))
    with pytest.raises(ConnectError, match="hung up"):
        connect(gateway).list_schemas()
    wait_until(lambda: "connection ended: TLS:" in caplog.text)
    client = connect(gateway, context=client_context(authority))
    assert client.list_schemas() == ["test"]


def test_a_silent_client_is_hung_up_on(serve: Serve, authority: Path, caplog: pytest.LogCaptureFixture) -> None:
    gateway = serve(**certificate(authority), handshake_timeout_s=0.3)
    with socket.create_connection((gateway.host, gateway.port), 30) as silent:
        assert silent.recv(1) == b""
    wait_until(lambda: "did not agree on TLS within 0.3 s" in caplog.text)


@pytest.mark.parametrize("name", [None, "eve"])
def test_without_our_certificate_nothing_is_answered(
    serve: Serve, connect: Connect, authority: Path, name: str | None
) -> None:
    gateway = serve(**certificate(authority), tls_client_cafile=authority / "ca.pem")
    with pytest.raises(ConnectError):  # the handshake of TLS 1.3 ends before the client's certificate is looked at
        connect(gateway, context=client_context(authority, name)).list_schemas()
    assert connect(gateway, context=client_context(authority, "ann")).list_schemas() == ["test"]
    wait_until(lambda: gateway.load.connections == 1)


def test_many_rows_both_ways_at_once(serve: Serve, connect: Connect, authority: Path) -> None:
    client = connect(serve(**certificate(authority)), context=client_context(authority))
    (split, *_) = client.splits(ITEMS).splits
    for _ in range(20):
        assert client.rows(split.id, ["name", "doc"], 1 << 20).n_rows == 250
        with pytest.raises(Exception, match="there is no table"):
            client.splits(type(ITEMS)("test", "x" * 100_000))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tls_certfile": "none.pem"}, "cannot use .*none.pem for TLS: no such file"),
        ({"tls_certfile": "ca.pem", "tls_keyfile": "ann.key"}, "key values mismatch"),
        ({"tls_certfile": "garbage.pem"}, "cannot use .*garbage.pem for TLS"),
        ({"tls_certfile": "ann.pem", "tls_keyfile": "ann.key", "tls_client_cafile": "garbage.pem"}, "authority"),
    ],
)
def test_files_that_cannot_be_used(service: TableService, authority: Path, files: dict[str, str], said: str) -> None:
    (authority / "garbage.pem").write_text("garbage")
    with pytest.raises(GatewayError, match=said):
        Gateway(service, options=GatewayOptions(**{name: authority / file for name, file in files.items()}))  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "::", "gateway.example"])
def test_beyond_loopback_clear_text_must_be_asked_for(service: TableService, authority: Path, host: str) -> None:
    with pytest.raises(GatewayError, match="in clear would let everyone who reaches it read") as raised:
        Gateway(service, (host, 0))
    assert "insecure" in raised.value.hint
    assert "IN CLEAR" in Gateway(service, (host, 0), GatewayOptions(insecure=True)).protection
    encrypted = Gateway(service, (host, 0), GatewayOptions(**certificate(authority)))
    assert "everyone who reaches the address" in encrypted.protection
    mutual = GatewayOptions(**certificate(authority), tls_client_cafile=authority / "ca.pem")
    assert "for clients with a certificate only" in Gateway(service, (host, 0), mutual).protection


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_may_be_in_clear(service: TableService, host: str) -> None:
    assert "every user of this machine" in Gateway(service, (host, 0)).protection


def test_no_secret_is_logged(serve: Serve, connect: Connect, authority: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        connect(serve(**certificate(authority)), context=client_context(authority)).list_schemas()
    assert "PRIVATE" not in caplog.text


def test_the_catalog_file_of_trino() -> None:
    assert catalog_text("trino", ["10.0.0.1:9779", "10.0.0.2:9779"]) == (
        "connector.name=trino_thrift\n"
        "trino.thrift.client.addresses=10.0.0.1:9779,10.0.0.2:9779\n"
        "trino.thrift.client.transport=FRAMED\n"
        "trino.thrift.client.protocol=BINARY\n"
        "trino.thrift.client.max-frame-size=64MB\n"
        "trino.thrift.client.connect-timeout=2s\n"
        "trino.thrift.client.request-timeout=60s\n"
        "trino.thrift.client.max-retries=20\n"
        "trino.thrift.client.min-backoff-delay=100ms\n"
        "trino.thrift.client.max-backoff-delay=1s\n"
        "trino.thrift.client.max-retry-time=10s\n"
        "trino-thrift.max-response-size=4MB\n"
    )


def test_the_catalog_file_of_presto_with_tls() -> None:
    lines = catalog_text("presto", ["h:1"], tls=CatalogTls("/ca.pem", Path("/client.pem")), max_retry_time_s=3)
    assert "connector.name=presto-thrift\n" in lines
    assert "presto.thrift.client.max-retry-time=3s\n" in lines
    assert lines.endswith(
        "presto.thrift.client.ssl.enabled=true\n"
        "presto.thrift.client.ssl.trust-certificate=/ca.pem\n"
        "presto.thrift.client.ssl.key=/client.pem\n"
    )
