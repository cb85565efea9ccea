"""The compiled filter is the reference evaluator: same records for generated filters over generated records."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import load_lines

from aerospike_magic.devserver.evaluate import Expression
from aerospike_magic.devserver.instructions import ExpressionError
from aerospike_magic.devserver.program import Program, ReferenceMatcher, make_matcher
from aerospike_magic.devserver.store import Namespace, Record, concatenate, now_ms

INT, FLOAT, STRING, BOOL = 2, 7, 3, 1
EDGES = [0, 1, -1, 2, 63, 64, -64, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]

integers = st.one_of(st.sampled_from(EDGES), st.integers(-5, 5))
doubles = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, -1.5, math.nan, math.inf, -math.inf, 1e300, 2.0**63, -(2.0**63), 3.0]),
    st.floats(-10, 10),
)
texts = st.sampled_from([b"", b"a", b"ab", b"b", "é".encode(), b"\xff", b"x" * 300])


def pack(value: Any) -> bytes:
    """Encode an expression's msgpack; bytes are names, `Text` values are strings."""
    if isinstance(value, list):
        return bytes((0xDC,)) + struct.pack(">H", len(value)) + b"".join(map(pack, value))
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        value = value.encode("latin-1")
    return b"\xdb" + struct.pack(">I", len(value)) + value


def text(value: bytes) -> bytes:
    return b"\x03" + value


names = st.sampled_from([b"i", b"f", b"s", b"b", b"mix", b"none"])


@st.composite
def expressions(draw: Any, kind: int = BOOL, depth: int = 3) -> Any:
    leaf = depth == 0 or draw(st.integers(0, 3)) == 0
    again = lambda k: draw(expressions(k, depth - 1))  # noqa: E731
    if kind == INT:
        if leaf:
            return draw(
                st.one_of(
                    integers,
                    names.map(lambda n: [81, INT, n]),
                    names.map(lambda n: [82, n]),
                    st.sampled_from([[80, INT], [64, 3], [64, -7], [65], [66], [68], [73], [74]]),
                )
            )
        code = draw(st.sampled_from([20, 21, 22, 23, 26, 27, 30, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 50, 51]))
        if code in (27, 35, 39):
            return [code, again(INT)]
        if code == 30:
            return [code, again(FLOAT)]
        if code in (40, 41):
            return [code, again(INT), again(BOOL)]
        if code in (26, 36, 37, 38):
            return [code, again(INT), again(INT)]
        return [code, *(again(INT) for _ in range(draw(st.integers(1, 3))))]
    if kind == FLOAT:
        if leaf:
            return draw(st.one_of(doubles, names.map(lambda n: [81, FLOAT, n])))
        code = draw(st.sampled_from([20, 21, 22, 23, 27, 28, 29, 31, 50, 51]))
        if code in (27, 28, 29):
            return [code, again(FLOAT)]
        if code == 31:
            return [code, again(INT)]
        return [code, *(again(FLOAT) for _ in range(draw(st.integers(1, 3))))]
    if kind == STRING:
        return draw(
            st.one_of(texts.map(text), names.map(lambda n: [81, STRING, n]), st.sampled_from([[70], [80, STRING]]))
        )
    if leaf:
        return draw(st.one_of(st.booleans(), names.map(lambda n: [81, BOOL, n]), st.sampled_from([[0], [71], [72]])))
    code = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 123, 125]))
    if code <= 6:
        side = draw(st.sampled_from([INT, INT, FLOAT, STRING, BOOL]))
        return [code, again(side), again(side)]
    if code == 7:
        return [
            7,
            draw(st.sampled_from([0, 1, 2])),
            draw(st.sampled_from([b"a", b"^a", b"b$", b"A", b"^$"])),
            again(STRING),
        ]
    if code == 18:
        return [code, again(BOOL)]
    if code == 123:
        return [code, again(BOOL), again(BOOL), again(BOOL), draw(st.sampled_from([[0], True])), again(BOOL)]
    if code == 125:
        side = draw(st.sampled_from([INT, FLOAT]))
        name = f"v{depth}".encode()
        return [125, name, again(side), [draw(st.integers(1, 6)), [124, name], again(side)]]
    return [code, *(again(BOOL) for _ in range(draw(st.integers(2, 3))))]


@st.composite
def bin_values(draw: Any) -> tuple[int, bytes]:
    kind = draw(st.sampled_from([1, 2, 3, 17, 4]))
    if kind == 1:
        return kind, struct.pack(">q", draw(integers))
    if kind == 2:
        return kind, struct.pack(">d", draw(doubles))
    if kind == 17:
        return kind, bytes((draw(st.integers(0, 1)),))
    return kind, draw(texts)


