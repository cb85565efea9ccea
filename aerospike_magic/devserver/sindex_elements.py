"""What a secondary index over list elements, map keys or map values enters for a record.

Records never change in place, so what was once found for one is kept until the arena is replaced.

Source: Aerospike server, as/src/sindex/sindex.c (`sbin_from_cdt_bin`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.arena import Arena
from aerospike_magic.devserver.cdt.order import items
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.errors import WireError
from aerospike_magic.wire.msgpack import decode_cdt
from aerospike_magic.wire.particle_type import ParticleType
from aerospike_magic.wire.query import IndexType
from aerospike_magic.wire.values import HLL, GeoJSON, OpaqueBlob, RawString

Offsets = npt.NDArray[np.int64]
_I64 = range(-(1 << 63), 1 << 63)


def hash_bytes(data: bytes) -> int:
    """Hash a string as an index enters it: FNV-1a, 64 bits, signed."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >> 63 else value


class Elements:
    """Finds and keeps the elements of records that an index is over.

    Args:
        bin: the bin's name.
        particle_type: INTEGER, STRING or BLOB.
        kind: which elements.
    """

    def __init__(self, bin: str, particle_type: int, kind: IndexType) -> None:
        self._bin = bin.encode()
        self._type = particle_type
        self._kind = kind
        self._arena: Arena | None = None
        self._found: dict[int, tuple[int, ...]] = {}

    def entries(self, namespace: Namespace, arena: Arena, offsets: Offsets) -> tuple[Offsets, Offsets]:
        """Return the index values and the offsets of their records, one entry a distinct value of a record."""
        old = self._found if arena is self._arena else {}
        found = {at: old[at] if at in old else self._enter(namespace, arena, at) for at in offsets.tolist()}
        self._arena, self._found = arena, found
        values = np.array([value for entered in found.values() for value in entered], np.int64)
        counts = np.array([len(entered) for entered in found.values()], np.int64)
        return values, np.repeat(np.array(list(found), np.int64), counts)

    def holds(self, namespace: Namespace, arena: Arena, at: int, wanted: bytes) -> bool:
        """Say whether a record has an element of these bytes, which its hash alone does not prove."""
        return wanted in self._elements(namespace, arena, at)

    def _enter(self, namespace: Namespace, arena: Arena, at: int) -> tuple[int, ...]:
        elements = self._elements(namespace, arena, at)
        if self._type == ParticleType.INTEGER:
            return tuple(elements)
        return tuple({hash_bytes(element) for element in elements})

    def _elements(self, namespace: Namespace, arena: Arena, at: int) -> set[Any]:
        kind, data = namespace.record(at, arena).bins.get(self._bin, (0, b""))
        if kind != (ParticleType.LIST if self._kind == IndexType.LIST else ParticleType.MAP):
            return set()
        try:
            container = decode_cdt(data)
        except WireError:
            return set()
        return set(self._of_type(self._parts(container)))

    def _parts(self, container: Any) -> Iterable[Any]:
        if self._kind == IndexType.LIST:
            return container if isinstance(container, list) else ()
        return (pair[self._kind == IndexType.MAP_VALUES] for pair in items(container))

    def _of_type(self, parts: Iterable[Any]) -> Iterable[Any]:
        for part in parts:
            if self._type == ParticleType.INTEGER:
                if isinstance(part, int) and not isinstance(part, bool) and part in _I64:
                    yield part
            elif self._type == ParticleType.STRING:
                if isinstance(part, RawString):
                    yield bytes(part)
                elif isinstance(part, str) and not isinstance(part, GeoJSON):
                    yield part.encode()
            elif isinstance(part, bytes) and not isinstance(part, RawString | HLL | OpaqueBlob):
                yield part
