"""TLS: what is told to clients, what the handshake demands, and that faults and cluster work through it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aerospike
import pytest
from raw_client import read_frames

from aerospike_magic.devserver import DevServer
from aerospike_magic.devserver.tls import load_tls
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.info import decode_info_response, encode_info_request
from aerospike_magic.wire.login import decode_login_response, encode_pki_login_request
from aerospike_magic.wire.message import iter_messages
from aerospike_magic.wire.query import encode_query_request

PASSWORD = "s3cret"


@pytest.fixture(scope="module")
def secured(authority: Path) -> Iterator[DevServer]:
    """Two nodes that demand client certificates and logins."""
    with DevServer(
        namespaces=("test",),
        nodes=2,
        synthetic=5_000,
        users={"ann": PASSWORD, "bob": (PASSWORD, "read")},
        tls_certfile=authority / "node.test.pem",
        tls_keyfile=authority / "node.test.key",
        tls_cafile=authority / "ca.pem",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def encrypted(authority: Path) -> Iterator[DevServer]:
    """One node that only encrypts."""
    certificate, key = authority / "node.test.pem", authority / "node.test.key"
    with DevServer(namespaces=("test",), synthetic=5_000, tls_certfile=certificate, tls_keyfile=key) as running:
        yield running


def context(authority: Path, certificate: str | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    if certificate:
        made.load_cert_chain(authority / f"{certificate}.pem", authority / f"{certificate}.key")
    return made


def open_tls(server: DevServer, wanted: ssl.SSLContext, port: int | None = None) -> ssl.SSLSocket:
    raw = socket.create_connection((server.host, port or server.port), timeout=20)
    return wanted.wrap_socket(raw, server_hostname="node.test")


def ask_info(opened: socket.socket, *names: str) -> dict[str, str]:
    opened.sendall(encode_info_request(names))
    return decode_info_response(next(read_frames(opened)).body)


def config(server: DevServer, authority: Path, certificate: str | None = "ann", **other: Any) -> dict[str, Any]:
    tls = {"enable": True, "cafile": str(authority / "ca.pem")}
    if certificate:
        tls |= {"certfile": str(authority / f"{certificate}.pem"), "keyfile": str(authority / f"{certificate}.key")}
    return {"hosts": [(server.host, server.port, "node.test")], "tls": tls, **other}


def test_a_node_tells_its_address_and_its_peers_for_tls_only(secured: DevServer, authority: Path) -> None:
    client = aerospike.client(config(secured, authority, user="ann", password=PASSWORD))
    for command, wanted in {
        "service-tls-std": "127.0.0.1:PORT",
        "service-tls-alt": "",
        "service-clear-std": "",
        "service": "",
        "services": "",
        "peers-clear-std": "0,3000,[]",
        "peers-tls-std": "0,3000,[[PEER,node.test,[127.0.0.1:PEERPORT]]]",
        "peers-tls-alt": "0,3000,[]",
    }.items():
        names = sorted(row["node_name"] for row in client.get_node_names())
        told = client.info_single_node(command, names[0]).rstrip("\n").partition("\t")[2]
        ports = [str(port) for port in secured.ports]
        filled = wanted.replace("PEERPORT", ports[1]).replace("PORT", ports[0]).replace("PEER", names[1])
        assert told == filled, command
    client.close()


def test_in_clear_nothing_is_told_for_tls() -> None:
    with DevServer(namespaces=("test",), nodes=2) as server, socket.create_connection((server.host, server.port)) as s:
        told = ask_info(s, "service-tls-std", "peers-tls-std", "service-clear-std")
        assert told == {
            "service-tls-std": "",
            "peers-tls-std": "0,3000,[]",
            "service-clear-std": f"127.0.0.1:{server.port}",
        }


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(encrypted: DevServer, authority: Path, version: ssl.TLSVersion) -> None:
    wanted = context(authority)
    wanted.minimum_version = wanted.maximum_version = version
    with open_tls(encrypted, wanted) as opened:
        assert opened.version() == version.name.replace("_", ".")
        assert ask_info(opened, "namespaces") == {"namespaces": "test"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_refused(encrypted: DevServer, authority: Path) -> None:
    wanted = context(authority)
    wanted.set_ciphers("ALL:@SECLEVEL=0")
    wanted.minimum_version = wanted.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        open_tls(encrypted, wanted)


def test_clients_in_clear_and_silent_ones_end_alone(encrypted: DevServer, authority: Path) -> None:
    with socket.create_connection((encrypted.host, encrypted.port), timeout=20) as silent:
        with socket.create_connection((encrypted.host, encrypted.port), timeout=20) as clear:
            clear.sendall(encode_info_request(["node"]))
            with contextlib.suppress(ConnectionResetError):
                assert b"node" not in clear.recv(100)
        started = time.monotonic()
        with open_tls(encrypted, context(authority)) as opened:
            assert ask_info(opened, "namespaces") == {"namespaces": "test"}
        assert time.monotonic() - started < 5
        silent.sendall(b"x")


@pytest.mark.parametrize("certificate", [None, "eve"])
def test_a_client_without_a_certificate_of_the_authority_is_refused(
    secured: DevServer, authority: Path, certificate: str | None
) -> None:
    with (
        pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED|UNKNOWN_CA"),
        open_tls(secured, context(authority, certificate)) as opened,
    ):
        opened.recv(1)
    with pytest.raises(aerospike.exception.ConnectionError):
        aerospike.client(config(secured, authority, certificate, user="ann", password=PASSWORD))


def test_a_certificate_logs_its_user_in(secured: DevServer, authority: Path) -> None:
    client = aerospike.client(config(secured, authority, policies={"auth_mode": aerospike.AUTH_PKI}))
    client.put(("test", "pki", 1), {"x": 1})
    assert client.admin_query_user_info("ann")["roles"] == ["read-write", "sys-admin", "user-admin"]
    client.admin_drop_user("bob")
    client.close()


def test_a_certificate_of_nobody_known_is_refused(authority: Path) -> None:
    files = {"tls_certfile": authority / "node.test.pem", "tls_keyfile": authority / "node.test.key"}
    with (
        DevServer(namespaces=("test",), users={"x": "y"}, tls_cafile=authority / "ca.pem", **files) as server,
        open_tls(server, context(authority, "ann")) as opened,
    ):
        opened.sendall(encode_pki_login_request())
        assert decode_login_response(next(read_frames(opened)).body).result_code == 60


def test_the_official_client_reads_writes_and_scans_a_cluster(secured: DevServer, authority: Path) -> None:
    client = aerospike.client(config(secured, authority, user="ann", password=PASSWORD))
    assert len(client.get_node_names()) == 2
    for i in range(200):
        client.put(("test", "tls", i), {"i": i, "pad": "x" * 500})
    assert sorted(record[2]["i"] for record in client.query("test", "tls").results()) == list(range(200))
    assert [r[2]["i"] for r in map(client.get, [("test", "tls", i) for i in range(200)])] == list(range(200))
    assert len(client.query("test", "bench").results()) == 5_000
    client.close()


def test_a_node_that_stops_and_starts_speaks_tls_again(secured: DevServer, authority: Path) -> None:
    with open_tls(secured, context(authority, "ann"), secured.ports[1]) as opened:
        secured.control.stop_node(1)
        assert opened.recv(1) == b""
    secured.control.start_node(1)
    with open_tls(secured, context(authority, "ann"), secured.ports[1]) as opened:
        assert "ERROR" in str(ask_info(opened, "node"))


def test_faults_work_through_tls(encrypted: DevServer, authority: Path) -> None:
    wanted = context(authority)
    encrypted.control.cut(0, 10_000)
    with open_tls(encrypted, wanted) as opened:
        opened.sendall(encode_query_request("test", "bench", partitions=range(4096), task_id=1))
        received = 0
        while data := opened.recv(1 << 16):
            received += len(data)
        assert received == 10_000
    encrypted.control.freeze(0)
    with open_tls(encrypted, wanted) as opened:
        opened.settimeout(0.3)
        with pytest.raises(TimeoutError):
            ask_info(opened, "node")
    encrypted.control.heal()
    with open_tls(encrypted, wanted) as opened:
        opened.sendall(encode_query_request("test", "bench", partitions=range(4096), task_id=1))
        messages = 0
        for frame in read_frames(opened):
            found = list(iter_messages(frame.body))
            messages += len(found)
            if found[-1].is_last:
                break
        assert messages == 5_001


# Files


def files(authority: Path, name: str, key: str | None = None) -> tuple[str, str]:
    return str(authority / f"{name}.pem"), str(authority / f"{key or name}.key")


def test_the_name_is_the_certificates(authority: Path) -> None:
    assert load_tls(*files(authority, "node.test")).name == "node.test"
    assert load_tls(*files(authority, "ann")).name == "ann"
    assert load_tls(*files(authority, "node.test"), name="mine").name == "mine"
    assert load_tls(*files(authority, "old.test"), name="old").name == "old"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("node.test", "ann"), "key values mismatch"),
        (("node.test", "nothing"), "no such file"),
        (("old.test", None), "no name can be found .*expired"),
    ],
)
def test_files_that_cannot_be_used_are_told_in_one_line(authority: Path, arguments: Any, words: str) -> None:
    with pytest.raises(DevServerError, match=words) as caught:
        load_tls(*files(authority, *arguments))
    assert "\n" not in str(caught.value)


def test_an_authority_that_is_none_is_told(authority: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(DevServerError, match="authority"):
        load_tls(*files(authority, "node.test"), cafile=str(tmp_path / "junk.pem"))


def test_a_key_that_is_encrypted_does_not_ask_for_its_password(authority: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key((authority / "node.test.key").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
    )
    (tmp_path / "locked.key").write_bytes(locked)
    with pytest.raises(DevServerError, match="not encrypted"):
        load_tls(str(authority / "node.test.pem"), str(tmp_path / "locked.key"))
