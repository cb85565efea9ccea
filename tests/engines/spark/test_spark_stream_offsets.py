"""Offsets of a stream: what lies between them, and that every record lies between two of them exactly once."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'aerospike-magic[spark]'")

from hypothesis import given, settings
from hypothesis import strategies as st

from aerospike_magic.engines.spark.stream_offsets import Offset, Part, pieces_between
from aerospike_magic.errors import ConfigError

# A set in small: its partitions are these of the 4,096, a record is (last-update-time, partition, word of its digest).
PARTITIONS = (0, 1, 2, 4094, 4095)
RECORDS = [(ms, partition, word) for ms in range(8) for partition in PARTITIONS for word in range(6)]


def between(start, end):
    """The records between two offsets, each as often as it would be read."""
    return [
        record
        for piece in pieces_between(start, end)
        for record in RECORDS
        if piece.start_ms <= record[0] < piece.end_ms
        and record[1] in piece.partitions
        and record[2] % piece.slices in piece.remainders
    ]


@st.composite
def walks(draw):
    """Offsets in the order in which a stream reaches them, the limit coming and going."""
    at, walk = Offset(draw(st.integers(0, 2))), []
    while at.until_ms < 8:
        walk.append(at)
        end_ms = at.part.end_ms if at.part else draw(st.integers(at.until_ms + 1, 8))
        first, slice_, slices = (at.part.partition, at.part.slice, at.part.slices) if at.part else (0, 0, 1)
        step = draw(st.sampled_from(["all", "partitions", "slice"]))
        if step == "all":
            at = Offset(max(end_ms, draw(st.integers(end_ms, 8))))
        elif slice_ or step == "slice":
            slices = slices if slice_ else draw(st.integers(2, 4))
            done = slice_ + 1 == slices
            part = Part(end_ms, first + 1) if done else Part(end_ms, first, slice_ + 1, slices)
            at = Offset(end_ms) if part.partition == 4096 else Offset(at.until_ms, part)
        else:
            following = [p for p in (*PARTITIONS[1:], 4096) if p > first]
            partition = draw(st.sampled_from(following))
            at = Offset(end_ms) if partition == 4096 else Offset(at.until_ms, Part(end_ms, partition))
    return [*walk, at]


@given(walks())
@settings(max_examples=300, deadline=None)
def test_every_record_is_in_one_batch(walk):
    read = [record for start, end in pairwise(walk) for record in between(start, end)]
    assert sorted(read) == [record for record in RECORDS if record[0] >= walk[0].until_ms]


@given(walks())
@settings(max_examples=100, deadline=None)
def test_what_is_behind_is_never_read(walk):
    for i, later in enumerate(walk):
        for earlier in walk[: i + 1]:
            assert between(later, earlier) == []


@given(walks())
@settings(max_examples=50, deadline=None)
def test_an_offset_is_the_same_after_the_checkpoint(walk):
    for offset in walk:
        text = json.dumps(offset.to_json())
        assert Offset.from_json(json.loads(text)) == offset
        assert json.dumps(Offset.from_json(json.loads(text)).to_json()) == text


@pytest.mark.parametrize("data", [{}, {"until_ms": 5}, {"version": 2, "until_ms": 5}])
def test_the_checkpoint_of_another_source_is_told(data):
    with pytest.raises(ConfigError, match="checkpoint of another query"):
        Offset.from_json(data)
