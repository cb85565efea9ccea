"""Who may log in: users with their hashed passwords and roles, and the commands that change them.

One list for all nodes of a cluster. A change is seen at once by connections that are logged in; a user who is dropped
is not authenticated any more.

Sources: Aerospike C client, as_admin.c; Aerospike server, as/include/base/proto.h (the result codes).
"""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aerospike_magic.devserver.permissions import ROLES, Permission, permissions_of
from aerospike_magic.wire.admin import AdminCommand, AdminRequest, encode_role_row, encode_rows, encode_user_row
from aerospike_magic.wire.login import encode_login_response
from aerospike_magic.wire.result import ResultCode

log = logging.getLogger(__name__)

MAX_NAME = 63
"""Bytes of a user's name."""


class Denied(Exception):
    """A security command that is refused, with a result code."""

    def __init__(self, code: ResultCode) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(slots=True)
class User:
    """A user; changed in place, so that connections see it.

    Attributes:
        name: the name.
        credential: the hashed password.
        roles: names of roles, sorted.
        permitted: what the roles permit.
        is_dropped: whether the user is gone.
    """

    name: str
    credential: bytes = field(repr=False)
    roles: tuple[str, ...]
    permitted: Permission = Permission.NONE
    is_dropped: bool = False

    def __post_init__(self) -> None:
        self.give(self.roles)

    def give(self, roles: Sequence[str]) -> None:
        """Let the user have these roles and no others."""
        self.roles = tuple(sorted(set(roles)))
        self.permitted = permissions_of(self.roles)

    def has_credential(self, credential: bytes) -> bool:
        """Whether a hashed password is the user's; as slow for a wrong one."""
        return hmac.compare_digest(self.credential, credential)


class Users:
    """The users of a cluster."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._lock = threading.Lock()
        self._commands: dict[int, tuple[Permission, Callable[[User, AdminRequest], bytes | None]]] = {
            AdminCommand.CREATE_USER: (Permission.USER_ADMIN, self._create),
            AdminCommand.DROP_USER: (Permission.USER_ADMIN, self._drop),
            AdminCommand.SET_PASSWORD: (Permission.USER_ADMIN, self._set_password),
            AdminCommand.CHANGE_PASSWORD: (Permission.NONE, self._change_password),
            AdminCommand.GRANT_ROLES: (Permission.USER_ADMIN, self._grant),
            AdminCommand.REVOKE_ROLES: (Permission.USER_ADMIN, self._revoke),
            AdminCommand.QUERY_USERS: (Permission.NONE, self._query_users),
            AdminCommand.QUERY_ROLES: (Permission.USER_ADMIN, self._query_roles),
        }

    def get(self, name: str) -> User | None:
        """A user by name."""
        return self._users.get(name)

    def add(self, name: str, credential: bytes, roles: Sequence[str]) -> None:
        """Add a user.

        Raises:
            Denied: the name is taken or no name, there is no password, or a role is unknown.
        """
        if not 0 < len(name.encode()) <= MAX_NAME:
            raise Denied(ResultCode.USER)
        if not credential:
            raise Denied(ResultCode.PASSWORD)
        _check_roles(roles)
        with self._lock:
            if name in self._users:
                raise Denied(ResultCode.USER_EXISTS)
            self._users[name] = User(name, credential, tuple(roles))

    def run(self, asker: User, request: AdminRequest) -> bytes:
        """Carry a command out and return the answer's frame.

        Args:
            asker: whose connection it came on.
            request: the command.
        """
        needed, command = self._commands.get(request.command, (Permission.NONE, None))
        if command is None:
            log.warning("refused: security command %d is not supported", request.command)
            return encode_login_response(ResultCode.SECURITY_COMMAND)
        if needed & ~asker.permitted:
            return encode_login_response(ResultCode.ROLE_VIOLATION)
        try:
            return command(asker, request) or encode_login_response()
        except Denied as denied:
            return encode_login_response(denied.code)

    def _find(self, name: str | None) -> User:
        user = self._users.get(name or "")
        if user is None:
            raise Denied(ResultCode.USER)
        return user

    def _create(self, asker: User, request: AdminRequest) -> None:
        self.add(request.user or "", request.password, request.roles)

    def _drop(self, asker: User, request: AdminRequest) -> None:
        with self._lock:
            user = self._find(request.user)
            del self._users[user.name]
            user.is_dropped = True

    def _set_password(self, asker: User, request: AdminRequest) -> None:
        user = self._find(request.user)
        if not request.password:
            raise Denied(ResultCode.PASSWORD)
        user.credential = request.password

    def _change_password(self, asker: User, request: AdminRequest) -> None:
        user = self._find(request.user)
        if user is not asker:
            raise Denied(ResultCode.ROLE_VIOLATION)
        if not user.has_credential(request.old_password):
            raise Denied(ResultCode.PASSWORD)
        self._set_password(asker, request)

    def _grant(self, asker: User, request: AdminRequest) -> None:
        user = self._find(request.user)
        _check_roles(request.roles)
        user.give([*user.roles, *request.roles])

    def _revoke(self, asker: User, request: AdminRequest) -> None:
        user = self._find(request.user)
        _check_roles(request.roles)
        user.give([role for role in user.roles if role not in request.roles])

    def _query_users(self, asker: User, request: AdminRequest) -> bytes:
        if request.user != asker.name and Permission.USER_ADMIN & ~asker.permitted:
            raise Denied(ResultCode.ROLE_VIOLATION)
        users = list(self._users.values()) if request.user is None else [self._find(request.user)]
        return encode_rows([encode_user_row(user.name, user.roles) for user in users])

    def _query_roles(self, asker: User, request: AdminRequest) -> bytes:
        if request.role is not None and request.role not in ROLES:
            raise Denied(ResultCode.ROLE)
        names = ROLES if request.role is None else (request.role,)
        return encode_rows([encode_role_row(name, [ROLES[name].privilege]) for name in names])


def _check_roles(roles: Sequence[str]) -> None:
    if any(role not in ROLES for role in roles):
        raise Denied(ResultCode.ROLE)
