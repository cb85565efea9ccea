"""User administration: the security messages by which users and their roles are changed and listed.

They have the shape of a login's (see `login`). Passwords travel as their bcrypt hash. What is listed comes as rows,
security messages end to end in one frame, the last of which has the result code SECURITY_LAST and nothing else.

Sources: Aerospike C client, as_admin.c (`aerospike_create_user` and following; `as_parse_users`,
`as_parse_roles`), as_admin.h (privilege codes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from aerospike_magic.errors import WireError
from aerospike_magic.wire.login import LoginField, decode_security_message, encode_security_body
from aerospike_magic.wire.message import Field
from aerospike_magic.wire.proto import ProtoType, encode_proto
from aerospike_magic.wire.result import ResultCode

_FIRST_SCOPED_PRIVILEGE = 10


class AdminCommand(IntEnum):
    """The security commands beyond a login."""

    CREATE_USER = 1
    DROP_USER = 2
    SET_PASSWORD = 3
    CHANGE_PASSWORD = 4
    GRANT_ROLES = 5
    REVOKE_ROLES = 6
    QUERY_USERS = 9
    CREATE_ROLE = 10
    DROP_ROLE = 11
    GRANT_PRIVILEGES = 12
    REVOKE_PRIVILEGES = 13
    SET_WHITELIST = 14
    SET_QUOTAS = 15
    QUERY_ROLES = 16


class AdminField(IntEnum):
    """What a field says, beyond `LoginField`."""

    ROLES = 10
    ROLE = 11
    PRIVILEGES = 12


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """A request, as the server sees it.

    Attributes:
        command: see `AdminCommand`; any number.
        user: None if it names none.
        password, old_password: hashed; b"" for none.
        roles: names of roles.
        role: the one role asked about, None for none.
    """

    command: int
    user: str | None = None
    password: bytes = field(default=b"", repr=False)
    old_password: bytes = field(default=b"", repr=False)
    roles: tuple[str, ...] = ()
    role: str | None = None


def decode_admin_request(body: bytes) -> AdminRequest:
    """Reads a request.

    Raises:
        WireError: cut off, bytes left over, or a name that is not UTF-8.
    """
    command, _, fields = decode_security_message(body)
    return AdminRequest(
        command,
        _name(fields.get(LoginField.USER)),
        fields.get(LoginField.PASSWORD, b""),
        fields.get(LoginField.OLD_PASSWORD, b""),
        _decode_roles(fields.get(AdminField.ROLES, b"")),
        _name(fields.get(AdminField.ROLE)),
    )


def encode_user_row(user: str, roles: Sequence[str]) -> bytes:
    """Returns the row of a user, for `encode_rows`."""
    names = [role.encode() for role in roles]
    listed = bytes((len(names),)) + b"".join(bytes((len(name),)) + name for name in names)
    return encode_security_body(0, 0, [Field(LoginField.USER, user.encode()), Field(AdminField.ROLES, listed)])


def encode_role_row(role: str, privileges: Sequence[int]) -> bytes:
    """Returns the row of a role, for `encode_rows`; its privileges are for all namespaces and sets."""
    scope = b"\0\0"
    listed = bytes((len(privileges),)) + b"".join(
        bytes((code,)) + (scope if code >= _FIRST_SCOPED_PRIVILEGE else b"") for code in privileges
    )
    return encode_security_body(0, 0, [Field(AdminField.ROLE, role.encode()), Field(AdminField.PRIVILEGES, listed)])


def encode_rows(rows: Sequence[bytes]) -> bytes:
    """Returns the whole frame of an answer with these rows."""
    last = encode_security_body(0, ResultCode.SECURITY_LAST, [])
    return encode_proto(ProtoType.SECURITY, b"".join(rows) + last)


def _decode_roles(data: bytes) -> tuple[str, ...]:
    names = []
    at = 1
    for _ in range(data[0] if data else 0):
        if at >= len(data) or at + 1 + data[at] > len(data):
            raise WireError("a list of roles is cut off")
        names.append(_text(data[at + 1 : at + 1 + data[at]]))
        at += 1 + data[at]
    return tuple(names)


def _name(data: bytes | None) -> str | None:
    return None if data is None else _text(data)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise WireError("the name of a user or role is not valid UTF-8") from None
