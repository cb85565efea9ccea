"""Digests are the server's, with OpenSSL's RIPEMD-160 and with ours."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_vectors import exchanges, value

from aerospike_magic.errors import WireError
from aerospike_magic.wire import compute_digest, decode_key, encode_key, partition_id
from aerospike_magic.wire.ripemd160 import ripemd160

KEYS = {
    "digest int key": 5,
    "digest negative int key": -5,
    "digest str key": "s",
    "digest bytes key": b"\x01\x02",
}


@pytest.mark.parametrize("label", KEYS)
def test_the_digest_is_the_clients(label: str) -> None:
    expected = value(exchanges()[label].result)
    assert compute_digest("vec", KEYS[label]) == expected
    assert ripemd160(b"vec" + encode_key(KEYS[label])) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "9c1185a5c5e9fc54612808977ee8f548b2258d31"),
        (b"abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
        (b"1234567890" * 8, "9b752e45573d4b39f4dbd3323cab82bf63326bfb"),
    ],
)
def test_ripemd160_gives_the_values_of_its_paper(data: bytes, expected: str) -> None:
    assert ripemd160(data).hex() == expected


@pytest.mark.parametrize("size", [1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 200])
def test_ripemd160_is_openssls_at_every_padding(size: int) -> None:
    try:
        theirs = hashlib.new("ripemd160", bytes(size), usedforsecurity=False)
    except ValueError:
        pytest.skip("OpenSSL has RIPEMD-160 switched off here")
    assert ripemd160(bytes(size)) == theirs.digest()


def test_the_partition_is_twelve_bits_of_the_first_two_bytes() -> None:
    assert partition_id(bytes.fromhex("2ff0") + bytes(18)) == 0x02F
    assert partition_id(bytes.fromhex("ffff") + bytes(18)) == 4095
    with pytest.raises(WireError):
        partition_id(b"\0" * 19)


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(), st.binary()))
def test_a_key_comes_back(key: int | str | bytes) -> None:
    assert decode_key(encode_key(key)) == key
    assert len(compute_digest("set", key)) == 20


@pytest.mark.parametrize("key", [True, 2**63, -(2**63) - 1, 1.5, None, "\ud800", [1]])
def test_what_is_no_key_is_refused(key: object) -> None:
    with pytest.raises(WireError):
        encode_key(key)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01" + bytes(7), b"\x03\xff", b"\x02" + bytes(8), b"\xff"])
def test_what_is_no_key_field_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_key(data)
