"""How large a record may be: the size that a server counts, which is that of its storage, and the limits of it.

Source: Aerospike server, as/src/storage/flat.c (`as_flat_record_size`), drv_mem.c (`buffer_bins`), the `…_flat_size`
functions of as/src/base/particle_*.c.
"""

from __future__ import annotations

from collections.abc import Mapping

from aerospike_magic.wire.particle_type import ParticleType

DEFAULT_RECORD_SIZE = 1 << 20
"""Bytes that a record may have unless the namespace is told otherwise."""

MIN_RECORD_SIZE = 64
"""The least that a namespace can be told."""

MAX_RECORD_SIZE = 8 << 20
"""The most that a namespace can be told: the size of a server's write block."""

_HEADER_AND_END = 35 + 4
_VALUE_HEADER = 5
_BIN_AT_MOST = 1 + 2 + 8
_REST_AT_MOST = 160


def is_too_big(
    limit: int, set_name: str, key: bytes | None, void_time: int, bins: Mapping[bytes, tuple[int, bytes]]
) -> bool:
    """Say whether a record is larger than a namespace allows.

    Args:
        limit: bytes.
        set_name: the record's set, empty for none.
        key: its user key with the particle type, None if not stored.
        void_time: when it expires, 0 for never.
        bins: types and bytes by name.
    """
    # Nearly all are far below: no need to be exact.
    at_most = _REST_AT_MOST + sum(len(name) + len(data) + _BIN_AT_MOST for name, (_, data) in bins.items())
    if at_most + len(key or b"") <= limit:
        return False
    size = _HEADER_AND_END + 4 * bool(void_time) + _variable_size(len(bins))
    if set_name:
        size += 1 + len(set_name.encode())
    if key is not None:
        size += _variable_size(len(key)) + len(key)
    for name, (kind, data) in bins.items():
        size += 1 + len(name) + _value_size(kind, data)
    return size > limit


def _variable_size(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))


def _value_size(kind: int, data: bytes) -> int:
    if kind == ParticleType.INTEGER:
        used = 8 - (len(data) - len(data.lstrip(b"\0")))
        return 2 + next(n for n in (1, 2, 4, 8) if used <= n)
    if kind == ParticleType.DOUBLE:
        return 9
    if kind == ParticleType.BOOL:
        return 2
    return _VALUE_HEADER + len(data)
