"""Unaligned big-endian loads, stores and copies on raw addresses, for the numba kernels.

A record's values stand at any byte offset, big-endian. numba indexes an array byte by byte with wrap-around checks;
one unaligned machine load and a byte swap do the same in two instructions. Callers check every bound themselves
before they load: nothing here does.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I8 = ir.IntType(8)
_I64 = ir.IntType(64)


def _pointer(builder: Any, address: Any, int_type: Any) -> Any:
    return builder.inttoptr(address, int_type.as_pointer())


def _load(width: int, numba_type: Any, swap: bool) -> Any:
    int_type = ir.IntType(width)

    def declare(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = builder.load(_pointer(builder, args[0], int_type), align=1, typ=int_type)
            if swap:
                value = builder.bswap(value)
            return builder.zext(value, _I64) if width < 64 else value

        return numba_type(types.uintp), codegen

    return declare


load_u8 = intrinsic(_load(8, types.int64, False))
load_be16 = intrinsic(_load(16, types.int64, True))
load_le16 = intrinsic(_load(16, types.int64, False))
load_be32 = intrinsic(_load(32, types.int64, True))
load_be64 = intrinsic(_load(64, types.uint64, True))
load_le64 = intrinsic(_load(64, types.uint64, False))
load_i64 = intrinsic(_load(64, types.int64, False))
load_le32 = intrinsic(_load(32, types.int64, False))


def _store(width: int, value_type: Any) -> Any:
    int_type = ir.IntType(width)

    def declare(typingctx: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = args[1]
            if isinstance(value.type, ir.DoubleType):
                value = builder.bitcast(value, _I64)
            elif width < 64:
                value = builder.trunc(value, int_type)
            builder.store(value, _pointer(builder, args[0], int_type), align=1)
            return context.get_dummy_value()

        return types.none(types.uintp, value_type), codegen

    return declare


store_u8 = intrinsic(_store(8, types.int64))
store_le32 = intrinsic(_store(32, types.int64))
store_le64 = intrinsic(_store(64, types.uint64))
store_double = intrinsic(_store(64, types.float64))


@intrinsic
def copy_bytes(typingctx, target, source, n_bytes):
    """memcpy: `n_bytes` from address `source` to address `target`, not overlapping."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _I8.as_pointer()
        memcpy = builder.module.declare_intrinsic("llvm.memcpy", [pointer, pointer, _I64])
        to, frm = builder.inttoptr(args[0], pointer), builder.inttoptr(args[1], pointer)
        builder.call(memcpy, [to, frm, args[2], ir.Constant(ir.IntType(1), 0)])
        return context.get_dummy_value()

    return types.none(types.uintp, types.uintp, types.int64), codegen
