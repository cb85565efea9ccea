"""Key look-ups: the official client reads the records, the scan's own kernel decodes them.

The records go back into the wire form and through the same decoder as a scan's answer, so that a value fits its
column, or does not, by one and the same rule.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from aerospike_magic.connection import Connection
from aerospike_magic.scan.decode import AnswerDecoder, ResumePoints
from aerospike_magic.scan.plan import ScanPlan
from aerospike_magic.schema.infer import SampleRecord
from aerospike_magic.schema.types import KEY_NAME, Kind
from aerospike_magic.wire.message import Field, FieldType, Message, Op, OpType, encode_message_proto
from aerospike_magic.wire.particle import encode_particle

_KEYS_PER_BATCH = 2_000
_EPOCH_2010 = 1_262_304_000
Key = int | str | bytes


def read_keys(connection: Connection, plan: ScanPlan, keys: Sequence[Key], decoder: AnswerDecoder) -> Iterator[int]:
    """Read records by key into `decoder`.

    A record is found by its digest, so also when its key was not stored with it; `__key` is then the key asked for.

    Args:
        connection: whose client reads.
        plan: what is read.
        keys: user keys; one given twice is read once.
        decoder: takes the records; it still has rows when this ends (see `AnswerDecoder.flush`).

    Yields:
        The number of keys asked for, after each batch.
    """
    unique = list(dict.fromkeys(keys))
    resume = ResumePoints()
    as_text = plan.schema.column(KEY_NAME).kind is Kind.STRING
    for start in range(0, len(unique), _KEYS_PER_BATCH):
        batch = unique[start : start + _KEYS_PER_BATCH]
        records = connection.get_many(plan.namespace, plan.set_name, batch, bins=plan.bins)
        decoder.begin_answer()
        for key, record in zip(batch, records, strict=True):
            if record is not None:
                # Where no key was stored to tell its type, the column is text, whatever the key is.
                shown = str(key) if as_text and isinstance(key, int) else key
                _feed(decoder, resume, encode_message_proto(_message(shown, record)))
        yield len(batch)


def _message(key: Key, record: SampleRecord) -> Message:
    particle_type, data = encode_particle(key)
    ops = []
    for name, value in record.bins.items():
        bin_type, payload = encode_particle(value)
        ops.append(Op(OpType.READ, bin_type, name, payload))
    fields = (
        Field(FieldType.DIGEST, record.digest),
        Field(FieldType.KEY, bytes([particle_type]) + data),
    )
    expires = 0 if record.ttl < 0 else int(time.time()) - _EPOCH_2010 + record.ttl
    return Message(generation=record.generation, record_ttl=expires, fields=fields, ops=tuple(ops))


def _feed(decoder: AnswerDecoder, resume: ResumePoints, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        space = decoder.free_space()
        n_bytes = min(len(space), len(rest))
        space[:n_bytes] = rest[:n_bytes]
        decoder.received(n_bytes)
        decoder.step(resume)
        rest = rest[n_bytes:]
