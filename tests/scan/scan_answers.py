"""Answers to scans as a node would send them, made by the wire room, for tests of the decoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aerospike_magic.scan.columns import DecodedBatch, Layout
from aerospike_magic.scan.decode import AnswerDecoder, ResumePoints, Step
from aerospike_magic.schema.types import Column
from aerospike_magic.wire.message import Field, FieldType, Info3, Message, Op, OpType, encode_message
from aerospike_magic.wire.particle import encode_particle
from aerospike_magic.wire.proto import ProtoType, encode_proto

LAST = encode_proto(ProtoType.MESSAGE, encode_message(Message(info3=Info3.LAST)))


def record(
    bins: Mapping[str, Any],
    *,
    digest: bytes = bytes(20),
    key: Any = None,
    generation: int = 1,
    void_time: int = 0,
    raw: Sequence[Op] = (),
) -> bytes:
    """One record message; `raw` adds operations as they are."""
    fields = [Field(FieldType.NAMESPACE, b"test"), Field(FieldType.DIGEST, digest), Field(FieldType.SET, b"s")]
    if key is not None:
        particle, data = encode_particle(key)
        fields.append(Field(FieldType.KEY, bytes([particle]) + data))
    ops = [Op(OpType.READ, *_named(name, value)) for name, value in bins.items()]
    return encode_message(Message(generation=generation, record_ttl=void_time, fields=tuple(fields), ops=(*ops, *raw)))


def _named(name: str, value: Any) -> tuple[int, str, bytes]:
    particle, data = encode_particle(value)
    return particle, name, data


def protos(messages: Iterable[bytes], per_proto: int = 7) -> bytes:
    """Frames of a few messages each, and the last message."""
    messages = list(messages)
    parts = [b"".join(messages[i : i + per_proto]) for i in range(0, len(messages), per_proto)]
    return b"".join(encode_proto(ProtoType.MESSAGE, p) for p in parts) + LAST


class Decoded:
    """A decoder fed with one answer in pieces; `rows` are the records as dicts."""

    def __init__(
        self,
        columns: Sequence[Column],
        data: bytes,
        *,
        piece: int = 1 << 20,
        batch_rows: int = 65_536,
        note_unseen: bool = True,
        on_mismatch: str = "null",
    ) -> None:
        self.batches: list[DecodedBatch] = []
        self.resume = ResumePoints()
        self.decoder = AnswerDecoder(
            Layout(columns),
            batch_rows=batch_rows,
            first_rows=batch_rows,
            note_unseen=note_unseen,
            on_mismatch=on_mismatch,
            emit=self.batches.append,
        )
        self.is_complete = self._feed(data, piece)

    def _feed(self, data: bytes, piece: int) -> bool:
        self.decoder.begin_answer()
        position = 0
        while position < len(data):
            space = self.decoder.free_space()
            part = data[position : position + min(piece, len(space))]
            space[: len(part)] = part
            self.decoder.received(len(part))
            position += len(part)
            if self.decoder.step(self.resume) is Step.LAST:
                self.decoder.flush()
                return True
        return False

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for decoded in self.batches for row in decoded.batch.to_pylist()]

    @property
    def mismatches(self) -> dict[str, int]:
        names = [c.name for c in self.decoder.layout.columns]
        counts = self.decoder.builder.mismatches
        return {name: int(counts[i]) for i, name in enumerate(names) if counts[i]}
