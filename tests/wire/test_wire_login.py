"""Login: requests and answers, both sides; and what no repr shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_vectors import frames

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    LoginCommand,
    LoginRequest,
    LoginResponse,
    ProtoType,
    ResultCode,
    decode_login_request,
    decode_login_response,
    encode_authenticate_request,
    encode_login_request,
    encode_login_response,
    encode_pki_login_request,
    hash_password,
)

CREDENTIAL = b"$2a$10$7EqJtq98hPqEX7fNZaFWoO1mVO/4MLpGzsqojz6E9Gef6iXDjXdDa"


def body(data: bytes) -> bytes:
    (frame,) = frames(data)
    assert frame.type is ProtoType.SECURITY
    return frame.body


def test_the_credential_of_the_default_admin() -> None:
    # What every Aerospike client sends for admin/admin, and the server stores.
    assert hash_password("admin") == CREDENTIAL


def test_only_72_bytes_of_a_password_count() -> None:
    assert hash_password("é" * 36) == hash_password("é" * 36 + "more")


@pytest.mark.parametrize("password", ["zero\0", "\ud800"])
def test_passwords_that_clients_read_differently_are_refused(password: str) -> None:
    with pytest.raises(WireError) as error:
        hash_password(password)
    assert "zero\0" not in str(error.value)


def test_internal_login() -> None:
    data = encode_login_request("admin", CREDENTIAL)
    assert data[8:24] == bytes((0, 0, 20, 2)) + bytes(12)
    assert data[24:34] == b"\0\0\0\x06\0admin"
    assert data[34:39] == b"\0\0\0\x3d\x03" and data[39:] == CREDENTIAL
    request = decode_login_request(body(data))
    assert request == LoginRequest(LoginCommand.LOGIN, "admin", CREDENTIAL)


def test_external_login() -> None:
    request = decode_login_request(body(encode_login_request("u", CREDENTIAL, clear_password="pä")))
    assert request == LoginRequest(LoginCommand.LOGIN, "u", CREDENTIAL, "pä")


# Recorded from the official Python client 19.3, user "ann", password "s3cret é", session token "tok\\0en".
RECORDED_LOGIN = bytes.fromhex(
    "000014020000000000000000000000000000000400616e6e0000003d03243261243130243745714a74713938"
    "685071455837664e5a6146576f4f776a2e4c47744b523877766b4c4d37456c3632577677554c3072616f595132"
)
RECORDED_CLEAR_PASSWORD = bytes.fromhex("0000000a0473336372657420c3a9")
RECORDED_AUTHENTICATE = bytes.fromhex("000000020000000000000000000000000000000400616e6e0000000705746f6b00656e")


def test_requests_are_the_official_clients() -> None:
    credential = hash_password("s3cret é")
    assert credential == RECORDED_LOGIN[-60:]
    assert body(encode_login_request("ann", credential)) == RECORDED_LOGIN
    external = body(encode_login_request("ann", credential, clear_password="s3cret é"))
    assert external == RECORDED_LOGIN[:3] + b"\x03" + RECORDED_LOGIN[4:] + RECORDED_CLEAR_PASSWORD
    assert body(encode_authenticate_request("ann", b"tok\0en")) == RECORDED_AUTHENTICATE


def test_certificate_login() -> None:
    assert decode_login_request(body(encode_pki_login_request())) == LoginRequest(LoginCommand.LOGIN)


def test_authenticate() -> None:
    data = encode_authenticate_request("u", b"\0token\xff")
    assert data[8:12] == bytes((0, 0, 0, 2))
    request = decode_login_request(body(data))
    assert request == LoginRequest(LoginCommand.AUTHENTICATE, "u", session_token=b"\0token\xff")
    assert decode_login_request(body(encode_authenticate_request("", b"t"))).user == ""


def test_the_answer_has_a_token_and_its_life() -> None:
    data = encode_login_response(session_token=b"\0token", ttl_s=86400)
    response = decode_login_response(body(data))
    assert response == LoginResponse(0, b"\0token", 86400) and response.is_accepted


@pytest.mark.parametrize(
    ("code", "accepted"),
    [
        (ResultCode.OK, True),
        (ResultCode.SECURITY_NOT_ENABLED, True),
        (ResultCode.CREDENTIAL, False),
        (ResultCode.EXPIRED_SESSION, False),
    ],
)
def test_an_answer_may_be_only_a_code(code: ResultCode, accepted: bool) -> None:
    data = encode_login_response(code)
    assert len(data) == 24 and data[9] == code
    response = decode_login_response(body(data))
    assert response.is_accepted is accepted
    assert response == LoginResponse(code) and response.ttl_s is None


def test_no_repr_shows_a_secret() -> None:
    request = LoginRequest(LoginCommand.LOGIN, "u", b"credential", "clear", b"token")
    response = LoginResponse(0, b"token", 1)
    for secret in ("credential", "clear", "token"):
        assert secret not in repr(request).replace("LoginCommand", "").replace("session_token", "")
        assert secret not in repr(response)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts, st.binary(max_size=60), st.none() | texts)
def test_requests_come_back(user: str, credential: bytes, clear: str | None) -> None:
    request = decode_login_request(body(encode_login_request(user, credential, clear_password=clear)))
    assert request == LoginRequest(LoginCommand.LOGIN, user, credential, clear)


@given(st.integers(0, 255), st.binary(max_size=60), st.none() | st.integers(0, 2**32 - 1))
def test_answers_come_back(code: int, token: bytes, ttl_s: int | None) -> None:
    data = encode_login_response(code, session_token=token, ttl_s=ttl_s)
    assert decode_login_response(body(data)) == LoginResponse(code, token, ttl_s)


WHOLE = body(encode_login_request("admin", CREDENTIAL))


@pytest.mark.parametrize("cut", [*range(0, len(WHOLE), 5), len(WHOLE) - 1])
def test_a_request_cut_anywhere_is_refused(cut: int) -> None:
    with pytest.raises(WireError):
        decode_login_request(WHOLE[:cut])


@pytest.mark.parametrize(
    "data",
    [
        WHOLE + b"x",
        bytes((0, 0, 1, 0)) + bytes(12),
        bytes((0, 0, 20, 1)) + bytes(12) + b"\0\0\0\x02\0\xff",
        bytes((0, 0, 20, 1)) + bytes(12) + b"\0\0\0\x02\x04\xff",
        bytes((0, 0, 20, 255)) + bytes(12),
        bytes((0, 0, 20, 1)) + bytes(12) + b"\xff\xff\xff\xff\0",
    ],
)
def test_a_request_that_does_not_hold_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_login_request(data)


def test_an_answer_that_does_not_hold_is_refused() -> None:
    with pytest.raises(WireError):
        decode_login_response(bytes((0, 0, 0, 1)) + bytes(12) + b"\0\0\0\x04\x06\0\0\x01")


@pytest.mark.parametrize(("code", "ttl_s"), [(256, None), (-1, None), (0, 2**32), (0, -1)])
def test_an_answer_that_has_no_bytes_is_refused(code: int, ttl_s: int | None) -> None:
    with pytest.raises(WireError):
        encode_login_response(code, ttl_s=ttl_s)
    with pytest.raises(WireError):
        encode_login_request("\ud800", b"")
