"""Values that are written whole: what is stored, and what is refused, as a real server (8.1.2) does it.

With `AEROSPIKE_TEST_HOST=host:port` random ones are compared with a real server, byte by byte.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from random_values import RandomValues
from raw_client import RawClient

MAP, LIST, GEOJSON, BOOL, INTEGER, DOUBLE = 19, 20, 23, 17, 1, 2

ROWS = [
    # A map is put in order of its keys: integers, strings, blobs.
    (MAP, "84 a20362 01 a20461 02 05 03 a20361 04", "84 05 03 a20361 04 a20362 01 a20461 02"),
    (MAP, "82 01 82 02 00 01 00 00 00", "82 00 00 01 82 01 00 02 00"),
    # Numbers, strings and headers get their shortest form.
    (MAP, "df00000001 cd0001 d3ffffffffffffffff", "81 01 ff"),
    (LIST, "dc0002 cf00000000000000ff c4020361", "92 ccff a20361"),
    (LIST, "91 ca3f800000", "91 ca3f800000"),
    # Of the flags the order stays.
    (LIST, "93 c70001 01 02", "93 c70001 01 02"),
    (LIST, "93 c70011 01 02", "93 c70001 01 02"),
    (LIST, "93 c70000 02 01", "92 02 01"),
    (MAP, "82 c70003 c0 01 02", "82 c70003 c0 01 02"),
    (MAP, "82 c70008 c0 01 02", "81 01 02"),
    (LIST, "91 92 c70010 01", "91 91 01"),
    # Refused: a key twice, keys of other types, an order that it breaks, what is only for comparing, broken bytes.
    (MAP, "82 01 01 01 02", 1),
    (MAP, "81 cb0000000000000000 01", 1),
    (MAP, "81 c0 01", 1),
    (MAP, "81 c3 01", 1),
    (MAP, "81 90 01", 1),
    (MAP, "83 c70001 c0 02 00 01 00", 1),
    (LIST, "93 c70001 02 01", 1),
    (LIST, "92 01 d4ff00", 1),
    (LIST, "92 01", 1),
    (LIST, "91 01 01", 1),
    (LIST, "80", 1),
    (MAP, "", 1),
    (BOOL, "02", 4),
    (DOUBLE, "00", 4),
    (INTEGER, "000000", 4),
    (5, "00", 4),
]


@pytest.fixture(scope="module")
def ours(server: Any) -> Iterator[RawClient]:
    raw = RawClient(server.host, server.port)
    yield raw
    raw.close()


@pytest.mark.parametrize(("kind", "written", "stored"), ROWS)
@pytest.mark.parametrize("way", ["put", "batch", "batch over"])
def test_what_is_stored(ours: RawClient, kind: int, written: str, stored: Any, way: str) -> None:
    ours.remove(1)
    if way == "batch over":
        assert ours.put(1, INTEGER, bytes(8)) == 0
    data = bytes.fromhex(written)
    code = ours.put(1, kind, data) if way == "put" else ours.put_many([(1, kind, data)])[0]
    if isinstance(stored, int):
        assert code == stored
        assert ours.get(1)[0] == (0 if way == "batch over" else 2)
    else:
        assert code == 0
        assert ours.get(1) == (0, {"b": (kind, bytes.fromhex(stored))})


def test_the_fast_path_stores_the_same(ours: RawClient) -> None:
    values = RandomValues(7, 0.0)
    rows = [(key, *values.value()) for key in range(300)]
    for key, *_ in rows:
        ours.remove(key)
    codes = [ours.put(*row) for row in rows]
    one_by_one = [ours.get(key) for key, *_ in rows]
    for key, *_ in rows:
        ours.remove(key)
    assert ours.put_many(rows) == codes
    assert [ours.get(key) for key, *_ in rows] == one_by_one


def text(kind: str, coordinates: str) -> bytes:
    return f'{{"type":"{kind}","coordinates":{coordinates}}}'.encode()


POINTS = [
    ("[1,2]", "1003 6e17ca9fb709"),
    ("[0,0]", "1000 000000000001"),
    ("[-122.25,37.75]", None),
    ("[180,-90]", None),
]
BAD_GEOJSON = [
    b"",
    b"{}",
    b"[1,2]",
    b"no json",
    b'{"type":"Point"}',
    text("Point", "[1]"),
    text("Point", '["1",2]'),
    text("Point", "[200,2]"),
    text("LineString", "[[0,0],[0,1]]"),
    text("Polygon", "[[[0,0],[0,1]]]"),
    text("Polygon", "[[[0,0],[0,1],[1,1],[0,2]]]"),
    text("AeroCircle", "[[0,0]]"),
]


@pytest.mark.parametrize(("coordinates", "cell"), POINTS)
def test_a_point_is_stored_with_its_cell(ours: RawClient, coordinates: str, cell: str | None) -> None:
    ours.remove(1)
    assert ours.put(1, GEOJSON, bytes(3) + text("Point", coordinates)) == 0
    data = ours.get(1)[1]["b"][1]
    assert data[:3] == b"\0\0\1"
    assert data[11:] == text("Point", coordinates)
    if cell is not None:
        assert data[3:11] == bytes.fromhex(cell)


@pytest.mark.parametrize("value", BAD_GEOJSON)
def test_what_is_no_geojson_is_refused(ours: RawClient, value: bytes) -> None:
    ours.remove(1)
    assert ours.put(1, GEOJSON, bytes(3) + value) == 160
    assert ours.put_many([(1, GEOJSON, bytes(3) + value)]) == [160]


def test_points_like_a_real_server(real_server: Any, ours: RawClient) -> None:
    real = RawClient(real_server.host, real_server.port)
    chance = random.Random(1)
    for i in range(500):
        step = 45 if i % 3 else 0.37
        place = [step * chance.randrange(round(-185 / step), round(185 / step)) for _ in range(2)]
        found = []
        for raw in (real, ours):
            raw.remove(1)
            found.append((raw.put(1, GEOJSON, bytes(3) + text("Point", str(place))), raw.get(1)))
        assert found[0] == found[1], place
    real.close()


@pytest.mark.parametrize("odd", [0.0, 1.0])
def test_like_a_real_server(real_server: Any, ours: RawClient, odd: float) -> None:
    real = RawClient(real_server.host, real_server.port)
    values = RandomValues(1, odd)
    for _ in range(3_000):
        kind, data = values.value()
        found = []
        for raw in (real, ours):
            raw.remove(1)
            found.append((raw.put(1, kind, data), raw.get(1)))
        assert found[0] == found[1], data.hex(" ")
    real.close()
