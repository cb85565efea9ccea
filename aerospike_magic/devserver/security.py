"""Logins: session tokens and when they expire, and what the user of a connection may do.

A LOGIN proves the password and returns a token, with which further connections AUTHENTICATE until it expires. A
connection that is in stays in, as the token is only looked at when it is presented. A node's tokens are its own, and
gone when it stops: a token that it does not know is told to be expired, so that the client logs in again.

Sources: Aerospike C client, as_admin.c and as_node.c; Aerospike server, as/src/base/thr_tsvc.c and thr_info.c (where
a connection is checked) and as/include/base/proto.h (the result codes).
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from aerospike_magic.devserver.permissions import INFO, Permission
from aerospike_magic.devserver.users import Denied, User, Users
from aerospike_magic.errors import WireError
from aerospike_magic.wire.admin import decode_admin_request
from aerospike_magic.wire.login import (
    LoginCommand,
    LoginRequest,
    decode_login_request,
    decode_security_message,
    encode_login_response,
)
from aerospike_magic.wire.result import ResultCode

log = logging.getLogger(__name__)

DEFAULT_SESSION_TTL_S = 86_400
"""Seconds a token lives, as on a real server."""

_TOKEN_BYTES = 32


@dataclass(slots=True)
class _Session:
    user: User
    expires_at: float


class Security:
    """A node's sessions.

    Args:
        users: who may log in.
        session_ttl_s: seconds a token lives.
    """

    def __init__(self, users: Users, session_ttl_s: int = DEFAULT_SESSION_TTL_S) -> None:
        self.users = users
        self.session_ttl_s = session_ttl_s
        self._sessions: dict[bytes, _Session] = {}
        self._lock = threading.Lock()

    def open_session(self, user: User) -> bytes:
        """Return a new token."""
        token = secrets.token_bytes(_TOKEN_BYTES)
        now = time.monotonic()
        with self._lock:
            # Those long expired are forgotten; a client that comes back with one is told the same by way of a LOGIN.
            for old in [t for t, s in self._sessions.items() if s.expires_at + self.session_ttl_s < now]:
                del self._sessions[old]
            self._sessions[token] = _Session(user, now + self.session_ttl_s)
        return token

    def find_session(self, token: bytes, name: str) -> User:
        """Return whose token it is.

        Args:
            token: as presented.
            name: whose it is said to be; "" for a login by certificate, which does not say.

        Raises:
            Denied: it is expired or not known any more (EXPIRED_SESSION), another user's (CREDENTIAL), or its user is
                gone (USER).
        """
        session = self._sessions.get(token)
        if session is None:
            raise Denied(ResultCode.EXPIRED_SESSION)
        if name not in ("", session.user.name):
            raise Denied(ResultCode.CREDENTIAL)
        if session.user.is_dropped:
            raise Denied(ResultCode.USER)
        if time.monotonic() >= session.expires_at:
            raise Denied(ResultCode.EXPIRED_SESSION)
        return session.user

    def expire_sessions(self) -> None:
        """Let every token be expired now."""
        with self._lock:
            for session in self._sessions.values():
                session.expires_at = 0.0


class Guard:
    """What one connection may do; nothing but log in at first.

    Args:
        security: the node's.
        client: the peer, for the log.
        certificate_user: tells the name in the client's certificate, None without one.
    """

    def __init__(self, security: Security, client: str, certificate_user: Callable[[], str | None]) -> None:
        self._security = security
        self._client = client
        self._certificate_user = certificate_user
        self._user: User | None = None

    def check(self, needed: Permission = Permission.NONE) -> ResultCode:
        """Return OK, NOT_AUTHENTICATED, or ROLE_VIOLATION if the user lacks a permission."""
        user = self._user
        if user is None or user.is_dropped:
            return ResultCode.NOT_AUTHENTICATED
        return ResultCode.ROLE_VIOLATION if needed & ~user.permitted else ResultCode.OK

    def check_info(self, name: str) -> str:
        """Return the refusal of an info command by its name, "" if the user may."""
        needed = INFO.get(name, Permission.NONE)
        code = self.check(needed)
        if code == ResultCode.NOT_AUTHENTICATED:
            return NOT_AUTHENTICATED
        return f"ERROR:{code}:role violation - requires permission '{needed.label}'" if code else ""

    def answer(self, body: bytes) -> bytes:
        """Answer a security message: a login, or an order about users.

        Returns:
            the answer's frame.
        """
        try:
            command, _, _ = decode_security_message(body)
            if body[0] != 0:
                raise Denied(ResultCode.SECURITY_SCHEME)
            if command == LoginCommand.LOGIN:
                return self._log_in(decode_login_request(body))
            if command == LoginCommand.AUTHENTICATE:
                request = decode_login_request(body)
                self._user = self._security.find_session(request.session_token, request.user)
                return encode_login_response()
            if self.check() or self._user is None:
                raise Denied(ResultCode.NOT_AUTHENTICATED)
            return self._security.users.run(self._user, decode_admin_request(body))
        except WireError as error:
            log.warning("refused a security message of %s: %s", self._client, error)
            return encode_login_response(ResultCode.SECURITY_FIELD)
        except Denied as denied:
            log.info("refused a login of %s: %s", self._client, denied)
            return encode_login_response(denied.code)

    def _log_in(self, request: LoginRequest) -> bytes:
        # Whoever they were before: a failed login leaves nobody.
        self._user = None
        user = self._proven(request)
        self._user = user
        token = self._security.open_session(user)
        return encode_login_response(session_token=token, ttl_s=self._security.session_ttl_s)

    def _proven(self, request: LoginRequest) -> User:
        if request.clear_password is not None:
            raise Denied(ResultCode.LDAP_NOT_CONFIGURED)
        name = request.user if request.credential else self._certificate_user()
        if not name:
            raise Denied(ResultCode.CREDENTIAL)
        user = self._security.users.get(name)
        if user is None:
            raise Denied(ResultCode.USER)
        if request.credential and not user.has_credential(request.credential):
            raise Denied(ResultCode.CREDENTIAL)
        return user


NOT_AUTHENTICATED = f"ERROR:{int(ResultCode.NOT_AUTHENTICATED)}:not authenticated"
"""The whole answer to info commands of a connection that is not logged in."""
