"""GeoJSON values that are written: checked as a server checks them, with the index cell of a point.

A server puts cells of the S2 geometry in front of the text: of a point the one that it lies in, of a region up to
twelve that cover it. Those of regions are left out here; clients skip them.

Sources: Aerospike server, as/src/geospatial/geojson.cc, as/src/base/particle_geojson.c; the S2 geometry's cell
hierarchy (s2geometry.io/devguide/s2cell_hierarchy).
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

from aerospike_magic.devserver.cdt.results import CdtError

INVALID_GEOJSON = 160
"""The result code of what is no GeoJSON, or none of a kind that a server takes."""

_HEADER = struct.Struct(">BH")
_CELL = struct.Struct(">Q")
_IS_REGION = 1
_LEVELS = 30
# By orientation (swapped, inverted) the place of a quadrant on the Hilbert curve; and how its own curve is turned.
_PLACES = ((0, 1, 3, 2), (0, 3, 1, 2), (2, 3, 1, 0), (2, 1, 3, 0))
_TURNS = (1, 0, 0, 3)

LatLng = tuple[float, float]


def stored_geojson(data: bytes) -> bytes:
    """Bring the particle of a GeoJSON value into the form in which it is stored.

    Args:
        data: what the client sent: flags, number of cells, cells (ignored), text.

    Raises:
        CdtError: it is no GeoJSON.
    """
    if len(data) < _HEADER.size:
        raise CdtError(INVALID_GEOJSON)
    _, n_cells = _HEADER.unpack_from(data)
    text = data[_HEADER.size + _CELL.size * n_cells :]
    try:
        point = _read(json.loads(text, parse_constant=_refuse))
    except (ValueError, RecursionError, TypeError, KeyError):
        raise CdtError(INVALID_GEOJSON) from None
    if point is None:
        return _HEADER.pack(_IS_REGION, 0) + text
    return _HEADER.pack(0, 1) + _CELL.pack(cell_id(*point)) + text


def cell_id(latitude: float, longitude: float) -> int:
    """The smallest S2 cell, about a square centimetre, in which a point lies; degrees."""
    phi, theta = math.radians(latitude), math.radians(longitude)
    point = math.cos(theta) * math.cos(phi), math.sin(theta) * math.cos(phi), math.sin(phi)
    face, u, v = _on_cube(point)
    i, j = _coordinate(u), _coordinate(v)
    orientation, position = face & 1, 0
    for k in range(_LEVELS - 1, -1, -1):
        place = _PLACES[orientation][(i >> k & 1) << 1 | (j >> k & 1)]
        position = position << 2 | place
        orientation ^= _TURNS[place]
    return face << 61 | position << 1 | 1


def _on_cube(point: tuple[float, float, float]) -> tuple[int, float, float]:
    """The face of the cube around the sphere that a point falls on, and where there."""
    x, y, z = point
    sizes = [abs(value) for value in point]
    axis = sizes.index(max(sizes))
    face = axis + 3 * (point[axis] < 0)
    u, v = (
        lambda: (y / x, z / x),
        lambda: (-x / y, z / y),
        lambda: (-x / z, -y / z),
        lambda: (z / x, y / x),
        lambda: (z / y, -x / y),
        lambda: (-y / z, -x / z),
    )[face]()
    return face, u, v


def _coordinate(value: float) -> int:
    """A coordinate on a face, -1 to 1, as a whole number, so that cells have nearly equal areas."""
    share = 0.5 * math.sqrt(1 + 3 * value) if value >= 0 else 1 - 0.5 * math.sqrt(1 - 3 * value)
    return max(0, min((1 << _LEVELS) - 1, math.floor(share * (1 << _LEVELS))))


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _read(value: Any) -> LatLng | None:
    """The point that GeoJSON is, None for a region."""
    kind = value["type"]
    if kind == "Feature":
        value = value["geometry"]
        kind = value["type"]
    coordinates = value["coordinates"]
    if kind == "Point":
        return _point(coordinates)
    if kind == "Polygon":
        _check_polygon(coordinates)
    elif kind == "MultiPolygon":
        for polygon in _list(coordinates):
            _check_polygon(polygon)
    elif kind == "AeroCircle":
        center, radius = _list(coordinates)
        _point(center)
        _number(radius)
    else:
        raise ValueError(kind)
    return None


def _check_polygon(loops: Any) -> None:
    for loop in _list(loops):
        points = [_point(point) for point in _list(loop)]
        if len(points) < 4 or points[0] != points[-1]:
            raise ValueError("a loop is not closed")


def _point(value: Any) -> LatLng:
    longitude, latitude = map(_number, _list(value))
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError("not on earth")
    return latitude, longitude


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)
