"""The official client, as our settings want it: its configuration, its start, and what stays quiet.

The official client does seeds, tending, TLS, login, info, key reads and writes; scans open their own sockets.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

import aerospike
from aerospike import exception as client_errors

from aerospike_magic.connection.refusals import translate, unreachable
from aerospike_magic.connection.settings import ConnectionSettings
from aerospike_magic.connection.sockets import SocketOpener, seed_tls_name
from aerospike_magic.errors import AerospikeMagicError, ConnectError, ServerError
from aerospike_magic.wire.result import ResultCode

T = TypeVar("T")

_TLS_ERROR = -9
_RELOGIN_S = 3.0
_RELOGIN_POLL_S = 0.1
_AUTH = {
    "internal": aerospike.AUTH_INTERNAL,
    "external": aerospike.AUTH_EXTERNAL,
    "pki": aerospike.AUTH_PKI,
}


def client_config(settings: ConnectionSettings) -> dict[str, Any]:
    """Return the official client's configuration for our settings; it holds the password."""
    timeout_ms = int(settings.timeout_s * 1000)
    policies: dict[str, Any] = {
        "login_timeout_ms": int(settings.connect_timeout_s * 1000),
        "info": {"timeout": timeout_ms},
        "read": {"total_timeout": timeout_ms, "socket_timeout": timeout_ms},
        "write": {"total_timeout": timeout_ms, "socket_timeout": timeout_ms},
        "batch": {"total_timeout": timeout_ms, "socket_timeout": timeout_ms},
        "query": {"socket_timeout": timeout_ms},
    }
    config: dict[str, Any] = {
        "hosts": [(h.name, h.port, seed_tls_name(settings, h)) for h in settings.hosts]
        if settings.tls
        else [(h.name, h.port) for h in settings.hosts],
        "connect_timeout": int(settings.connect_timeout_s * 1000),
        "use_services_alternate": settings.services_alternate,
        "policies": policies,
    }
    if settings.auth != "none":
        policies["auth_mode"] = _AUTH[settings.auth]
    if settings.auth in ("internal", "external"):
        config["user"], config["password"] = settings.user, settings.password
    if settings.tls:
        tls = {
            "enable": True,
            "cafile": settings.tls_cafile,
            "certfile": settings.tls_certfile,
            "keyfile": settings.tls_keyfile,
            "keyfile_pw": settings.tls_keyfile_password,
        }
        config["tls"] = {name: value for name, value in tls.items() if value is not None}
    return config


def open_client(settings: ConnectionSettings) -> aerospike.Client:
    """Return a connected official client.

    Raises:
        ConnectError: no seed answered (the message has what each one did), or login or TLS failed.
        ConfigError: the client refused a setting.
    """
    # Its log goes to the process's stdout, which in a notebook is the user's; failures arrive as exceptions.
    aerospike.set_log_level(aerospike.LOG_LEVEL_OFF)
    try:
        client = aerospike.client(client_config(settings))
        if not client.is_connected():
            client.connect()
    except client_errors.AerospikeError as error:
        raise _explain(error, settings) from error
    return client


def with_session(call: Callable[[], T]) -> T:
    """Make a call of the official client; if its session has expired, again until it has a new one.

    A new connection that is refused for its token makes the client log in when it next looks after the cluster, which
    is every second; the call itself it gives up.
    """
    deadline = time.monotonic() + _RELOGIN_S
    while True:
        try:
            return call()
        except (client_errors.AerospikeError, ServerError) as error:
            if getattr(error, "code", None) != ResultCode.EXPIRED_SESSION or time.monotonic() > deadline:
                raise
        time.sleep(_RELOGIN_POLL_S)


def _explain(error: Exception, settings: ConnectionSettings) -> AerospikeMagicError:
    ours = translate(error, settings, f"connect to {settings.address}")
    code = getattr(error, "code", None)
    if code == _TLS_ERROR:
        return _tls_failure(settings) or ours
    if code not in (-1, -3, -7, -8, 9, -10, -11, -12, -16):
        return ours
    if settings.tls and (failure := _tls_failure(settings)) is not None:
        return failure
    return unreachable(settings, [(str(h), _probe(h.name, h.port, settings)) for h in settings.hosts[:4]], ours.message)


def _tls_failure(settings: ConnectionSettings) -> ConnectError | None:
    """Find out whether it was TLS: the client has one word for whatever goes wrong there."""
    opener = SocketOpener(settings)
    for host in settings.hosts[:4]:
        try:
            opener.check_tls(host)
        except ConnectError as error:
            if "TLS" in error.message:
                error.node = None  # the message has its address
                return error
    return None


def _probe(host: str, port: int, settings: ConnectionSettings) -> str:
    """Say in words what one TCP connection does: the client's own words are the same for every failure."""
    try:
        with socket.create_connection((host, port), timeout=min(settings.connect_timeout_s, 2.0)) as there:
            if not settings.tls and _speaks_tls(there):
                return "it speaks TLS"
            return "it accepts connections but does not speak to us"
    except socket.gaierror:
        return "no such host name"
    except TimeoutError:
        return "no answer in time"
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()


def _speaks_tls(there: socket.socket) -> bool:
    """Whether a handshake gets anywhere, if only to a refusal; nothing is sent through it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with context.wrap_socket(there):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
