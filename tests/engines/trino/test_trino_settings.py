"""How a server is named, and what is said of one that does not answer as it should."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aerospike_magic.engines.trino.client import RunningStatement, ask
from aerospike_magic.engines.trino.endpoint import TrinoServer
from aerospike_magic.engines.trino.flavor import PRESTO, TRINO
from aerospike_magic.engines.trino.settings import is_named, resolve_server
from aerospike_magic.errors import ConfigError, ConnectError


def resolve(address=None, environ=None, **given):
    return resolve_server(address, given, TRINO, environ or {})


def test_an_address():
    found = resolve("trino.example.com:8443", user="ada", catalog="as", scheme="https")
    assert (found.host, found.port, found.user, found.catalog) == ("trino.example.com", 8443, "ada", "as")
    assert found.url == "https://trino.example.com:8443"
    assert resolve("t").url == "http://t:8080"
    assert resolve("t", scheme="https").url == "https://t:443"
    assert resolve("[::1]:9000").url == "http://[::1]:9000"
    assert resolve("t:443").url_scheme == "https"


def test_the_environment():
    environ = {"TRINO_HOST": "a", "TRINO_PORT": "8081", "TRINO_USER": "bob", "TRINO_CATALOG": "c", "PRESTO_HOST": "p"}
    found = resolve(environ=environ)
    assert (found.address, found.user, found.catalog) == ("a:8081", "bob", "c")
    assert resolve("b", environ=environ, user="eve").address == "b:8080"
    assert resolve_server(None, {}, PRESTO, environ).address == "p:8080"
    assert is_named(TRINO, environ) and not is_named(TRINO, {})


def test_secrets_are_shown_nowhere_and_go_over_https_only():
    environ = {"TRINO_HOST": "t", "TRINO_PASSWORD": "hunter2"}
    found = resolve(environ=environ)
    assert found.url == "https://t:443"
    assert "hunter2" not in repr(found)
    assert "secret.jwt" not in repr(resolve("t", token="secret.jwt"))
    with pytest.raises(ConfigError, match="plain HTTP") as raised:
        resolve("t:8080", environ={"TRINO_PASSWORD": "hunter2"}, scheme="http")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "given", "words"),
    [
        (None, {}, "no Trino is named"),
        ("https://t:1", {}, "is a URL"),
        ("t:x", {}, "no port"),
        ("t:70000", {}, "no port"),
        (":80", {}, "no host"),
        ("t", {"scheme": "ftp"}, "neither http"),
        ("t", {"cafile": "/no/such.pem"}, "no file"),
        ("t", {"colour": "red"}, "no setting colour"),
    ],
)
def test_what_makes_no_sense(address, given, words):
    with pytest.raises(ConfigError, match=words):
        resolve(address, **given)


def test_headers_are_the_flavors():
    for flavor, prefix in ((TRINO, "X-Trino-"), (PRESTO, "X-Presto-")):
        server = TrinoServer("127.0.0.1", user="ada", flavor=flavor, session={"a": "b c"})
        with server.open_session() as session:
            assert session.headers[prefix + "User"] == "ada"
            assert session.headers[prefix + "Session"] == "a=b%20c"
            assert not session.trust_env


def test_ways_to_log_in():
    pytest.importorskip("trino")
    with TrinoServer("t", 443, user="ada", password="p").open_session() as session:
        assert session.auth.username == "ada"
    with TrinoServer("t", 443, token="abc").open_session() as session:
        assert session.auth.token == "abc"
    with TrinoServer("t", 443, certificate="/c.pem", key="/k.pem").open_session() as session:
        assert session.cert == ("/c.pem", "/k.pem")


class _Answers(BaseHTTPRequestHandler):
    """A server on the port of a Trino, which is none, or one that is not well."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        code, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def answering():
    """Make a server that answers statements in a given way."""
    running = []

    def start(*answers):
        made = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
        made.answers = list(answers)
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running.append(made)
        return TrinoServer("127.0.0.1", made.server_port, timeout_s=1.0)

    yield start
    for made in running:
        made.shutdown()
        made.server_close()


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (401, b"Unauthorized", "refused the login of aerospike-magic"),
        (403, b"", "refused the login"),
        (404, b"<html>", "HTTP 404"),
        (200, b"<html>", "is not Trino"),
        (200, b"[]", "is not Trino"),
    ],
)
def test_answers_that_are_none(answering, code, body, words):
    with pytest.raises(ConnectError, match=words) as raised:
        ask(answering((code, body)), "SELECT 1")
    assert raised.value.is_lasting == (code in (401, 403))


def test_a_busy_server_is_asked_again(answering):
    assert ask(answering((503, b""), (502, b""), (200, b'{"id": "x", "stats": {}}')), "SELECT 1") == []


def test_nothing_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConnectError, match="not answered within"):
            ask(TrinoServer("127.0.0.1", port, timeout_s=0.3), "SELECT 1")
        with pytest.raises(ConnectError):
            ask(TrinoServer("127.0.0.1", port, scheme="https", timeout_s=0.3), "SELECT 1")
    with pytest.raises(ConnectError, match="nothing answers at 127"):
        ask(TrinoServer("127.0.0.1", port), "SELECT 1")
    with pytest.raises(ConnectError, match="no host"):
        ask(TrinoServer("no-such-host.invalid"), "SELECT 1")


def test_plain_http_is_no_tls(answering):
    server = answering((200, b"{}"))
    with pytest.raises(ConnectError, match="does not speak TLS"):
        ask(TrinoServer(server.host, server.port, scheme="https"), "SELECT 1")


def test_a_statement_that_is_never_answered_can_be_stopped():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        statement = RunningStatement(TrinoServer("127.0.0.1", taken.getsockname()[1], timeout_s=0.5), "SELECT 1")
        started = time.monotonic()
        statement.stop()
        assert time.monotonic() - started < 0.5
        assert statement.wait_columns(5.0)
