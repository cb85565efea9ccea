"""Particles: every kind of value a bin can hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_vectors import canonical, exchanges, messages

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    HLL,
    GeoJSON,
    MapPairs,
    OpaqueBlob,
    OrderedMap,
    ParticleType,
    RawString,
    decode_particle,
    encode_particle,
)

KINDS = [
    (None, ParticleType.NULL, ""),
    (0, ParticleType.INTEGER, "0000000000000000"),
    (-1, ParticleType.INTEGER, "ffffffffffffffff"),
    (2**63 - 1, ParticleType.INTEGER, "7fffffffffffffff"),
    (-(2**63), ParticleType.INTEGER, "8000000000000000"),
    (1.5, ParticleType.DOUBLE, "3ff8000000000000"),
    (-0.0, ParticleType.DOUBLE, "8000000000000000"),
    (float("inf"), ParticleType.DOUBLE, "7ff0000000000000"),
    ("", ParticleType.STRING, ""),
    ("é", ParticleType.STRING, "c3a9"),
    (RawString(b"caf\xe9"), ParticleType.STRING, "636166e9"),
    (b"\0\xff", ParticleType.BLOB, "00ff"),
    (OpaqueBlob(b"j", 7), ParticleType.JAVA_BLOB, "6a"),
    (OpaqueBlob(b"c", 8), ParticleType.CSHARP_BLOB, "63"),
    (OpaqueBlob(b"p", 9), ParticleType.PYTHON_BLOB, "70"),
    (OpaqueBlob(b"r", 10), ParticleType.RUBY_BLOB, "72"),
    (OpaqueBlob(b"h", 11), ParticleType.PHP_BLOB, "68"),
    (OpaqueBlob(b"e", 12), ParticleType.ERLANG_BLOB, "65"),
    (OpaqueBlob(b"v", 16), ParticleType.VECTOR, "76"),
    (True, ParticleType.BOOL, "01"),
    (False, ParticleType.BOOL, "00"),
    (HLL(b"\x01"), ParticleType.HLL, "01"),
    ({"a": 1}, ParticleType.MAP, "81a2036101"),
    (OrderedMap({}), ParticleType.MAP, "81c70001c0"),
    (MapPairs([([1], 2)]), ParticleType.MAP, "81910102"),
    ([1], ParticleType.LIST, "9101"),
    (GeoJSON("{}"), ParticleType.GEOJSON, "0000007b7d"),
]


@pytest.mark.parametrize(("value", "particle_type", "hexed"), KINDS)
def test_each_kind_has_its_bytes(value: Any, particle_type: ParticleType, hexed: str) -> None:
    assert encode_particle(value) == (particle_type, bytes.fromhex(hexed))
    decoded = decode_particle(particle_type, bytes.fromhex(hexed))
    assert type(decoded) is type(value) and repr(decoded) == repr(value)


def test_every_particle_type_is_tried_here() -> None:
    assert {particle_type for _, particle_type, _ in KINDS} == set(ParticleType)


def test_every_recorded_bin_comes_back_byte_by_byte() -> None:
    n_bins = 0
    for exchange in exchanges().values():
        for _, response in exchange.pairs:
            for op in (op for message in messages(response) for op in message.ops):
                value = decode_particle(op.particle_type, op.data)
                if not isinstance(value, GeoJSON):  # the server adds cells, which clients do not send
                    assert encode_particle(value) == (op.particle_type, op.data)
                n_bins += 1
    assert n_bins > 500


def test_cells_before_geojson_are_skipped() -> None:
    ((_, response),) = exchanges()["get geo"].pairs
    (op,) = messages(response)[0].ops
    assert op.data[:3] == b"\0\0\x01" and op.data[11:12] == b"{"
    assert decode_particle(op.particle_type, op.data) == ('{"type": "Point", "coordinates": [-122.0, 37.5]}')


def test_short_integers_are_read_as_the_server_reads_them() -> None:
    assert decode_particle(1, b"\xff") == 255
    assert decode_particle(1, b"\xff\xff") == 65535
    assert decode_particle(1, b"\0\0\0\x05") == 5


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.binary(),
        st.lists(st.integers(0, 5)),
    )
)
def test_values_come_back(value: Any) -> None:
    assert canonical(decode_particle(*encode_particle(value))) == canonical(value)


@given(st.binary())
def test_any_bytes_are_a_string(data: bytes) -> None:
    value = decode_particle(ParticleType.STRING, data)
    assert encode_particle(value) == (ParticleType.STRING, data)
    assert isinstance(value, RawString) is (not _is_utf8(data))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("particle_type", "data"),
    [
        (ParticleType.NULL, b"x"),
        (ParticleType.INTEGER, b""),
        (ParticleType.INTEGER, bytes(7)),
        (ParticleType.INTEGER, bytes(9)),
        (ParticleType.DOUBLE, bytes(4)),
        (ParticleType.BOOL, b""),
        (ParticleType.BOOL, b"\x02"),
        (ParticleType.BOOL, b"\0\0"),
        (ParticleType.MAP, b"\x90"),
        (ParticleType.MAP, b""),
        (ParticleType.LIST, b"\x80"),
        (ParticleType.LIST, b"\x91"),
        (ParticleType.GEOJSON, b"\0\0"),
        (ParticleType.GEOJSON, b"\0\xff\xff"),
        (ParticleType.GEOJSON, b"\0\0\0\xff"),
        (5, b""),
        (24, b""),
        (-1, b""),
    ],
)
def test_what_does_not_hold_is_refused(particle_type: int, data: bytes) -> None:
    with pytest.raises(WireError):
        decode_particle(particle_type, data)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "\ud800", GeoJSON("\udfff"), object(), 1j, {1}])
def test_values_that_have_no_particle_are_refused(value: Any) -> None:
    with pytest.raises(WireError):
        encode_particle(value)
