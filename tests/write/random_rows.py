"""Random record batches with keys and columns of every type that can be written."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

INTS = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    "i": (pa.int64(), INTS),
    "small": (pa.int8(), st.integers(-128, 127)),
    "d": (pa.float64(), st.floats()),
    "half": (pa.float32(), st.floats(width=32)),
    "flag": (pa.bool_(), st.booleans()),
    "text": (pa.string(), st.text(max_size=20)),
    "large_text": (pa.large_string(), st.text(max_size=20)),
    "raw": (pa.binary(), st.binary(max_size=20)),
    "large_raw": (pa.large_binary(), st.binary(max_size=20)),
    "fixed": (pa.binary(3), st.binary(min_size=3, max_size=3)),
    "view": (pa.string_view(), st.text(max_size=20)),
    "nothing": (pa.null(), st.none()),
    "category": (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "bb", "ccc"])),
    "items": (pa.list_(pa.int64()), st.lists(st.none() | INTS, max_size=4)),
    "place": (
        pa.struct([("x", pa.int64()), ("y", pa.string())]),
        st.fixed_dictionaries({"x": st.none() | INTS, "y": st.text(max_size=3)}),
    ),
    "pairs": (pa.map_(pa.string(), pa.float64()), st.dictionaries(st.text(max_size=3), st.floats(), max_size=3)),
}
KEYS = {
    pa.int64(): INTS,
    pa.int16(): st.integers(-(2**15), 2**15 - 1),
    pa.string(): st.text(max_size=90),
    pa.large_string(): st.text(max_size=90),
    pa.binary(): st.binary(max_size=90),
    pa.binary(16): st.binary(min_size=16, max_size=16),
}


@st.composite
def batches(draw: Any) -> pa.RecordBatch:
    n = draw(st.integers(1, 6))
    key_type = draw(st.sampled_from(list(KEYS)))
    names = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=6, unique=True))
    arrays = [pa.array(draw(st.lists(KEYS[key_type], min_size=n, max_size=n)), key_type)]
    for name in names:
        dtype, values = VALUES[name]
        arrays.append(pa.array(draw(st.lists(st.none() | values, min_size=n, max_size=n)), dtype))
    # A slice, so that no buffer starts with its first row.
    return pa.RecordBatch.from_arrays(arrays, ["__key", *names]).slice(draw(st.integers(0, n - 1)))
