"""From a sample of records to a `SetSchema`, with the evidence kept.

Invariant: every value of the sample is represented exactly by its column, save strings that are not UTF-8
in a column of strings, which the scan counts as mismatches, and that a struct does not tell a missing key
from nil.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from aerospike_magic.schema.json_text import short_text
from aerospike_magic.schema.key_probe import KeyProbe
from aerospike_magic.schema.shape import Shape
from aerospike_magic.schema.types import (
    KEY_NAME,
    METADATA_NAMES,
    Column,
    Evidence,
    Kind,
    SetSchema,
    Source,
    bin_column,
    metadata_columns,
)

_EXAMPLES = 3
_EXAMPLE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """A record as it was read.

    Attributes:
        key: the stored user key, None where the record has none.
        digest: its 20 bytes.
        generation: its generation.
        ttl: seconds to live, -1 for never expires.
        bins: bin name → value.
    """

    key: int | str | bytes | None
    digest: bytes
    generation: int
    ttl: int
    bins: Mapping[str, Any]


def infer_schema(
    namespace: str,
    set_name: str,
    records: Iterable[SampleRecord],
    objects: int,
    *,
    sampled_partitions: int = 0,
) -> SetSchema:
    """Infer the columns of a set.

    Args:
        namespace, set_name: the set.
        records: the sample; read once.
        objects: records in the whole set.
        sampled_partitions: partitions that the sample was read from.

    Returns:
        Bins in the order of the record that has most of them, then the others, the commonest first. A bin
        with the name of a metadata column is left out: it could not be told from that.
    """
    bins: dict[str, _BinSample] = {}
    keys = _BinSample()
    probe = KeyProbe(set_name)
    widest: tuple[str, ...] = ()
    n_records = 0
    for record in records:
        n_records += 1
        if record.key is not None:
            keys.add(record.key)
        else:
            probe.add(record.digest, record.bins)
        if len(record.bins) > len(widest):
            widest = tuple(record.bins)
        for name, value in record.bins.items():
            sample = bins.get(name)
            if sample is None:
                sample = bins[name] = _BinSample()
            sample.add(value)
    first = {name: at for at, name in enumerate(widest)}
    order = sorted(bins, key=lambda name: (first.get(name, len(first)), -bins[name].records, name))
    metadata = metadata_columns(keys.key_column(n_records) or probe.column())
    columns = [bins[name].column(name, n_records) for name in order if name not in METADATA_NAMES]
    return SetSchema(
        namespace,
        set_name,
        (metadata[0], *columns, *metadata[1:]),
        sampled_records=n_records,
        objects=max(objects, n_records) if sampled_partitions == 0 else objects,
        sampled_partitions=sampled_partitions,
        has_keys=keys.records > 0,
    )


class _BinSample:
    def __init__(self) -> None:
        self._shape = Shape()
        self._examples: dict[str, str] = {}
        self._example_words: set[str] = set()

    @property
    def records(self) -> int:
        return sum(self._shape.words.values())

    def add(self, value: Any) -> None:
        word = self._shape.add(value)
        if len(self._examples) < _EXAMPLES or word not in self._example_words:
            self._example_words.add(word)
            self._examples.setdefault(short_text(value, _EXAMPLE_LENGTH), word)

    def evidence(self, n_records: int) -> Evidence:
        return Evidence(
            coverage=self.records / n_records,
            records=self.records,
            type_counts=dict(self._shape.words.most_common()),
            examples=self._chosen_examples(),
        )

    def _chosen_examples(self) -> tuple[str, ...]:
        """One example of each type first, then more of the same."""
        by_type: dict[str, str] = {}
        for text, word in self._examples.items():
            by_type.setdefault(word, text)
        chosen = [by_type[word] for word, _ in self._shape.words.most_common() if word in by_type]
        chosen += [text for text in self._examples if text not in chosen]
        return tuple(chosen[:_EXAMPLES])

    def column(self, name: str, n_records: int) -> Column:
        kind, dtype = self._shape.column_type()
        return bin_column(name, kind, dtype, self.evidence(n_records))

    def key_column(self, n_records: int) -> Column | None:
        if not self.records:
            return None
        kind, dtype = self._shape.column_type()
        if kind not in (Kind.INT64, Kind.STRING, Kind.BINARY):
            kind, dtype = Kind.JSON, pa.string()
        return Column(KEY_NAME, dtype, kind, Source.KEY, None, self.evidence(n_records))
