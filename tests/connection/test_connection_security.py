"""Our connection and the scan's own sockets against a cluster with logins and TLS: record by record, and refusals.

The refusals are one table: each is one plain line with what to do next, and holds no secret.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aerospike_magic.connection import Connection, connect
from aerospike_magic.connection.client import with_session
from aerospike_magic.dataset import AerospikeDataset
from aerospike_magic.devserver import DevServer
from aerospike_magic.errors import AerospikeMagicError, ConnectError, ServerError
from aerospike_magic.scan import ScanOptions

PASSWORD = "s3cret-Passw0rd"
N = 30_000


@pytest.fixture(scope="module")
def secured(authority: Path) -> Iterator[DevServer]:
    """Three nodes that demand client certificates and logins."""
    with DevServer(
        namespaces=("test",),
        nodes=3,
        synthetic=N,
        users={"ann": PASSWORD, "reader": (PASSWORD, "read"), "writer": (PASSWORD, "write")},
        tls_certfile=authority / "node.test.pem",
        tls_keyfile=authority / "node.test.key",
        tls_cafile=authority / "ca.pem",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def clear() -> Iterator[DevServer]:
    """One node without anything."""
    with DevServer(namespaces=("test",)) as running:
        yield running


def given(authority: Path, **changed: Any) -> dict[str, Any]:
    right = {
        "user": "ann",
        "password": PASSWORD,
        "tls_name": "node.test",
        "tls_cafile": str(authority / "ca.pem"),
        "tls_certfile": str(authority / "ann.pem"),
        "tls_keyfile": str(authority / "ann.key"),
    }
    return {name: value for name, value in (right | changed).items() if value is not None}


@pytest.fixture
def entered(secured: DevServer, authority: Path) -> Iterator[Callable[..., Connection]]:
    opened: list[Connection] = []

    def enter(**changed: Any) -> Connection:
        opened.append(connect(secured.address, **given(authority, **changed)))
        return opened[-1]

    yield enter
    for connection in opened:
        connection.close()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def scan(connection: Connection, **options: Any) -> Any:
    return AerospikeDataset(connection, "test.bench", options=ScanOptions(**options)).to_table(columns=["id", "qty"])


def check_all(table: Any) -> None:
    assert np.array_equal(np.sort(table["id"].to_numpy()), np.arange(N))


# What works


def test_nodes_sets_schema_and_partitions_are_found(entered: Callable[..., Connection]) -> None:
    connection = entered()
    assert [node.tls_name for node in connection.nodes()] == ["node.test"] * 3
    assert [(s.name, s.objects) for s in connection.sets("test")] == [("bench", N)]
    assert len(connection.partition_map("test").missing) == 0
    assert "id" in connection.schema("test.bench").arrow.names


def test_a_scan_reads_every_record_once(entered: Callable[..., Connection]) -> None:
    check_all(scan(entered()))


@pytest.mark.parametrize("user", ["reader", "ann"])
def test_reading_is_enough_to_scan_and_to_stop(entered: Callable[..., Connection], user: str) -> None:
    dataset = AerospikeDataset(entered(user=user), "test.bench", options=ScanOptions(batch_rows=256))
    check_all(dataset.to_table())
    assert dataset.head(10).num_rows == 10


def test_a_certificate_is_enough_with_pki(entered: Callable[..., Connection]) -> None:
    check_all(scan(entered(auth="pki", user=None, password=None)))


def test_a_seed_is_known_by_a_name_of_its_own(secured: DevServer, authority: Path) -> None:
    settings = given(authority, tls_name=None)
    with connect(f"{secured.host}:node.test:{secured.port}", **settings) as connection:
        check_all(scan(connection))


def test_a_single_node_is_known_by_its_seeds_name(authority: Path) -> None:
    files = {"tls_certfile": authority / "node.test.pem", "tls_keyfile": authority / "node.test.key"}
    with DevServer(namespaces=("test",), synthetic=500, **files) as server:
        settings = {"tls_cafile": str(authority / "ca.pem")}
        with connect(f"{server.host}:node.test:{server.port}", **settings) as connection:
            assert [node.tls_name for node in connection.nodes()] == ["node.test"]
            assert AerospikeDataset(connection, "test.bench").count_rows() == 500


def test_expired_tokens_are_renewed_while_a_scan_runs(secured: DevServer, entered: Callable[..., Connection]) -> None:
    connection = entered()
    check_all(scan(connection))
    secured.control.expire_sessions()
    check_all(scan(connection))
    dataset = AerospikeDataset(
        connection,
        "test.bench",
        options=ScanOptions(records_per_second=15_000, partitions_per_request=64, batch_rows=1_024),
    )
    ids = []
    for i, batch in enumerate(dataset.to_batches(columns=["id"])):
        ids.append(batch["id"].to_numpy())
        if i == 2:
            secured.control.expire_sessions()
            # Sockets are cut, so new ones must be opened, with the tokens that have expired.
            secured.control.cut("*", 2_000, times=2)
    secured.control.heal()
    assert np.array_equal(np.sort(np.concatenate(ids)), np.arange(N))


def test_a_token_shorter_than_its_margin_means_a_login_each_time() -> None:
    server = DevServer(namespaces=("test",), users={"ann": PASSWORD}, session_ttl_s=1, synthetic=500)
    with server, connect(server.address, user="ann", password=PASSWORD) as connection:
        for _ in range(3):
            assert AerospikeDataset(connection, "test.bench").count_rows() == 500
            time.sleep(0.6)


def test_a_node_that_restarts_lets_the_scan_in_again(secured: DevServer, entered: Callable[..., Connection]) -> None:
    dataset = AerospikeDataset(
        entered(),
        "test.bench",
        options=ScanOptions(records_per_second=15_000, partitions_per_request=64, batch_rows=1_024),
    )
    ids = []
    for i, batch in enumerate(dataset.to_batches(columns=["id"])):
        ids.append(batch["id"].to_numpy())
        if i == 2:
            secured.control.stop_node(1)
            secured.control.start_node(1)
    assert np.array_equal(np.sort(np.concatenate(ids)), np.arange(N))


def test_sockets_are_encrypted_and_wake_when_a_scan_is_stopped(entered: Callable[..., Connection]) -> None:
    connection = entered()
    (node, *_) = connection.nodes()
    with connection.open_socket(node) as opened:
        assert opened.version() == "TLSv1.3"
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    dataset = AerospikeDataset(connection, "test.bench", options=ScanOptions(records_per_second=5_000, batch_rows=256))
    batches = dataset.to_batches()
    next(batches)
    started = time.monotonic()
    (running,) = dataset.scans
    running.cancel()
    with pytest.raises(AerospikeMagicError):
        list(batches)
    assert time.monotonic() - started < 3


# What does not: one line each

REFUSALS = {
    "wrong password": ({"password": "n0t-it"}, "user 'ann' was refused: the password is wrong", "check user"),
    "unknown user": ({"user": "nobody"}, "user 'nobody' was refused: there is no such user", "check user"),
    "no user": ({"user": None, "password": None}, "refused: the server wants a login", "give user="),
    "external user": ({"auth": "external"}, "the server knows no external users", "auth='internal'"),
    "unknown authority": ({"tls_cafile": "other-ca.pem"}, "no authority that we trust has signed", "tls_cafile"),
    "wrong name": ({"tls_name": "other.test"}, "is not for the name 'other.test'", "tls_name is"),
    "no name": ({"tls_name": None}, "is not for the name '127.0.0.1'|not for the name", "tls_name is"),
    "no certificate": (
        {"tls_certfile": None, "tls_keyfile": None},
        "the server wants a client certificate",
        "give tls_certfile",
    ),
    "certificate of another authority": (
        {"tls_certfile": "eve.pem", "tls_keyfile": "eve.key"},
        "the server does not trust the authority of our client certificate",
        "check tls_certfile",
    ),
    "another certificate's key": (
        {"tls_keyfile": "eve.key"},
        "ann.pem and the key in .*eve.key cannot be used together",
        "tls_keyfile_password",
    ),
    "a certificate without its key": ({"tls_keyfile": None}, "cannot be used together", "is it the certificate's key"),
    "authorities that are none": ({"tls_cafile": "ann.key"}, "ann.key holds no certificate", "authorities"),
    "no TLS": (
        {"tls_name": None, "tls_cafile": None, "tls_certfile": None, "tls_keyfile": None},
        "it speaks TLS",
        "tls=True",
    ),
}


def is_one_line(error: AerospikeMagicError, *secrets: str) -> None:
    text = str(error)
    assert "\n" not in text and "Traceback" not in text and ".c'" not in text
    assert error.hint
    for secret in (PASSWORD, "$2a$", *secrets):
        assert secret not in text and secret not in repr(error)


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_refused_is_said_in_one_line(secured: DevServer, authority: Path, case: str) -> None:
    changed, words, hint = REFUSALS[case]
    changed = {
        name: str(authority / value) if isinstance(value, str) and value.endswith((".pem", ".key")) else value
        for name, value in changed.items()
    }
    if case == "no name":
        # The address is among the certificate's names, but the official client looks at names only.
        changed["tls_name"] = secured.host + ".test"
    with pytest.raises(ConnectError, match=words) as caught:
        connect(secured.address, connect_timeout_s=3, **given(authority, **changed))
    assert hint in caught.value.hint
    is_one_line(caught.value, "n0t-it")


@pytest.mark.parametrize("case", ["unknown authority", "wrong name", "no certificate", "wrong password"])
def test_the_scans_own_sockets_say_the_same(
    secured: DevServer, authority: Path, entered: Callable[..., Connection], case: str
) -> None:
    from dataclasses import replace

    from aerospike_magic.connection.sockets import SocketOpener

    changed, words, _ = REFUSALS[case]
    connection = entered()
    (node, *_) = connection.nodes()
    if "tls_name" in changed:
        node = replace(node, tls_name=changed["tls_name"])
    if "tls_cafile" in changed:
        changed = {"tls_cafile": str(authority / changed["tls_cafile"])}
    opener = SocketOpener(replace(connection.settings, **changed))
    with pytest.raises(ConnectError, match=words) as caught:
        opener.open(node)
    is_one_line(caught.value)
    assert caught.value.is_lasting and caught.value.node == str(node)


def test_tls_to_a_server_in_clear_is_said_in_one_line(clear: DevServer, authority: Path) -> None:
    with pytest.raises(ConnectError, match=r"^TLS with .* failed: the server .*TLS there") as caught:
        connect(clear.address, connect_timeout_s=3, **given(authority, user=None, password=None))
    is_one_line(caught.value)


def test_a_login_to_a_server_without_security_is_said_in_one_line(clear: DevServer) -> None:
    with pytest.raises(ConnectError, match="does not support security") as caught:
        connect(clear.address, user="ann", password=PASSWORD)
    is_one_line(caught.value)


def test_an_expired_token_that_cannot_be_renewed_ends_the_scan_at_once(
    secured: DevServer, entered: Callable[..., Connection]
) -> None:
    root = entered().client
    root.admin_create_user("temp", PASSWORD, ["read"])
    try:
        connection = entered(user="temp")
        scan(connection)
        root.admin_set_password("temp", "changed")
        secured.control.expire_sessions()
        started = time.monotonic()
        with pytest.raises(ConnectError, match="user 'temp' was refused: the password is wrong") as caught:
            scan(connection)
        assert time.monotonic() - started < 5
        is_one_line(caught.value)
    finally:
        with_session(lambda: root.admin_drop_user("temp"))


def test_a_user_who_is_dropped_is_told_in_one_line(entered: Callable[..., Connection]) -> None:
    root = entered().client
    root.admin_create_user("gone", PASSWORD, ["read"])
    connection = entered(user="gone")
    scan(connection)
    root.admin_drop_user("gone")
    for ask in (lambda: connection.sets("test"), lambda: scan(connection)):
        with pytest.raises(
            ConnectError, match="user 'gone' was refused: (there is no such user|.* not know it any more)"
        ) as caught:
            ask()
        is_one_line(caught.value)


def test_a_user_who_may_not_read_is_told_in_one_line(entered: Callable[..., Connection]) -> None:
    connection = entered(user="writer")
    with pytest.raises(ServerError, match="role") as caught:
        connection.schema("test.bench")
    assert caught.value.code == 81
    assert "\n" not in str(caught.value)


def test_no_repr_tells_a_secret(entered: Callable[..., Connection]) -> None:
    connection = entered()
    shown = f"{connection!r} {connection.settings!r} {connection._sockets!r}"
    assert PASSWORD not in shown
