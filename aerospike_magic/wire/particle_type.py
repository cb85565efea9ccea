"""The particle types: what the bytes of a bin's value are.

Source: Aerospike server, as/include/base/datamodel.h (`as_particle_type`).
"""

from __future__ import annotations

from enum import IntEnum


class ParticleType(IntEnum):
    """The type of a bin's value, or of a key."""

    NULL = 0
    INTEGER = 1
    DOUBLE = 2
    STRING = 3
    BLOB = 4
    JAVA_BLOB = 7
    CSHARP_BLOB = 8
    PYTHON_BLOB = 9
    RUBY_BLOB = 10
    PHP_BLOB = 11
    ERLANG_BLOB = 12
    VECTOR = 16
    BOOL = 17
    HLL = 18
    MAP = 19
    LIST = 20
    GEOJSON = 23