FIXED = {b"i": 1, b"f": 2, b"s": 3, b"b": 17}


@pytest.fixture(scope="module")
def namespace() -> Namespace:
    """A few hundred records with every kind of value in every kind of bin."""
    filled = Namespace("test")
    generator = np.random.default_rng(3)
    ints = [struct.pack(">q", v) for v in EDGES]
    floats = [struct.pack(">d", v) for v in (0.0, -0.0, 1.5, math.nan, math.inf, -math.inf, 2.0**63, -3.0, 1e-300)]
    strings = [b"", b"a", b"ab", b"b", "é".encode(), b"\xff\xfe", b"x" * 300]
    pools = {1: ints, 2: floats, 3: strings, 4: strings, 17: [b"\0", b"\1"]}
    for i in range(300):
        bins = {}
        for name, kind in FIXED.items():
            if generator.random() < 0.8:
                pool = pools[kind]
                bins[name] = (kind, pool[generator.integers(len(pool))])
        kind = int(generator.choice(list(pools)))
        bins[b"mix"] = (kind, pools[kind][generator.integers(len(pools[kind]))])
        keys = [None, b"\x01" + struct.pack(">q", i), b"\x03ab"]
        digest = hashlib.sha1(struct.pack(">q", i)).digest()
        void_time = 0 if i % 3 else 2**31
        filled.put(Record(digest, ["one", "two", ""][i % 3], 1, void_time, now_ms() - i, keys[i % 3], bins))
    return filled


def select(matcher: Any, namespace: Namespace) -> list[int]:
    offsets = concatenate([namespace.snapshot(p) for p in range(4096)])
    return list(matcher.select(namespace, namespace.arena, offsets))


@given(tree=expressions())
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_generated_filters(namespace: Namespace, tree: Any) -> None:
    try:
        expression = Expression(pack(tree))
    except ExpressionError:
        # A LET inside a LET may use a name again, a COND may mix types: refused before either evaluator sees it.
        return
    program = Program((expression.root,))
    assert select(program, namespace) == select(ReferenceMatcher(expression), namespace)


SCALAR_ROWS = [row for row in load_lines("expressions.jsonl") if "filter" in row and "error" not in row]


@pytest.mark.parametrize("row", SCALAR_ROWS, ids=[row["name"] for row in SCALAR_ROWS])
def test_recorded_filters(namespace: Namespace, row: dict[str, Any]) -> None:
    expression = Expression(base64.b64decode(row["filter"]))
    assert select(make_matcher(expression), namespace) == select(ReferenceMatcher(expression), namespace)


def test_a_conjunction_is_compiled_in_part(namespace: Namespace) -> None:
    list_size = [127, INT, 0, [16], [81, 4, b"mix"]]
    tree = [16, [3, [81, INT, b"i"], 0], [17, [3, list_size, 0], [5, [81, INT, b"i"], 64]]]
    expression = Expression(pack(tree))
    matcher = make_matcher(expression)
    assert not isinstance(matcher, Program | ReferenceMatcher)
    assert select(matcher, namespace) == select(ReferenceMatcher(expression), namespace) != []


@pytest.mark.parametrize(
    ("tree", "code"),
    [
        ([3, [81, FLOAT, b"f"], 3], 4),
        ([3, [81, INT, b"i"]], 4),
        ([16, True], 4),
        ([20, [81, INT, b"i"], 1], 4),
        ([81, BOOL, b"a bin name too long"], 4),
        ([1, [124, b"v"], 1], 4),
        ([125, b"1v", 1, True], 4),
        ([7, 1, b"(", [81, STRING, b"s"]], 4),
        ([99], 4),
        ([8, 1, 1], 16),
        ([1, [127, INT, 0, [254, [], 0], [81, 4, b"mix"]], 1], 16),
        ([1, [127, INT, 1, [51, 0, 8], [81, 4, b"mix"]], 1], 4),
        ([1, [127, INT, 3, [51, 0, 8], [81, 6, b"mix"]], 1], 4),
        (7, 4),
    ],
)
def test_refused_filters(tree: Any, code: int) -> None:
    with pytest.raises(ExpressionError) as refused:
        Expression(pack(tree))
    assert refused.value.code == code


@given(data=st.binary(max_size=60))
@settings(max_examples=300)
def test_any_bytes_are_a_filter_or_refused(data: bytes) -> None:
    try:
        Expression(data)
    except ExpressionError:
        return


def test_deep_nesting_is_refused() -> None:
    tree: Any = True
    for _ in range(100):
        tree = [18, tree]
    Expression(pack(tree))
    with pytest.raises(ExpressionError):
        Expression(b"\x92\x12" * 100_000 + b"\xc3")
