"""Runs compiled filters over records: a stack machine with three-valued logic.

A slot of the stack is known or not, and holds an integer (booleans too), a double, or a range of bytes in the arena or
in the program's own bytes. The types are fixed when the program is made, so nothing is checked here.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from aerospike_magic.devserver.kernels import opcodes as op
from aerospike_magic.devserver.kernels.layout import HEADER_SIZE, VOID_TIME_AT, read_i64, read_u32
from aerospike_magic.devserver.kernels.scan import find_op

EPOCH_S = 1_262_304_000
_SMALLEST = -(1 << 63)

jit = numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")


@intrinsic
def call_regexec(typing_context, function, pattern, text):
    """Call the C library's regexec by its address; cached machine code must not hold the address itself."""
    signature = types.int32(types.int64, types.int64, types.int64)

    def generate(context, builder, signature, args):
        byte_pointer, i32, i64 = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)
        kind = ir.FunctionType(i32, [byte_pointer, byte_pointer, i64, byte_pointer, i32])
        target = builder.inttoptr(args[0], kind.as_pointer())
        pattern_pointer = builder.inttoptr(args[1], byte_pointer)
        text_pointer = builder.inttoptr(args[2], byte_pointer)
        nothing = ir.Constant(byte_pointer, None)
        return builder.call(target, [pattern_pointer, text_pointer, i64(0), nothing, i32(0)])

    return signature, generate


@jit
def compare_order(code: int, order: int) -> bool:
    """Turn an order (below, at, above zero) into the outcome of a comparison; codes are the wire's."""
    if code == 1:
        return order == 0
    if code == 2:
        return order != 0
    if code == 3:
        return order > 0
    if code == 4:
        return order >= 0
    if code == 5:
        return order < 0
    return order <= 0


@jit
def compare_floats(code: int, left: float, right: float) -> bool:
    """Compare doubles as the processor does: nothing holds of NaN but "not equal"."""
    if code == 1:
        return left == right
    if code == 2:
        return left != right
    if code == 3:
        return left > right
    if code == 4:
        return left >= right
    if code == 5:
        return left < right
    return left <= right


@jit
def order_bytes(
    left: np.ndarray, left_at: int, left_size: int, right: np.ndarray, right_at: int, right_size: int
) -> int:
    """Order two runs of bytes."""
    for k in range(min(left_size, right_size)):
        a = left[left_at + k]
        b = right[right_at + k]
        if a != b:
            return -1 if a < b else 1
    return left_size - right_size


@jit
def divide_truncated(left: int, right: int) -> int:
    """Divide towards zero; right is not zero."""
    if right == -1:
        return -left
    quotient = left // right
    if quotient < 0 and quotient * right != left:
        quotient += 1
    return quotient


@jit
def bit_length(value: int) -> int:
    """Count the bits of an unsigned number up to its highest."""
    n = 0
    rest = np.uint64(value)
    while rest != np.uint64(0):
        rest >>= np.uint64(1)
        n += 1
    return n


@jit
def apply_int(code: int, a: int, b: int) -> Any:
    """Apply an instruction of two integers; False if it has no result."""
    if code == op.ADD_INT:
        return True, a + b
    if code == op.SUB_INT:
        return True, a - b
    if code == op.MUL_INT:
        return True, a * b
    if code == op.DIV_INT:
        if b == 0:
            return False, 0
        return True, divide_truncated(a, b)
    if code == op.MOD_INT:
        if b == 0:
            return False, 0
        return True, a - b * divide_truncated(a, b)
    if code == op.AND_INT:
        return True, a & b
    if code == op.OR_INT:
        return True, a | b
    if code == op.XOR_INT:
        return True, a ^ b
    if code == op.LSHIFT:
        return True, np.int64(np.uint64(a) << np.uint64(b & 63))
    if code == op.RSHIFT:
        return True, np.int64(np.uint64(a) >> np.uint64(b & 63))
    if code == op.ARSHIFT:
        return True, a >> (b & 63)
    if code == op.LSCAN or code == op.RSCAN:
        bits = a if b else ~a
        if bits == 0:
            return True, -1
        if code == op.RSCAN:
            bits = bits & -bits
        return True, 64 - bit_length(bits)
    if code == op.MIN_INT:
        return True, min(a, b)
    return True, max(a, b)


@jit
def apply_float(code: int, a: float, b: float) -> float:
    """Apply an instruction of two doubles."""
    if code == op.ADD_FLOAT:
        return a + b
    if code == op.SUB_FLOAT:
        return a - b
    if code == op.MUL_FLOAT:
        return a * b
    if code == op.DIV_FLOAT:
        return a / b
    if code == op.POW_FLOAT:
        return a**b
    if code == op.LOG_FLOAT:
        return np.log(a) / np.log(b)
    if code == op.MIN_FLOAT:
        return b if b < a else a
    return b if b > a else a


@jit
def float_bits(bits: np.ndarray, value: int) -> float:
    """Read an integer's bits as a double; `bits` is one word to do it in."""
    bits[0] = value
    return bits.view(np.float64)[0]


