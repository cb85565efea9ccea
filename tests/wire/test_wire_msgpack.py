"""Lists and maps: every form of MessagePack that Aerospike knows, and none that it does not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.errors import WireError
from aerospike_magic.wire import (
    HLL,
    Extension,
    GeoJSON,
    MapPairs,
    OpaqueBlob,
    OrderedList,
    OrderedMap,
    RawString,
    decode_cdt,
    encode_cdt,
)
from aerospike_magic.wire.msgpack import MAX_CDT_SIZE, MAX_DEPTH
from aerospike_magic.wire.values import INFINITY, WILDCARD

FORMS = [
    (None, "c0"),
    (False, "c2"),
    (True, "c3"),
    (0, "00"),
    (127, "7f"),
    (128, "cc80"),
    (255, "ccff"),
    (256, "cd0100"),
    (65535, "cdffff"),
    (65536, "ce00010000"),
    (2**32 - 1, "ceffffffff"),
    (2**32, "cf0000000100000000"),
    (2**63 - 1, "cf7fffffffffffffff"),
    (2**64 - 1, "cfffffffffffffffff"),
    (-1, "ff"),
    (-32, "e0"),
    (-33, "d0df"),
    (-128, "d080"),
    (-129, "d1ff7f"),
    (-32768, "d18000"),
    (-32769, "d2ffff7fff"),
    (-(2**31) - 1, "d3ffffffff7fffffff"),
    (-(2**63), "d38000000000000000"),
    (1.5, "cb3ff8000000000000"),
    ("", "a103"),
    ("a", "a20361"),
    ("é", "a303c3a9"),
    ("x" * 30, "bf03" + "78" * 30),
    ("x" * 31, "d92003" + "78" * 31),
    ("x" * 255, "da010003" + "78" * 255),
    (b"", "a104"),
    (b"x", "a20478"),
    (RawString(b"\xff"), "a203ff"),
    (GeoJSON("{}"), "a3177b7d"),
    (HLL(b"h"), "a21268"),
    (OpaqueBlob(b"j", 7), "a2076a"),
    ([], "90"),
    ([1, [2]], "92019102"),
    ({}, "80"),
    ({"k": 1, -5: None}, "82a2036b01fbc0"),
    (OrderedList([1, 2]), "93c700010102"),
    (OrderedList([], 0x11), "91c70011"),
    (OrderedMap({1: 2}), "82c70001c00102"),
    (OrderedMap({}, 3), "81c70003c0"),
    (MapPairs([([1], 2)]), "81910102"),
    (MapPairs([(1, 2), (True, 3)]), "820102c303"),
    (MapPairs([([1], 2)], 1), "82c70001c0910102"),
    ([INFINITY, WILDCARD], "92d4ff01d4ff00"),
    ([1, Extension(9, b"abc")], "9201c70309616263"),
    ([1, Extension(9, b"abcd")], "9201d60961626364"),
]


@pytest.mark.parametrize(("value", "hexed"), FORMS)
def test_each_value_has_its_form(value: Any, hexed: str) -> None:
    assert encode_cdt(value).hex() == hexed
    decoded = decode_cdt(bytes.fromhex(hexed))
    assert decoded == value and type(decoded) is type(value)
    assert getattr(decoded, "flags", None) == getattr(value, "flags", None)


@pytest.mark.parametrize(
    ("hexed", "value"),
    [
        ("ca3fc00000", 1.5),  # float32
        ("c40404616263", b"abc"),  # the binary headers, which newer clients write
        ("c5000203ff", RawString(b"\xff")),
        ("c600000002037a", "z"),
        ("db000000020361", "a"),
        ("a0", b""),
        ("dc000101", [1]),
        ("dd0000000101", [1]),
        ("de00010102", {1: 2}),
        ("df000000010102", {1: 2}),
        ("92c7020100ff05", [5]),  # a sorted list with its index of offsets
        ("92d4010005", [5]),
        ("82c8000101ffc00102", {1: 2}),
        ("d00f", 15),  # more bytes than needed
    ],
)
def test_other_forms_are_read(hexed: str, value: Any) -> None:
    assert decode_cdt(bytes.fromhex(hexed)) == value


def test_longest_headers() -> None:
    for value in ([0] * 16, [0] * 65536, dict.fromkeys(range(16), 0), dict.fromkeys(range(65536), 0), "x" * 70000):
        assert decode_cdt(encode_cdt(value)) == value


def test_special_numbers_survive() -> None:
    items = decode_cdt(encode_cdt([math.nan, math.inf, -math.inf, -0.0]))
    assert math.isnan(items[0]) and items[1:3] == [math.inf, -math.inf] and math.copysign(1, items[3]) == -1


def test_a_map_keeps_its_order() -> None:
    assert list(decode_cdt(encode_cdt({"z": 1, "a": 2, 3: 3}))) == ["z", "a", 3]


@pytest.mark.parametrize(
    "pairs",
    [
        [(1, "a"), (1.0, "b"), (True, "c")],
        [(0.0, 1), (-0.0, 2)],
        [("x", 1), (GeoJSON("x"), 2)],
        [(b"x", 1), (OpaqueBlob(b"x", 7), 2)],
        [({"a": 1}, 1)],
        [(MapPairs([(1, 2), (True, 3)]), 1)],
    ],
)
def test_a_map_that_no_dict_can_hold_loses_nothing(pairs: list[tuple[Any, Any]]) -> None:
    value = MapPairs(pairs)
    decoded = decode_cdt(encode_cdt(value))
    assert isinstance(decoded, MapPairs) and list(map(repr, decoded)) == list(map(repr, pairs))


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=40),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(scalars, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_values_come_back(value: Any) -> None:
    decoded = decode_cdt(encode_cdt(value))
    assert decoded == value
    assert encode_cdt(decoded) == encode_cdt(value)


@given(values, st.data())
def test_what_is_cut_or_followed_is_refused(value: Any, data: st.DataObject) -> None:
    encoded = encode_cdt(value)
    with pytest.raises(WireError):
        decode_cdt(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    with pytest.raises(WireError):
        decode_cdt(encoded + b"\0")


@pytest.mark.parametrize(
    "hexed",
    [
        "",
        "c1",  # the one byte that MessagePack never uses
        "ddffffffff",
        "dfffffffff",
        "dbffffffff",
        "c6ffffffff",
        "c9ffffffff01",
        "91",
        "81",
        "8101",
        "cd00",
        "cb00",
        "d4",
        "d4ff",
        "a217ff",  # GeoJSON that is no text
        "91c7",
        "91c70501",
        "81c70001",
    ],
)
def test_what_does_not_hold_is_refused(hexed: str) -> None:
    with pytest.raises(WireError):
        decode_cdt(bytes.fromhex(hexed))


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_depth_is_limited_both_ways() -> None:
    assert decode_cdt(encode_cdt(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(WireError, match="deep"):
        encode_cdt(nested(MAX_DEPTH + 1))
    for code in (b"\x91", b"\x81\x01", b"\x81"):
        with pytest.raises(WireError, match="deep"):
            decode_cdt(code * 100_000 + b"\x90" * 3)


def test_a_list_within_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(WireError, match="deep"):
        encode_cdt(loop)


def test_size_is_limited() -> None:
    with pytest.raises(WireError, match="limit"):
        decode_cdt(bytes(MAX_CDT_SIZE + 1))
    with pytest.raises(WireError, match="limit"):
        decode_cdt(encode_cdt([1, 2, 3]), max_size=3)


@pytest.mark.parametrize(
    "value",
    [
        2**64,
        -(2**63) - 1,
        "\ud800",
        object(),
        {1, 2},
        [Extension(1, b"")],
        {Extension(1, b""): 1},
        OrderedList([], 255),
        OrderedMap({}, -1),
    ],
)
def test_values_that_have_no_form_are_refused(value: Any) -> None:
    with pytest.raises(WireError):
        encode_cdt(value)


def test_types_beyond_a_byte_are_refused() -> None:
    with pytest.raises(WireError):
        Extension(256, b"")
    with pytest.raises(WireError):
        OpaqueBlob(b"", 256)


def test_values_say_what_they_are() -> None:
    assert repr([GeoJSON("{}"), HLL(b"h"), RawString(b"\xff"), OpaqueBlob(b"j", 7)]) == (
        "[GeoJSON('{}'), HLL(b'h'), RawString(b'\\xff'), OpaqueBlob(b'j', 7)]"
    )
