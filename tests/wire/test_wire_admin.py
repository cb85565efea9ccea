"""User administration: what the official client sends, and the rows it reads."""

from __future__ import annotations

import pytest
from wire_vectors import frames

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    AdminCommand,
    AdminRequest,
    Field,
    ProtoType,
    decode_admin_request,
    encode_role_row,
    encode_rows,
    encode_security_message,
    encode_user_row,
)

HEADER = bytes(12)


def body(data: bytes) -> bytes:
    (frame,) = frames(data)
    assert frame.type is ProtoType.SECURITY
    return frame.body


def test_a_new_user_as_the_c_client_writes_it() -> None:
    # as_admin.c, aerospike_create_user: user, hashed password, count of roles and each with its length.
    data = (
        b"\0\0\x01\x03" + HEADER
        + b"\0\0\0\x04\0ann"
        + b"\0\0\0\x05\x01hash"
        + b"\0\0\0\x0d\x0a\x02\x04read\x05write"
    )  # fmt: skip
    assert decode_admin_request(data) == AdminRequest(AdminCommand.CREATE_USER, "ann", b"hash", roles=("read", "write"))


def test_a_question_about_all_users_names_none() -> None:
    request = decode_admin_request(body(encode_security_message(AdminCommand.QUERY_USERS, 0, [])))
    assert (request.user, request.role, request.roles) == (None, None, ())


def test_rows_end_with_a_code_of_their_own() -> None:
    row = encode_user_row("ann", ["read", "write"])
    assert row == b"\0\0\0\x02" + HEADER + b"\0\0\0\x04\0ann" + b"\0\0\0\x0d\x0a\x02\x04read\x05write"
    assert body(encode_rows([row, row])) == row + row + b"\0\x32\0\0" + HEADER


def test_privileges_of_data_have_a_scope_and_others_none() -> None:
    assert encode_role_row("r", [1]).endswith(b"\0\0\0\x03\x0c\x01\x01")
    assert encode_role_row("r", [10]).endswith(b"\0\0\0\x05\x0c\x01\x0a\0\0")


@pytest.mark.parametrize("roles", [b"\x01", b"\x01\x05read", b"\x02\x04read", b"\x01\x01\xff"])
def test_roles_that_are_cut_off_or_not_text_are_refused(roles: bytes) -> None:
    with pytest.raises(WireError):
        decode_admin_request(body(encode_security_message(5, 0, [Field(10, roles)])))


def test_no_repr_tells_a_password() -> None:
    assert "secret" not in repr(AdminRequest(4, "ann", b"secret1", b"secret2"))