@jit
def run_program(
    code: np.ndarray,
    pool: np.ndarray,
    patterns: np.ndarray,
    set_starts: np.ndarray,
    n_slots: int,
    arena: np.ndarray,
    arena16: np.ndarray,
    arena32: np.ndarray,
    arena64: np.ndarray,
    digest_at: int,
    now_ms: int,
    offsets: np.ndarray,
    kept: np.ndarray,
) -> int:
    """Keep the records for which a filter is true.

    Args:
        code: instructions, n × 4.
        pool: the program's bytes: names, texts, set names.
        patterns: the address of regexec, then the addresses of compiled patterns.
        set_starts: where in `pool` each set's name starts, by set id, and where the last one ends.
        n_slots: depth of stack and number of variables that suffice.
        arena: the namespace's bytes, then the same as 16, 32 and 64-bit words.
        arena16: see above.
        arena32: see above.
        arena64: see above.
        digest_at: where a record's digest starts.
        now_ms: milliseconds since the Aerospike epoch.
        offsets: the records.
        kept: receives the offsets of those that match.

    Returns:
        how many match.
    """
    known = np.zeros(2 * n_slots, np.bool_)
    ints = np.zeros(2 * n_slots, np.int64)
    floats = np.zeros(2 * n_slots, np.float64)
    sizes = np.zeros(2 * n_slots, np.int64)
    in_pool = np.zeros(2 * n_slots, np.bool_)
    bits = np.zeros(1, np.int64)
    scratch = np.zeros(256, np.uint8)
    n_kept = 0
    n_code = len(code)
    for i in range(len(offsets)):
        at = offsets[i]
        ops_at = at + np.int64(arena32[(at >> 2) + 4])
        end = at + HEADER_SIZE + np.int64(arena32[(at >> 2) + 1])
        top = -1
        pc = 0
        while pc < n_code:
            what = code[pc, 0]
            a = code[pc, 1]
            b = code[pc, 2]
            pc += 1
            if what == op.BIN:
                top += 1
                known[top] = False
                found = find_op(arena, ops_at, end, pool, a, b)
                if found >= 0 and np.int64(arena[found + 5]) == code[pc - 1, 3]:
                    known[top] = True
                    start = found + 8 + b - a
                    kind = code[pc - 1, 3]
                    if kind == 1:
                        ints[top] = read_i64(arena, start)
                    elif kind == 2:
                        floats[top] = float_bits(bits, read_i64(arena, start))
                    elif kind == 17:
                        ints[top] = 1 if arena[start] != 0 else 0
                    else:
                        ints[top] = start
                        sizes[top] = found + 4 + read_u32(arena, found) - start
                        in_pool[top] = False
            elif what == op.PUSH_INT:
                top += 1
                known[top] = True
                ints[top] = a
            elif what == op.COMPARE_INT:
                top -= 1
                known[top] = known[top] and known[top + 1]
                x, y = ints[top], ints[top + 1]
                ints[top] = 1 if compare_order(a, 1 if x > y else (-1 if x < y else 0)) else 0
            elif what == op.COMPARE_FLOAT:
                top -= 1
                known[top] = known[top] and known[top + 1]
                ints[top] = 1 if compare_floats(a, floats[top], floats[top + 1]) else 0
            elif what == op.COMPARE_BYTES:
                top -= 1
                known[top] = known[top] and known[top + 1]
                if known[top]:
                    order = order_bytes(
                        pool if in_pool[top] else arena,
                        ints[top],
                        sizes[top],
                        pool if in_pool[top + 1] else arena,
                        ints[top + 1],
                        sizes[top + 1],
                    )
                    ints[top] = 1 if compare_order(a, order) else 0
            elif what == op.AND:
                top -= 1
                no = (known[top] and ints[top] == 0) or (known[top + 1] and ints[top + 1] == 0)
                known[top] = no or (known[top] and known[top + 1])
                ints[top] = 0 if no else 1
            elif what == op.OR:
                top -= 1
                yes = (known[top] and ints[top] != 0) or (known[top + 1] and ints[top + 1] != 0)
                known[top] = yes or (known[top] and known[top + 1])
                ints[top] = 1 if yes else 0
            elif what == op.NOT:
                ints[top] = 1 - ints[top]
            elif what == op.JUMP_FALSE:
                if known[top] and ints[top] == 0:
                    pc = a
            elif what == op.JUMP_TRUE:
                if known[top] and ints[top] != 0:
                    pc = a
            elif what == op.PUSH_FLOAT:
                top += 1
                known[top] = True
                floats[top] = float_bits(bits, a)
            elif what == op.PUSH_BYTES:
                top += 1
                known[top] = True
                ints[top] = a
                sizes[top] = b
                in_pool[top] = True
            elif what == op.PUSH_UNKNOWN:
                top += 1
                known[top] = False
            elif what == op.BIN_TYPE:
                top += 1
                known[top] = True
                found = find_op(arena, ops_at, end, pool, a, b)
                ints[top] = np.int64(arena[found + 5]) if found >= 0 else 0
            elif op.FIRST_INT <= what <= op.LAST_INT:
                top -= 1
                known[top] = known[top] and known[top + 1]
                if known[top]:
                    ok, value = apply_int(what, ints[top], ints[top + 1])
                    known[top] = ok
                    ints[top] = value
            elif op.FIRST_FLOAT <= what <= op.LAST_FLOAT:
                top -= 1
                known[top] = known[top] and known[top + 1]
                floats[top] = apply_float(what, floats[top], floats[top + 1])
            elif what == op.ABS_INT:
                ints[top] = -ints[top] if ints[top] < 0 else ints[top]
            elif what == op.NOT_INT:
                ints[top] = ~ints[top]
            elif what == op.BIT_COUNT:
                n_bits = 0
                rest = np.uint64(ints[top])
                while rest != np.uint64(0):
                    rest &= rest - np.uint64(1)
                    n_bits += 1
                ints[top] = n_bits
            elif what == op.TO_FLOAT:
                floats[top] = np.float64(ints[top])
            elif what == op.TO_INT:
                x = floats[top]
                ints[top] = np.int64(x) if -9223372036854775808.0 <= x < 9223372036854775808.0 else _SMALLEST
            elif what == op.ABS_FLOAT:
                floats[top] = abs(floats[top])
            elif what == op.FLOOR:
                floats[top] = np.floor(floats[top])
            elif what == op.CEIL:
                floats[top] = np.ceil(floats[top])
            elif what == op.BRANCH:
                # Of a condition: unknown ends the whole (its place stays unknown), false goes on to the next.
                if not known[top]:
                    pc = b
                else:
                    top -= 1
                    if ints[top + 1] == 0:
                        pc = a
            elif what == op.JUMP:
                pc = a
            elif what == op.EXCLUSIVE:
                # Below the value: whether one was true already. Unknown or a second true decide.
                top -= 1
                if not known[top + 1]:
                    known[top] = False
                    pc = a
                elif ints[top + 1] != 0:
                    if ints[top] != 0:
                        ints[top] = 0
                        pc = a
                    else:
                        ints[top] = 1
            elif what == op.STORE:
                known[n_slots + a] = known[top]
                ints[n_slots + a] = ints[top]
                floats[n_slots + a] = floats[top]
                sizes[n_slots + a] = sizes[top]
                in_pool[n_slots + a] = in_pool[top]
                top -= 1
            elif what == op.LOAD:
                top += 1
                known[top] = known[n_slots + a]
                ints[top] = ints[n_slots + a]
                floats[top] = floats[n_slots + a]
                sizes[top] = sizes[n_slots + a]
                in_pool[top] = in_pool[n_slots + a]
            elif what == op.REGEX:
                if known[top]:
                    size = sizes[top]
                    if size >= len(scratch):
                        scratch = np.zeros(2 * size + 1, np.uint8)
                    for k in range(size):
                        scratch[k] = pool[ints[top] + k] if in_pool[top] else arena[ints[top] + k]
                    scratch[size] = 0
                    missed = call_regexec(patterns[0], patterns[1 + a], np.int64(scratch.ctypes.data))
                    ints[top] = 1 if missed == 0 else 0
            elif what == op.SET_NAME:
                top += 1
                known[top] = True
                set_id = np.int64(arena16[(at >> 1) + 10])
                ints[top] = set_starts[set_id]
                sizes[top] = set_starts[set_id + 1] - set_starts[set_id]
                in_pool[top] = True
            elif what == op.KEY:
                top += 1
                known[top] = False
                if arena16[(at >> 1) + 11] != 0:
                    # The key is the last field: walk to it from the digest.
                    field = digest_at + at + 20
                    while field < ops_at:
                        size = read_u32(arena, field)
                        if arena[field + 4] == 2 and np.int64(arena[field + 5]) == a:
                            known[top] = True
                            if a == 1:
                                ints[top] = read_i64(arena, field + 6)
                            else:
                                ints[top] = field + 6
                                sizes[top] = size - 2
                                in_pool[top] = False
                        field += 4 + size
            else:
                top += 1
                known[top] = True
                void_time = read_u32(arena, at + VOID_TIME_AT)
                if what == op.KEY_EXISTS:
                    ints[top] = np.int64(arena16[(at >> 1) + 11])
                elif what == op.DIGEST_MODULO:
                    word = np.int64(0)
                    for k in range(4):
                        word |= np.int64(arena[at + digest_at + 16 + k]) << (8 * k)
                    ints[top] = word - a * divide_truncated(word, a)
                elif what == op.LAST_UPDATE:
                    ints[top] = (np.int64(arena64[(at >> 3) + 1]) + EPOCH_S * 1000) * 1_000_000
                elif what == op.SINCE_UPDATE:
                    since = now_ms - np.int64(arena64[(at >> 3) + 1])
                    ints[top] = since if since > 0 else 0
                elif what == op.VOID_TIME:
                    ints[top] = (void_time + EPOCH_S) * 1_000_000_000 if void_time else -1
                elif what == op.TTL:
                    ints[top] = max(0, void_time - now_ms // 1000) if void_time else -1
                else:
                    ints[top] = np.int64(arena32[at >> 2])
        if top >= 0 and known[0] and ints[0] != 0:
            kept[n_kept] = at
            n_kept += 1
    return n_kept
