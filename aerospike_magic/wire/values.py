"""Values that Python has no type for, so that what was read can be written back the same.

Everything else in a bin is int, float, str, bool, bytes, list, dict or None.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from aerospike_magic.errors import WireError


class GeoJSON(str):
    """The text of a GeoJSON value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"GeoJSON({str(self)!r})"


class HLL(bytes):
    """The bytes of a HyperLogLog value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"HLL({bytes(self)!r})"


class RawString(bytes):
    """The bytes of a string value that is not valid UTF-8.

    The server never checks; a client written in C can store anything as a string. It is neither repaired,
    which would lose bytes, nor an error, which would hide the record: whoever needs text decides.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"RawString({bytes(self)!r})"


class OpaqueBlob(bytes):
    """The bytes of a value whose content only its writer knows: language blobs, vectors, unknown elements.

    Attributes:
        particle_type: its type, see `ParticleType`.
    """

    particle_type: int

    def __new__(cls, data: bytes, particle_type: int) -> OpaqueBlob:
        """Makes one from its bytes and particle type, 0..255."""
        if not 0 <= particle_type <= 0xFF:
            raise WireError(f"{particle_type} is no particle type, 0..255")
        blob = super().__new__(cls, data)
        blob.particle_type = particle_type
        return blob

    def __repr__(self) -> str:
        return f"OpaqueBlob({bytes(self)!r}, {self.particle_type})"


class OrderedList(list[Any]):
    """A list that the server keeps sorted.

    Attributes:
        flags: 1 ordered; plus 16 with a persisted index.
    """

    def __init__(self, items: Iterable[Any] = (), flags: int = 1) -> None:
        super().__init__(items)
        self.flags = flags


class OrderedMap(dict[Any, Any]):
    """A map that the server keeps sorted by key.

    Attributes:
        flags: 1 by key, 3 by key and value, 8 in order of insertion; plus 16 with a persisted index.
    """

    def __init__(self, items: Iterable[tuple[Any, Any]] | dict[Any, Any] = (), flags: int = 1) -> None:
        super().__init__(items)
        self.flags = flags


class MapPairs(tuple[tuple[Any, Any], ...]):
    """A map that no dict can hold: its keys cannot be hashed, or Python holds them equal (1, 1.0 and True).

    A tuple of (key, value), in the order they came.

    Attributes:
        flags: as in `OrderedMap`; 0 for unordered.
    """

    flags: int
    # Not hashable, like a dict. Maps as keys of maps as keys would also be hashed once a level, and a few megabytes
    # of those could keep a reader busy for minutes.
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __new__(cls, items: Iterable[tuple[Any, Any]] = (), flags: int = 0) -> MapPairs:
        """Makes one from pairs of key and value."""
        pairs = super().__new__(cls, items)
        pairs.flags = flags
        return pairs


@dataclass(frozen=True, slots=True)
class Extension:
    """A msgpack extension among the elements of a list or map; see `INFINITY` and `WILDCARD`."""

    type: int
    data: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.type <= 0xFF:
            raise WireError(f"{self.type} is no extension type, 0..255")


INFINITY = Extension(0xFF, b"\x01")
"""Greater than every value; only in operations."""
WILDCARD = Extension(0xFF, b"\x00")
"""Equal to every value; only in operations."""
