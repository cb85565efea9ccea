"""Sockets of our own to the nodes, with TLS and login done: what scans read from.

A session token is got by one LOGIN a node, and presented by every further socket until shortly before it
expires; if the node no longer takes it (restart, changed password), one more LOGIN follows. The clear
password, which external authentication needs, is only ever written to a socket that is encrypted.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from dataclasses import dataclass, field

from aerospike_magic.connection.cluster import Node
from aerospike_magic.connection.hosts import Host
from aerospike_magic.connection.refusals import login_refused, tls_failed, tls_file_unusable, tls_refused
from aerospike_magic.connection.settings import ConnectionSettings
from aerospike_magic.errors import ConnectError, WireError
from aerospike_magic.wire.login import (
    LoginResponse,
    decode_login_response,
    encode_authenticate_request,
    encode_login_request,
    encode_pki_login_request,
    hash_password,
)
from aerospike_magic.wire.proto import HEADER_SIZE, ProtoType, decode_header
from aerospike_magic.wire.result import ResultCode

# A security answer is a token and a number; anything larger is not one.
_MAX_ANSWER = 1 << 20
# The C client gives a token up this long before it expires (as_admin.c), so that none expires on its way.
_EXPIRY_MARGIN_S = 60.0
_REFUSAL_S = 0.5


@dataclass(frozen=True, slots=True)
class _Session:
    token: bytes = field(repr=False)
    expires_at: float

    @property
    def has_expired(self) -> bool:
        return time.monotonic() >= self.expires_at


class SocketOpener:
    """Opens sockets for one connection; safe to share between threads."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._credential: bytes | None = None
        self._sessions: dict[str, _Session] = {}

    def open(self, node: Node, timeout_s: float | None = None) -> socket.socket:
        """Open a socket to a node; see `Connection.open_socket`."""
        raw = self._connect(node)
        secured = raw
        try:
            secured = self._encrypt(raw, node)
            if self._settings.auth != "none":
                self._log_in(secured, node)
            secured.settimeout(self._settings.timeout_s if timeout_s is None else timeout_s)
            return secured
        except OSError as error:
            failure = self._failed_login(secured, node, error)
            secured.close()
            raise failure from error
        except BaseException:
            secured.close()
            raise

    def _failed_login(self, secured: socket.socket, node: Node, error: OSError) -> ConnectError:
        if isinstance(secured, ssl.SSLSocket):
            # With TLS 1.3 a server refuses our certificate, or its absence, after the handshake; what it said may
            # still be there to read when we already failed to write.
            try:
                secured.settimeout(_REFUSAL_S)
                secured.recv(1)
            except ssl.SSLError as refusal:
                error = refusal
            except OSError:
                pass
        if isinstance(error, ssl.SSLError):
            return tls_refused(self._settings, error, _tls_name(node), node=str(node))
        return ConnectError(f"the login failed: {_words(error)}", node=str(node))

    def check_tls(self, host: Host) -> None:
        """Shake hands with a seed, to find out why the official client could not.

        Raises:
            ConnectError: it cannot be reached, or TLS failed.
        """
        node = Node("seed", host.name, host.port, seed_tls_name(self._settings, host))
        with self._connect(node) as raw:
            try:
                with self._encrypt(raw, node) as secured:
                    # With TLS 1.3 a refusal comes after the handshake. To write would be to race with it.
                    secured.settimeout(_REFUSAL_S)
                    secured.recv(1)
            except ssl.SSLError as error:
                raise tls_refused(self._settings, error, _tls_name(node), node=str(node)) from error
            except OSError:
                # Whatever it is, it is not TLS.
                return

    def _connect(self, node: Node) -> socket.socket:
        try:
            raw = socket.create_connection((node.host, node.port), timeout=self._settings.connect_timeout_s)
        except OSError as error:
            raise ConnectError(
                f"the node cannot be reached: {_words(error)}",
                hint="its address is the one that the cluster gives; see services_alternate",
                node=str(node),
            ) from error
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return raw

    def _encrypt(self, raw: socket.socket, node: Node) -> socket.socket:
        if not self._settings.tls:
            return raw
        try:
            return self._tls_context().wrap_socket(raw, server_hostname=_tls_name(node))
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise tls_refused(self._settings, error, _tls_name(node), node=str(node)) from error
        except OSError as error:
            raise tls_failed(self._settings, _words(error), node=str(node)) from error

    def _tls_context(self) -> ssl.SSLContext:
        settings = self._settings
        with self._lock:
            if self._context is None:
                try:
                    context = ssl.create_default_context(cafile=settings.tls_cafile)
                except ssl.SSLError:
                    raise tls_file_unusable(settings, "tls_cafile") from None
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                if settings.tls_certfile:
                    password = settings.tls_keyfile_password
                    try:
                        # A password, even an empty one, keeps OpenSSL from asking for it on the terminal.
                        context.load_cert_chain(settings.tls_certfile, settings.tls_keyfile, password or "")
                    except ssl.SSLError:
                        raise tls_file_unusable(settings, "tls_certfile") from None
                self._context = context
            return self._context

    def _log_in(self, sock: socket.socket, node: Node) -> None:
        with self._lock:
            session = self._sessions.get(node.name)
        user = self._settings.user or ""
        if session is not None and not session.has_expired:
            answer = _ask(sock, encode_authenticate_request(user, session.token), node)
            if answer.is_accepted:
                return
        answer = _ask(sock, self._login_request(sock), node)
        if not answer.is_accepted:
            raise login_refused(self._settings, answer.result_code, node=str(node))
        if answer.result_code == ResultCode.SECURITY_NOT_ENABLED:
            return
        lifetime = (answer.ttl_s or 0) - _EXPIRY_MARGIN_S
        with self._lock:
            if answer.session_token and lifetime > 0:
                self._sessions[node.name] = _Session(answer.session_token, time.monotonic() + lifetime)
            else:
                self._sessions.pop(node.name, None)

    def _login_request(self, sock: socket.socket) -> bytes:
        settings = self._settings
        if settings.auth == "pki":
            return encode_pki_login_request()
        password = settings.password or ""
        if settings.auth == "internal":
            return encode_login_request(settings.user or "", self._hashed(password))
        if not isinstance(sock, ssl.SSLSocket):
            raise ConnectError("external authentication sends the password in clear and needs TLS", hint="tls=True")
        return encode_login_request(settings.user or "", self._hashed(password), clear_password=password)

    def _hashed(self, password: str) -> bytes:
        with self._lock:
            if self._credential is None:
                self._credential = hash_password(password)
            return self._credential


def seed_tls_name(settings: ConnectionSettings, host: Host) -> str:
    """The name that a seed's certificate must carry."""
    return host.tls_name or settings.tls_name or host.name


def _tls_name(node: Node) -> str:
    return node.tls_name or node.host


def _ask(sock: socket.socket, request: bytes, node: Node) -> LoginResponse:
    sock.sendall(request)
    kind, size = decode_header(_receive(sock, HEADER_SIZE, node), max_body_size=_MAX_ANSWER)
    if kind is not ProtoType.SECURITY:
        raise WireError(f"the answer to a login is of type {kind.name}", node=str(node))
    return decode_login_response(_receive(sock, size, node))


def _receive(sock: socket.socket, size: int, node: Node) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectError("the node closed the connection during the login", node=str(node))
        data += piece
    return bytes(data)


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error) or type(error).__name__).lower()
