"""Logins, sessions and roles: what comes in, what it may do, and the codes by which the rest is refused."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aerospike
import pytest
from aerospike_helpers.batch import records as batch
from aerospike_helpers.operations import operations
from raw_client import connected, read_frames

from aerospike_magic.devserver import DevServer
from aerospike_magic.devserver.accounts import PASSWORD_VARIABLE, Account, load_users
from aerospike_magic.devserver.permissions import ROLES
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.info import encode_info_request
from aerospike_magic.wire.login import (
    LoginResponse,
    decode_login_response,
    encode_authenticate_request,
    encode_login_request,
    encode_pki_login_request,
    encode_security_message,
    hash_password,
)
from aerospike_magic.wire.message import Field, FieldType, Message, decode_message, encode_message
from aerospike_magic.wire.proto import ProtoType, encode_proto
from aerospike_magic.wire.query import encode_query_request

PASSWORD = "s3cret-Passw0rd"
USERS = {
    "root": PASSWORD,
    **{role: (PASSWORD, role) for role in ROLES},
    "both": (PASSWORD, "read,sindex-admin"),
}


@pytest.fixture(scope="module")
def secured() -> Iterator[DevServer]:
    with DevServer(namespaces=("test",), users=USERS, synthetic=100) as running:
        yield running


@pytest.fixture
def log_in(secured: DevServer) -> Iterator[Any]:
    opened: list[Any] = []

    def log_in(user: str = "root", password: str = PASSWORD, **config: Any) -> Any:
        hosts = [(secured.host, secured.port)]
        client = aerospike.client({"hosts": hosts, "user": user, "password": password, **config})
        opened.append(client)
        return client

    yield log_in
    for client in opened:
        client.close()


def ask(opened: socket.socket, request: bytes) -> Any:
    opened.sendall(request)
    return next(read_frames(opened))


def log(opened: socket.socket, request: bytes) -> LoginResponse:
    frame = ask(opened, request)
    assert frame.type is ProtoType.SECURITY
    return decode_login_response(frame.body)


def code_of(call: Any) -> int:
    try:
        call()
    except aerospike.exception.AerospikeError as error:
        return error.code
    return 0


# Who is not logged in


def test_info_before_a_login_is_refused_whatever_is_asked(secured: DevServer) -> None:
    with connected(secured) as opened:
        assert ask(opened, encode_info_request(["build", "node"])).body == b"ERROR:80:not authenticated\n"


def record_read() -> bytes:
    fields = (Field(FieldType.NAMESPACE, b"test"), Field(FieldType.SET, b"bench"), Field(FieldType.DIGEST, bytes(20)))
    return encode_proto(ProtoType.MESSAGE, encode_message(Message(info1=3, fields=fields)))


@pytest.mark.parametrize(
    "request_",
    [
        record_read(),
        encode_query_request("test", "bench", partitions=[0], task_id=1),
        encode_proto(ProtoType.MESSAGE, encode_message(Message(info1=9, fields=(Field(FieldType.BATCH, bytes(5)),)))),
    ],
    ids=["record", "query", "batch"],
)
def test_data_before_a_login_is_refused(secured: DevServer, request_: bytes) -> None:
    with connected(secured) as opened:
        assert decode_message(ask(opened, request_).body)[0].result_code == 80


def test_orders_about_users_before_a_login_are_refused(secured: DevServer) -> None:
    with connected(secured) as opened:
        assert log(opened, encode_security_message(9, 0, [])).result_code == 80


def test_official_clients_without_a_user_are_refused(secured: DevServer) -> None:
    with pytest.raises(aerospike.exception.NotAuthenticated):
        aerospike.client({"hosts": [(secured.host, secured.port)]})


# Logins


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (encode_login_request("root", hash_password(PASSWORD)), 0),
        (encode_login_request("root", hash_password("wrong")), 65),
        (encode_login_request("root", b""), 65),
        (encode_login_request("nobody", hash_password(PASSWORD)), 60),
        (encode_login_request("root", hash_password(PASSWORD), clear_password=PASSWORD), 90),
        (encode_pki_login_request(), 65),
        (encode_authenticate_request("root", b"made up"), 66),
        (encode_security_message(20, 0, [])[:8] + b"\x01" + encode_security_message(20, 0, [])[9:], 53),
        (encode_proto(ProtoType.SECURITY, b"short"), 55),
        (encode_security_message(20, 0, [Field(0, b"\xff")]), 55),
    ],
    ids=["good", "password", "empty", "user", "ldap", "pki", "token", "scheme", "short", "utf8"],
)
def test_a_login_is_answered_with_the_real_code(secured: DevServer, request_: bytes, code: int) -> None:
    with connected(secured) as opened:
        answer = log(opened, request_)
        assert answer.result_code == code
        assert bool(answer.session_token) == (code == 0)
        # A refused one leaves the connection open, and nobody on it.
        assert (b"80" in ask(opened, encode_info_request(["node"])).body) == (code != 0)


def test_a_session_token_lets_further_connections_in(secured: DevServer) -> None:
    with connected(secured) as first, connected(secured) as second, connected(secured) as third:
        answer = log(first, encode_login_request("root", hash_password(PASSWORD)))
        assert (len(answer.session_token), answer.ttl_s) == (32, 86_400)
        assert log(second, encode_authenticate_request("root", answer.session_token)).is_accepted
        assert ask(second, encode_info_request(["node"])).body.startswith(b"node\tBB9")
        assert log(third, encode_authenticate_request("read", answer.session_token)).result_code == 65


def test_a_failed_login_ends_the_one_before(secured: DevServer) -> None:
    with connected(secured) as opened:
        assert log(opened, encode_login_request("root", hash_password(PASSWORD))).is_accepted
        assert log(opened, encode_login_request("root", hash_password("wrong"))).result_code == 65
        assert b"80" in ask(opened, encode_info_request(["node"])).body


def test_a_token_expires_and_the_connection_that_has_it_goes_on() -> None:
    started = DevServer(namespaces=("test",), users={"ann": PASSWORD}, session_ttl_s=1)
    with started as server, connected(server) as first:
        answer = log(first, encode_login_request("ann", hash_password(PASSWORD)))
        assert answer.ttl_s == 1
        time.sleep(1.1)
        with connected(server) as second:
            assert log(second, encode_authenticate_request("ann", answer.session_token)).result_code == 66
            assert b"node\t" in ask(first, encode_info_request(["node"])).body
            assert log(second, encode_login_request("ann", hash_password(PASSWORD))).is_accepted


def test_the_official_client_logs_in_again_when_its_token_has_expired() -> None:
    with DevServer(namespaces=("test",), users={"ann": PASSWORD}) as server:
        config = {"hosts": [(server.host, server.port)], "user": "ann", "password": PASSWORD, "max_socket_idle": 1}
        client = aerospike.client(config)
        client.put(("test", "a", 1), {"x": 1})
        server.control.expire_sessions()
        # Its pooled sockets are idle by now; a new one shows the expired token, is refused, and a login follows.
        time.sleep(1.5)
        deadline = time.monotonic() + 10
        while (code := code_of(lambda: client.get(("test", "a", 1)))) and time.monotonic() < deadline:
            assert code == 66
            time.sleep(0.2)
        assert client.get(("test", "a", 1))[2] == {"x": 1}
        client.close()


@pytest.mark.parametrize(
    ("user", "password", "error"),
    [("root", "wrong", "InvalidCredential"), ("nobody", PASSWORD, "InvalidUser")],
)
def test_the_official_client_tells_wrong_logins_apart(log_in: Any, user: str, password: str, error: str) -> None:
    with pytest.raises(getattr(aerospike.exception, error)):
        log_in(user, password)


# Roles

READS = {"read", "read-write", "read-write-udf"}
WRITES = {"write", "read-write", "read-write-udf"}
TRUNCATES = {"truncate", "data-admin", "sys-admin"}
INDEXES = {"sindex-admin", "data-admin", "sys-admin"}
KEY = ("test", "roles", 1)


def run_query(client: Any) -> None:
    client.query("test", "bench").results()


def run_background(client: Any) -> None:
    query = client.query("test", "roles")
    query.add_ops([operations.write("y", 1)])
    query.execute_background()


CALLS = {
    "put": (lambda client: client.put(KEY, {"x": 1}), WRITES),
    "get": (lambda client: client.get(KEY), READS),
    "exists": (lambda client: client.exists(KEY), READS),
    "write and read": (
        lambda client: client.operate(KEY, [operations.write("x", 2), operations.read("x")]),
        READS & WRITES,
    ),
    "query": (run_query, READS),
    "background query": (run_background, WRITES),
    "create index": (
        lambda client: client.index_single_value_create("test", "bench", "id", aerospike.INDEX_NUMERIC, "by_id"),
        INDEXES,
    ),
    "drop index": (lambda client: client.index_remove("test", "by_id"), INDEXES),
    "abort": (
        lambda client: client.info_all("query-abort-all:"),
        {*TRUNCATES, *INDEXES} - {"truncate", "sindex-admin"},
    ),
    "truncate": (lambda client: client.truncate("test", "nothing", 0), TRUNCATES),
    "users": (lambda client: client.admin_query_users_info(), {"user-admin"}),
    "roles": (lambda client: client.admin_get_roles(), {"user-admin"}),
    "oneself": (lambda client: None, set(ROLES)),
    "sets": (lambda client: client.info_all("sets"), set(ROLES)),
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_this_and_nothing_else(log_in: Any, role: str) -> None:
    log_in("root").put(KEY, {"x": 1})
    client = log_in(role)
    found = {name: code_of(lambda call=call: call(client)) for name, (call, _) in CALLS.items()}
    assert found == {name: 0 if role in roles else 81 for name, (_, roles) in CALLS.items()}
    assert client.admin_query_user_info(role)["roles"] == [role]


def test_roles_add_up(log_in: Any) -> None:
    client = log_in("both")
    assert code_of(lambda: client.get(KEY)) in (0, 2)
    assert code_of(lambda: client.put(KEY, {"x": 1})) == 81
    client.index_single_value_create("test", "bench", "name", aerospike.INDEX_STRING, "by_name")
    client.index_remove("test", "by_name")


def test_without_roles_a_user_may_do_everything(log_in: Any) -> None:
    client = log_in("root")
    for name, (call, _) in CALLS.items():
        assert code_of(lambda call=call: call(client)) == 0, name


def test_a_batch_is_refused_row_by_row(log_in: Any) -> None:
    log_in("root").put(KEY, {"x": 1})
    rows = [
        batch.Read(KEY, None, read_all_bins=True),
        batch.Write(("test", "roles", 2), [operations.write("x", 2)]),
        batch.Remove(KEY),
    ]
    done = log_in("read").batch_write(batch.BatchRecords(rows))
    assert [row.result for row in done.batch_records] == [0, 81, 81]
    done = log_in("write").batch_write(batch.BatchRecords(rows))
    assert [row.result for row in done.batch_records] == [81, 0, 0]


def test_a_plain_batch_of_writes_is_refused_too(log_in: Any) -> None:
    rows = [batch.Write(("test", "plain", i), [operations.write("x", i)]) for i in range(50)]
    done = log_in("read").batch_write(batch.BatchRecords(rows))
    assert {row.result for row in done.batch_records} == {81}
    assert log_in("root").query("test", "plain").results() == []
    done = log_in("write").batch_write(batch.BatchRecords(rows))
    assert {row.result for row in done.batch_records} == {0}


# Users


def test_users_are_made_changed_and_dropped(log_in: Any) -> None:
    root = log_in("root")
    root.admin_create_user("ann", "first", ["read"])
    assert code_of(lambda: root.admin_create_user("ann", "again", ["read"])) == 61
    assert code_of(lambda: root.admin_create_user("bob", "x", ["king"])) == 70
    ann = log_in("ann", "first")
    assert code_of(lambda: ann.put(KEY, {"x": 1})) == 81
    root.admin_grant_roles("ann", ["write", "truncate"])
    ann.put(KEY, {"x": 1})
    assert root.admin_query_user_info("ann")["roles"] == ["read", "truncate", "write"]
    root.admin_revoke_roles("ann", ["write"])
    assert code_of(lambda: ann.put(KEY, {"x": 1})) == 81
    assert code_of(lambda: root.admin_grant_roles("nobody", ["read"])) == 60
    ann.admin_change_password("ann", "second")
    assert code_of(lambda: log_in("ann", "first")) == 65
    log_in("ann", "second")
    root.admin_set_password("ann", "third")
    log_in("ann", "third")
    assert code_of(lambda: ann.admin_change_password("read", "mine")) == 81
    assert code_of(lambda: ann.admin_query_user_info("read")) == 81
    root.admin_drop_user("ann")
    # 80 on a connection that was in, 60 on a new one.
    assert code_of(lambda: ann.get(KEY)) in (60, 80)
    assert code_of(lambda: root.admin_drop_user("ann")) == 60
    assert code_of(lambda: root.admin_query_user_info("ann")) == 60


def test_the_roles_are_listed(log_in: Any) -> None:
    root = log_in("root")
    assert set(root.admin_get_roles()) == set(ROLES)
    assert root.admin_get_role("read-write")["privileges"] == [{"code": aerospike.PRIV_READ_WRITE, "ns": "", "set": ""}]
    assert code_of(lambda: root.admin_get_role("king")) == 70


def test_roles_of_ones_own_are_not_supported(log_in: Any) -> None:
    root = log_in("root")
    assert code_of(lambda: root.admin_create_role("mine", [{"code": aerospike.PRIV_READ}])) == 54


def test_an_old_password_must_be_right(secured: DevServer) -> None:
    with connected(secured) as opened:
        log(opened, encode_login_request("root", hash_password(PASSWORD)))
        fields = [Field(0, b"root"), Field(2, hash_password("wrong")), Field(1, hash_password("new"))]
        assert log(opened, encode_security_message(4, 0, fields)).result_code == 62


@pytest.mark.parametrize(
    ("command", "fields", "code"),
    [
        (99, [], 54),
        (1, [], 60),
        (1, [Field(0, b"x" * 64), Field(1, b"h"), Field(10, b"\x00")], 60),
        (1, [Field(0, b"carl"), Field(10, b"\x00")], 62),
        (1, [Field(0, b"carl"), Field(1, b"h"), Field(10, b"\x02\x04read")], 55),
        (5, [Field(0, b"root"), Field(10, b"\x01\x04reed")], 70),
    ],
)  # fmt: skip
def test_orders_that_make_no_sense_are_refused(secured: DevServer, command: int, fields: Any, code: int) -> None:
    with connected(secured) as opened:
        log(opened, encode_login_request("root", hash_password(PASSWORD)))
        assert log(opened, encode_security_message(command, 0, fields)).result_code == code


# A cluster


def test_a_cluster_has_one_list_of_users_and_each_node_its_own_tokens() -> None:
    with DevServer(namespaces=("test",), nodes=3, users={"root": PASSWORD}) as server:
        first, second = (socket.create_connection((server.host, port), timeout=20) for port in server.ports[:2])
        with first, second:
            token = log(first, encode_login_request("root", hash_password(PASSWORD))).session_token
            assert log(second, encode_authenticate_request("root", token)).result_code == 66
        client = aerospike.client({"hosts": [(server.host, server.port)], "user": "root", "password": PASSWORD})
        assert len(client.get_node_names()) == 3
        client.admin_create_user("ann", PASSWORD, ["read-write"])
        ann = aerospike.client({"hosts": [(server.host, server.ports[2])], "user": "ann", "password": PASSWORD})
        for i in range(100):
            ann.put(("test", "c", i), {"i": i})
        assert sorted(r[2]["i"] for r in ann.query("test", "c").results()) == list(range(100))
        server.control.stop_node(1)
        server.control.start_node(1)
        # The node's tokens are gone with it: the client is refused once, and logs in again at its next look around.
        deadline = time.monotonic() + 15
        while any(code_of(lambda i=i: ann.get(("test", "c", i))) for i in range(100)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert all(ann.get(("test", "c", i))[2] == {"i": i} for i in range(100))
        client.close()
        ann.close()


# How it is started


def run_server(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PASSWORD_VARIABLE)}
    return subprocess.run(
        [sys.executable, "-m", "aerospike_magic.devserver", "--port", "0", *arguments],
        env=clean | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        (["--user", "ann"], {}, f"user 'ann' has no password · set {PASSWORD_VARIABLE}_ANN, or {PASSWORD_VARIABLE}"),
        (["--user", "ann:king"], {}, "user 'ann': there is no role 'king' · roles: user-admin, sys-admin"),
        (["--user", "a b"], {}, "'a b' cannot be a user"),
        (["--user", "ann", "--user", "ann:read"], {PASSWORD_VARIABLE: "x"}, "user 'ann' is given twice"),
        (["--user", "ann", "--control"], {PASSWORD_VARIABLE: "x"}, "--control cannot be had together with users"),
        (["--tls-keyfile", "x.pem"], {}, "TLS needs a certificate · give --tls-certfile"),
        (["--tls-certfile", "/nowhere.pem"], {}, "cannot use /nowhere.pem with /nowhere.pem for TLS: no such file"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(
    arguments: list[str], environment: dict[str, str], line: str
) -> None:
    done = run_server(*arguments, **environment)
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"aerospike-magic server: {line}")


def test_the_password_is_asked_for_on_a_terminal() -> None:
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PASSWORD_VARIABLE)}
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from aerospike_magic.cli import main; sys.exit(main())", "server",
         "--port", "0", "--user", "ann"],
        stdin=its, stdout=subprocess.PIPE, stderr=its, start_new_session=True, env=environment, text=True,
    )  # fmt: skip
    try:
        os.close(its)
        shown = b""
        while b"Password of ann: " not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, PASSWORD.encode() + b"\n")
        assert process.stdout is not None
        _, host, port = process.stdout.readline().split()
        client = aerospike.client({"hosts": [(host, int(port))], "user": "ann", "password": PASSWORD})
        client.close()
        assert PASSWORD.encode() not in shown
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
        os.close(ours)


def test_each_user_may_have_a_password_of_their_own() -> None:
    environ = {PASSWORD_VARIABLE: "all", f"{PASSWORD_VARIABLE}_ANN_B": "one", "PATH": "x"}
    users = load_users([Account.parse("ann.b"), Account.parse("carl:read")], environ)
    ann, carl = users.get("ann.b"), users.get("carl")
    assert ann is not None and ann.has_credential(hash_password("one"))
    assert carl is not None and carl.has_credential(hash_password("all"))
    assert environ == {"PATH": "x"}
    assert "one" not in repr(ann) and "$2a$" not in repr(ann)


@pytest.mark.parametrize(
    ("users", "words"),
    [
        ({"a-b": "x", "a.b": "y"}, "too like another"),
        ({"ann": ("x", "king")}, "no role 'king'"),
        ({"ann": ""}, "has no password"),
        ({"a:read": "x"}, "cannot be a user"),
    ],
)
def test_users_that_cannot_be_are_refused_before_anything_starts(users: Any, words: str) -> None:
    with pytest.raises(DevServerError, match=words):
        DevServer(users=users)


def test_no_password_is_on_the_command_line_in_a_repr_or_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    with DevServer(namespaces=("test",), users={"ann": PASSWORD}) as server:
        with contextlib.suppress(aerospike.exception.AerospikeError):
            aerospike.client({"hosts": [(server.host, server.port)], "user": "ann", "password": PASSWORD + "x"})
        with connected(server) as opened:
            ask(opened, encode_login_request("ann", b"not a hash"))
        assert PASSWORD.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert PASSWORD not in repr(server)
    out, err = capfd.readouterr()
    assert PASSWORD not in out + err and "$2a$" not in out + err


def test_a_server_without_users_still_answers_as_a_community_edition_does() -> None:
    with DevServer(namespaces=("test",)) as server, connected(server) as opened:
        assert log(opened, encode_login_request("ann", hash_password("x"))).result_code == 51
