"""Our own sockets: login, session tokens, TLS, against a small node of the test's own."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from aerospike_magic.connection.cluster import Node
from aerospike_magic.connection.settings import resolve_settings
from aerospike_magic.connection.sockets import SocketOpener
from aerospike_magic.errors import ConnectError, WireError
from aerospike_magic.wire.login import LoginCommand, decode_login_request, encode_login_response, hash_password
from aerospike_magic.wire.proto import HEADER_SIZE, ProtoType, decode_header, encode_proto
from aerospike_magic.wire.result import ResultCode

PASSWORD = "s3cret"


@dataclass
class FakeNode:
    """Answers logins like a node; everything it was asked is in `requests`."""

    context: ssl.SSLContext | None = None
    ttl_s: int = 3600
    login_code: int = 0
    authenticate_code: int = 0
    raw_answer: bytes | None = None
    requests: list = field(default_factory=list)

    def __post_init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.node = Node("BB9", "127.0.0.1", self._listener.getsockname()[1], "node.test" if self.context else None)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self):
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            with suppress(OSError), raw:
                raw.settimeout(5)
                sock = self.context.wrap_socket(raw, server_side=True) if self.context else raw
                with sock:
                    self._answer(sock)

    def _answer(self, sock):
        while header := sock.recv(HEADER_SIZE):
            _, size = decode_header(header)
            request = decode_login_request(sock.recv(size))
            self.requests.append(request)
            if self.raw_answer is not None:
                sock.sendall(self.raw_answer)
            elif request.command is LoginCommand.LOGIN:
                sock.sendall(encode_login_response(self.login_code, session_token=b"tok", ttl_s=self.ttl_s))
            else:
                sock.sendall(encode_login_response(self.authenticate_code))


@pytest.fixture
def start():
    running = []

    def start_node(**given):
        node = FakeNode(**given)
        running.append(node)
        return node

    yield start_node
    for node in running:
        node.close()


def opener(**given):
    if "user" in given:
        given.setdefault("password", PASSWORD)
    return SocketOpener(resolve_settings("h:1", environ={"XDG_CONFIG_HOME": "/nonexistent"}, **given))


def test_without_a_user_there_is_no_login(start):
    node = start()
    with opener().open(node.node, 1.5) as sock:
        assert sock.gettimeout() == 1.5
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert node.requests == []


def test_one_login_and_then_the_session_token(start):
    node = start()
    sockets = opener(user="ann")
    for _ in range(3):
        sockets.open(node.node).close()
    assert [r.command for r in node.requests] == [
        LoginCommand.LOGIN, LoginCommand.AUTHENTICATE, LoginCommand.AUTHENTICATE
    ]  # fmt: skip
    assert (node.requests[0].user, node.requests[0].credential) == ("ann", hash_password(PASSWORD))
    assert node.requests[0].clear_password is None
    assert node.requests[2].session_token == b"tok"


def test_a_token_near_its_end_is_not_used_again(start):
    node = start(ttl_s=30)
    sockets = opener(user="ann")
    sockets.open(node.node).close()
    sockets.open(node.node).close()
    assert [r.command for r in node.requests] == [LoginCommand.LOGIN, LoginCommand.LOGIN]


def test_a_token_that_the_node_refuses_is_followed_by_a_login(start):
    node = start(authenticate_code=ResultCode.EXPIRED_SESSION)
    sockets = opener(user="ann")
    sockets.open(node.node).close()
    sockets.open(node.node).close()
    assert [r.command for r in node.requests] == [
        LoginCommand.LOGIN, LoginCommand.AUTHENTICATE, LoginCommand.LOGIN
    ]  # fmt: skip


def test_a_server_without_security_lets_in(start):
    opener(user="ann").open(start(login_code=ResultCode.SECURITY_NOT_ENABLED).node).close()


@pytest.mark.parametrize(("code", "words"), [(60, "no such user"), (62, "password is wrong"), (65, "credential")])
def test_a_refused_login_says_why_and_no_secret(start, code, words):
    node = start(login_code=code)
    with pytest.raises(ConnectError, match=words) as caught:
        opener(user="ann").open(node.node)
    assert PASSWORD not in str(caught.value)
    assert "'ann'" in str(caught.value)
    assert caught.value.node == str(node.node)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad", encode_proto(ProtoType.INFO, b"build\tx\n"), encode_proto(ProtoType.SECURITY, b"")],
)  # fmt: skip
def test_an_answer_that_is_no_login_is_refused(start, answer):
    with pytest.raises(WireError):
        opener(user="ann").open(start(raw_answer=answer).node)


def test_a_node_that_hangs_up_or_is_silent_is_told(start):
    with pytest.raises(ConnectError, match="no answer in time"):
        opener(user="ann", connect_timeout_s=0.3).open(start(raw_answer=b"").node)


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectError, match="cannot be reached: connection refused"):
        opener().open(Node("BB9", "127.0.0.1", port))


# TLS


@pytest.fixture
def node_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "node.test.pem", authority / "node.test.key")
    return context


def test_tls_checks_the_name_in_the_certificate(start, authority, node_context):
    node = start(context=node_context)
    sockets = opener(tls_cafile=str(authority / "ca.pem"))
    with sockets.open(node.node) as sock:
        assert isinstance(sock, ssl.SSLSocket)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    wrong = Node("BB9", node.node.host, node.node.port, "other.test")
    with pytest.raises(ConnectError, match="tls_name"):
        sockets.open(wrong)


def test_tls_refuses_another_authority(start, authority, node_context):
    node = start(context=node_context)
    with pytest.raises(ConnectError, match="no authority that we trust"):
        opener(tls_cafile=str(authority / "other-ca.pem")).open(node.node)


def test_the_clear_password_goes_over_tls_for_external_authentication(start, authority, node_context):
    node = start(context=node_context)
    opener(user="ann", auth="external", tls_cafile=str(authority / "ca.pem")).open(node.node).close()
    assert node.requests[0].clear_password == PASSWORD


def test_pki_logs_in_with_the_certificate_alone(start, authority, node_context):
    node_context.load_verify_locations(authority / "ca.pem")
    node_context.verify_mode = ssl.CERT_REQUIRED
    node = start(context=node_context)
    sockets = opener(
        auth="pki", tls_cafile=str(authority / "ca.pem"), tls_certfile=str(authority / "ann.pem"),
        tls_keyfile=str(authority / "ann.key"),
    )  # fmt: skip
    sockets.open(node.node).close()
    sockets.open(node.node).close()
    assert [(r.command, r.user, r.credential) for r in node.requests] == [
        (LoginCommand.LOGIN, "", b""), (LoginCommand.AUTHENTICATE, "", b"")
    ]  # fmt: skip


def test_plain_text_to_a_tls_port_ends_in_time(start, node_context):
    node = start(context=node_context)
    started = time.monotonic()
    with pytest.raises((ConnectError, WireError)):
        opener(user="ann", connect_timeout_s=2).open(node.node)
    assert time.monotonic() - started < 8
