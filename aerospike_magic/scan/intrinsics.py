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


def _declare_u8(typingctx, address):
    return _load(8, types.int64, False)(typingctx, address)


def _declare_be16(typingctx, address):
    return _load(16, types.int64, True)(typingctx, address)


def _declare_le16(typingctx, address):
    return _load(16, types.int64, False)(typingctx, address)


def _declare_be32(typingctx, address):
    return _load(32, types.int64, True)(typingctx, address)


def _declare_be64(typingctx, address):
    return _load(64, types.uint64, True)(typingctx, address)


def _declare_i64(typingctx, address):
    return _load(64, types.int64, False)(typingctx, address)


def _declare_le32(typingctx, address):
    return _load(32, types.int64, False)(typingctx, address)


def _declare_le64(typingctx, address):
    return _load(64, types.uint64, False)(typingctx, address)


load_u8 = intrinsic(_declare_u8)
load_be16 = intrinsic(_declare_be16)
load_le16 = intrinsic(_declare_le16)
load_be32 = intrinsic(_declare_be32)
load_be64 = intrinsic(_declare_be64)
load_le64 = intrinsic(_declare_le64)
load_i64 = intrinsic(_declare_i64)
load_le32 = intrinsic(_declare_le32)


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


def _declare_store_u8(typingctx, address, value):
    return _store(8, types.int64)(typingctx, address, value)


def _declare_store_le32(typingctx, address, value):
    return _store(32, types.int64)(typingctx, address, value)


def _declare_store_le64(typingctx, address, value):
    return _store(64, types.uint64)(typingctx, address, value)


def _declare_store_double(typingctx, address, value):
    return _store(64, types.float64)(typingctx, address, value)


store_u8 = intrinsic(_declare_store_u8)
store_le32 = intrinsic(_declare_store_le32)
store_le64 = intrinsic(_declare_store_le64)
store_double = intrinsic(_declare_store_double)


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
