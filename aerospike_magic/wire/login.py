"""Login: how a client proves who it is, before anything else on a connection.

LOGIN, on the first connection to a node, sends the user and a proof, and returns a session token with its
lifetime. AUTHENTICATE, on every further connection, sends the token. The proof is, by the authentication
mode,

- internal: the bcrypt hash of the password, under a salt that is the same everywhere, so it is worth as much
  as the password;
- external (LDAP): that hash, and the password in clear. Only over TLS: `encode_login_request` cannot see the
  socket, its caller must;
- PKI: nothing, the TLS client certificate has said it.

::

    scheme u8 (0) | result u8 | command u8 | n fields u8 | 12 zero bytes
    field: size u32 (type and data) | type u8 | data

Passwords, credentials and tokens are in no repr and no error.

Sources: Aerospike C client, as_admin.c (`as_cluster_login`, `as_authenticate_set`); Aerospike common library,
as_password.c (the salt).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from aerospike_magic.errors import WireError
from aerospike_magic.wire.message import Field, decode_fields, encode_field
from aerospike_magic.wire.proto import ProtoType, encode_proto
from aerospike_magic.wire.result import ResultCode

_HEADER = struct.Struct(">BBBB12x")
_U32 = struct.Struct(">I")
_SALT = b"$2a$10$7EqJtq98hPqEX7fNZaFWoO"
_BCRYPT_MAX = 72  # bcrypt reads no further; newer libraries refuse instead of cutting


class LoginCommand(IntEnum):
    """The security commands a client needs to get in."""

    AUTHENTICATE = 0
    LOGIN = 20


class LoginField(IntEnum):
    """What a field of a security message says."""

    USER = 0
    PASSWORD = 1
    OLD_PASSWORD = 2
    CREDENTIAL = 3
    CLEAR_PASSWORD = 4
    SESSION_TOKEN = 5
    SESSION_TTL = 6


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A LOGIN or AUTHENTICATE request, as the server sees it.

    Attributes:
        command: which of the two.
        user: "" with PKI.
        credential: hashed password, b"" for none.
        clear_password: None for none.
        session_token: of AUTHENTICATE, b"" for none.
    """

    command: LoginCommand
    user: str = ""
    credential: bytes = field(default=b"", repr=False)
    clear_password: str | None = field(default=None, repr=False)
    session_token: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class LoginResponse:
    """The answer to either request.

    Attributes:
        result_code: see `ResultCode`.
        session_token: of LOGIN, b"" for none.
        ttl_s: seconds the token lives; None if the server did not say.
    """

    result_code: int = 0
    session_token: bytes = field(default=b"", repr=False)
    ttl_s: int | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the connection may be used: let in, or the server has no security switched on."""
        return self.result_code in (ResultCode.OK, ResultCode.SECURITY_NOT_ENABLED)


def hash_password(password: str) -> bytes:
    """Returns the credential for a password, 60 bytes; takes some 50 ms.

    Only the first 72 bytes count, as in every Aerospike client.

    Raises:
        WireError: a zero character, which other clients would cut at, or invalid Unicode.
    """
    import bcrypt

    try:
        data = password.encode()
    except UnicodeEncodeError:
        raise WireError("the password has characters that are not valid Unicode") from None
    if b"\0" in data:
        raise WireError("the password has a zero character")
    return bytes(bcrypt.hashpw(data[:_BCRYPT_MAX], _SALT))


def encode_login_request(user: str, credential: bytes, *, clear_password: str | None = None) -> bytes:
    """Returns the whole frame of a LOGIN.

    Args:
        user: name.
        credential: see `hash_password`.
        clear_password: for external authentication; only over TLS.
    """
    fields = [Field(LoginField.USER, _utf8(user)), Field(LoginField.CREDENTIAL, credential)]
    if clear_password is not None:
        fields.append(Field(LoginField.CLEAR_PASSWORD, _utf8(clear_password)))
    return encode_security_message(LoginCommand.LOGIN, 0, fields)


def encode_pki_login_request() -> bytes:
    """Returns the whole frame of a LOGIN by TLS client certificate."""
    return encode_security_message(LoginCommand.LOGIN, 0, [])


def encode_authenticate_request(user: str, session_token: bytes) -> bytes:
    """Returns the whole frame of an AUTHENTICATE.

    Args:
        user: name; "" with PKI.
        session_token: from the node's `LoginResponse`.
    """
    fields = [Field(LoginField.USER, _utf8(user))] if user else []
    fields.append(Field(LoginField.SESSION_TOKEN, session_token))
    return encode_security_message(LoginCommand.AUTHENTICATE, 0, fields)


def decode_login_request(body: bytes) -> LoginRequest:
    """Reads a request, for the server.

    Raises:
        WireError: cut off, bytes left over, another command, or a user or password that is not UTF-8.
    """
    command, _, fields = decode_security_message(body)
    try:
        login_command = LoginCommand(command)
    except ValueError:
        raise WireError(f"security command {command} is neither LOGIN nor AUTHENTICATE") from None
    clear_password = fields.get(LoginField.CLEAR_PASSWORD)
    return LoginRequest(
        login_command,
        _text(fields.get(LoginField.USER, b""), "user"),
        fields.get(LoginField.CREDENTIAL, b""),
        None if clear_password is None else _text(clear_password, "password"),
        fields.get(LoginField.SESSION_TOKEN, b""),
    )


def encode_login_response(result_code: int = 0, *, session_token: bytes = b"", ttl_s: int | None = None) -> bytes:
    """Returns the whole frame of an answer.

    Args:
        result_code: see `ResultCode`.
        session_token: of a LOGIN let in.
        ttl_s: seconds the token lives, 32 bits; None to leave it out.

    Raises:
        WireError: a number that does not fit its place.
    """
    fields = []
    if session_token:
        fields.append(Field(LoginField.SESSION_TOKEN, session_token))
    if ttl_s is not None:
        if not 0 <= ttl_s <= 0xFFFFFFFF:
            raise WireError("the session's lifetime does not fit in 32 bits")
        fields.append(Field(LoginField.SESSION_TTL, _U32.pack(ttl_s)))
    return encode_security_message(0, result_code, fields)


def decode_login_response(body: bytes) -> LoginResponse:
    """Reads an answer.

    Raises:
        WireError: cut off, bytes left over, or a lifetime of another size than 4 bytes.
    """
    _, result_code, fields = decode_security_message(body)
    ttl = fields.get(LoginField.SESSION_TTL)
    if ttl is not None and len(ttl) != _U32.size:
        raise WireError(f"a session's lifetime has {len(ttl)} bytes instead of {_U32.size}")
    return LoginResponse(
        result_code,
        fields.get(LoginField.SESSION_TOKEN, b""),
        None if ttl is None else int.from_bytes(ttl, "big"),
    )


def encode_security_message(command: int, result_code: int, fields: Sequence[Field]) -> bytes:
    """Returns the whole frame of a security message.

    Args:
        command: of a request; 0 in an answer.
        result_code: of an answer; 0 in a request.
        fields: see `LoginField`.

    Raises:
        WireError: the result code is none.
    """
    return encode_proto(ProtoType.SECURITY, encode_security_body(command, result_code, fields))


def encode_security_body(command: int, result_code: int, fields: Sequence[Field]) -> bytes:
    """Returns one security message without its frame; an answer of several rows has several in a frame.

    Raises:
        WireError: the result code is none.
    """
    if not 0 <= result_code <= 0xFF:
        raise WireError(f"{result_code} is no result code, 0..255")
    return _HEADER.pack(0, result_code, command, len(fields)) + b"".join(map(encode_field, fields))


def decode_security_message(body: bytes) -> tuple[int, int, dict[int, bytes]]:
    """Reads any security message; returns its command, its result code, and its fields by type.

    Raises:
        WireError: cut off, or bytes left over.
    """
    if len(body) < _HEADER.size:
        raise WireError(f"a security message has {len(body)} bytes, less than its header of {_HEADER.size}")
    _, result_code, command, n_fields = _HEADER.unpack_from(body)
    fields, end = decode_fields(memoryview(body), _HEADER.size, n_fields)
    if end != len(body):
        raise WireError(f"a security message has {len(body) - end} bytes left over")
    by_type: dict[int, bytes] = {}
    for item in fields:
        by_type.setdefault(item.type, item.data)
    return command, result_code, by_type


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise WireError("a user or password has characters that are not valid Unicode") from None


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise WireError(f"a {what} is not valid UTF-8") from None
