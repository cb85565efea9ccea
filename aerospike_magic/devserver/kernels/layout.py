"""How a record lies in the arena.

A record is kept as the very message that a scan of all bins sends for it, behind a private header, so that serving
it is one copy. Everything starts on a multiple of eight bytes::

    +0   u32  size of the whole, header included, a multiple of 8
    +4   u32  size of the message
    +8   u64  last update, milliseconds since the Aerospike epoch (2010-01-01 UTC)
    +16  u32  where the bin operations start, from +0
    +20  u16  set id within the namespace, 0 for records of no set
    +22  u16  1 if the user key is stored
    +24  the message: 22 bytes of header, the fields namespace, digest, set, key, then the bins as read operations

The private header is in native byte order, the message in the protocol's big-endian order. A record never changes
once it is reachable: an update appends a new one. That is why readers need no lock.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

HEADER_SIZE = 24
MESSAGE_HEADER_SIZE = 22
GENERATION_AT = HEADER_SIZE + 6
VOID_TIME_AT = HEADER_SIZE + 10
N_OPS_AT = HEADER_SIZE + 20
FIELDS_AT = HEADER_SIZE + MESSAGE_HEADER_SIZE

jit = numba.njit(cache=True, nogil=True, boundscheck=False)
inlined = numba.njit(cache=True, nogil=True, boundscheck=False, inline="always")


@inlined
def read_u32(data: np.ndarray, at: int) -> Any:
    """Read four big-endian bytes."""
    return (
        (np.int64(data[at]) << 24)
        | (np.int64(data[at + 1]) << 16)
        | (np.int64(data[at + 2]) << 8)
        | np.int64(data[at + 3])
    )


@inlined
def write_u32(data: np.ndarray, at: int, value: int) -> None:
    """Write four big-endian bytes."""
    data[at] = (value >> 24) & 0xFF
    data[at + 1] = (value >> 16) & 0xFF
    data[at + 2] = (value >> 8) & 0xFF
    data[at + 3] = value & 0xFF


@inlined
def read_i64(data: np.ndarray, at: int) -> Any:
    """Read eight big-endian bytes as a signed integer."""
    value = np.uint64(0)
    for k in range(8):
        value = (value << np.uint64(8)) | np.uint64(data[at + k])
    return np.int64(value)


@inlined
def write_i64(data: np.ndarray, at: int, value: int) -> None:
    """Write a signed integer as eight big-endian bytes."""
    for k in range(8):
        data[at + k] = (value >> (56 - 8 * k)) & 0xFF


@intrinsic
def copy_bytes(typing_context, source, start, target, at, n_bytes):
    """Copy a run of bytes between arrays that do not overlap: one memcpy, where a loop would go byte by byte."""
    signature = types.void(source, types.intp, target, types.intp, types.intp)

    def generate(context, builder, signature, args):
        source_type, _, target_type, _, _ = signature.args
        origin = context.make_array(source_type)(context, builder, args[0]).data
        place = context.make_array(target_type)(context, builder, args[2]).data
        cgutils.raw_memcpy(builder, builder.gep(place, [args[3]]), builder.gep(origin, [args[1]]), args[4], 1)
        return context.get_dummy_value()

    return signature, generate
