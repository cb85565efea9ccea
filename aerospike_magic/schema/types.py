"""Columns of a set: which Arrow type a bin becomes, how it is read, and why we think so.

Invariant: a `SetSchema` always holds the four metadata columns beside the bins, so that any of them can be
asked for by name; `SetSchema.arrow` is what ``SELECT *`` gives.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa

from aerospike_magic.errors import SchemaError
from aerospike_magic.schema import toml_text
from aerospike_magic.schema.type_text import Kind, kind_of, parse_type, type_text

__all__ = [
    "METADATA_NAMES",
    "Column",
    "Evidence",
    "Kind",
    "SetSchema",
    "Source",
    "bin_column",
    "metadata_columns",
]

KEY_NAME = "__key"
DIGEST_NAME = "__digest"
GENERATION_NAME = "__generation"
TTL_NAME = "__ttl"
METADATA_NAMES = (KEY_NAME, DIGEST_NAME, GENERATION_NAME, TTL_NAME)


class Source(Enum):
    """Where a column's value comes from in a record."""

    BIN = "bin"
    KEY = "key"
    DIGEST = "digest"
    GENERATION = "generation"
    TTL = "ttl"
    INDEX_VALUE = "index value"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a sample showed of one bin.

    Attributes:
        coverage: share of the sampled records that have the bin, 0..1.
        records: number of sampled records that have it.
        type_counts: particle words ("integer", "string", …) → number of records.
        examples: up to three values as short text.
    """

    coverage: float
    records: int
    type_counts: Mapping[str, int]
    examples: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash((self.coverage, self.records, tuple(self.type_counts.items()), self.examples))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in SQL, its Arrow type, and where its values come from.

    Attributes:
        name: the SQL name; for a bin, the bin's name.
        type: the Arrow type of its arrays.
        kind: how particles are read into that type.
        source: a bin, or which part of the record's metadata.
        bin: the bin's name when `source` is BIN, else None.
        evidence: what the sample showed, None when nothing was sampled.
        overridden: whether a user chose the type.
    """

    name: str
    type: pa.DataType
    kind: Kind
    source: Source = Source.BIN
    bin: str | None = None
    evidence: Evidence | None = None
    overridden: bool = False

    @property
    def is_bin(self) -> bool:
        """Whether the values come from a bin."""
        return self.source is Source.BIN

    @property
    def type_text(self) -> str:
        """The type in words, e.g. ``list<int64>`` or ``json``."""
        return type_text(self.type, self.kind)

    @property
    def field(self) -> pa.Field:
        """The Arrow field."""
        return pa.field(self.name, self.type)


def bin_column(name: str, kind: Kind, dtype: pa.DataType, evidence: Evidence | None = None) -> Column:
    """Return the column of a bin."""
    return Column(name, dtype, kind, Source.BIN, name, evidence)


INDEX_VALUE_COLUMN = Column("__index_value", pa.int64(), Kind.INT64, Source.INDEX_VALUE)
"""The secondary-index value by which a record was found, 0 outside an index query; never part of a `SetSchema`."""


def metadata_columns(key: Column | None = None) -> tuple[Column, ...]:
    """Return `__key`, `__digest`, `__generation`, `__ttl`; `key` replaces the default `__key` (string)."""
    return (
        key or Column(KEY_NAME, pa.string(), Kind.STRING, Source.KEY),
        Column(DIGEST_NAME, pa.binary(20), Kind.BINARY, Source.DIGEST),
        Column(GENERATION_NAME, pa.int64(), Kind.INT64, Source.GENERATION),
        Column(TTL_NAME, pa.int64(), Kind.INT64, Source.TTL),
    )


@dataclass(frozen=True, repr=False)
class SetSchema:
    """The columns of a set, with the evidence for them.

    Attributes:
        namespace, set_name: the set ("" for records without a set).
        columns: all columns: `__key`, the bins, `__digest`, `__generation`, `__ttl`.
        sampled_records: number of records the inference has seen.
        objects: number of records in the set when it was sampled.
        sampled_partitions: number of partitions that were read for the sample.
        has_keys: whether the sample has stored user keys, so that ``SELECT *`` starts with `__key`.
    """

    namespace: str
    set_name: str
    columns: tuple[Column, ...]
    sampled_records: int = 0
    objects: int = 0
    sampled_partitions: int = 0
    has_keys: bool = False

    def __repr__(self) -> str:
        columns = ", ".join(f"{c.name} {c.type_text}" for c in self.selected)
        return f"<SetSchema {self.name} ({columns})>"

    @property
    def name(self) -> str:
        """The table's name, ``namespace.set``."""
        return f"{self.namespace}.{self.set_name}" if self.set_name else self.namespace

    @property
    def bins(self) -> tuple[Column, ...]:
        """The columns that come from bins."""
        return tuple(c for c in self.columns if c.is_bin)

    @property
    def selected(self) -> tuple[Column, ...]:
        """The columns of ``SELECT *``: `__key` where the sample has stored keys, then the bins."""
        return tuple(c for c in self.columns if c.is_bin or (self.has_keys and c.source is Source.KEY))

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of ``SELECT *``."""
        return pa.schema([c.field for c in self.selected])

    @property
    def full_arrow(self) -> pa.Schema:
        """The Arrow schema of ``SELECT *`` followed by the metadata columns it leaves out."""
        selected = self.selected
        rest = [c for c in self.columns if c not in selected]
        return pa.schema([c.field for c in (*selected, *rest)])

    def column(self, name: str) -> Column:
        """Return the column of that name.

        Raises:
            SchemaError: no such column; the hint has near matches.
        """
        for column in self.columns:
            if column.name == name:
                return column
        names = [c.name for c in self.columns]
        near = near_matches(name, names)
        hint = f"did you mean {' or '.join(near)}?" if near else "its bins: " + ", ".join(c.name for c in self.bins)
        raise SchemaError(f"{self.name} has no bin {name!r}", hint=hint)

    def with_types(self, types: Mapping[str, pa.DataType | str]) -> SetSchema:
        """Return a schema where some columns have other types, or further bins.

        Args:
            types: column name → Arrow type, or words such as ``"json"`` and ``"map<string, int64>"``. A name
                that the sample has not seen becomes a new bin. Of the metadata only `__key` may change.

        Raises:
            SchemaError: a type that a bin cannot be read as, or a metadata column other than `__key`.
        """
        columns = list(self.columns)
        for name, wanted in types.items():
            kind, dtype = parse_type(wanted) if isinstance(wanted, str) else (kind_of(wanted), wanted)
            at = next((i for i, c in enumerate(columns) if c.name == name), None)
            if at is None:
                _check_bin_name(name)
                last_bin = max((i for i, c in enumerate(columns) if c.is_bin or c.source is Source.KEY), default=-1)
                columns.insert(last_bin + 1, replace(bin_column(name, kind, dtype), overridden=True))
            elif columns[at].is_bin or (columns[at].source is Source.KEY and kind in _KEY_KINDS):
                columns[at] = replace(columns[at], kind=kind, type=dtype, overridden=True)
            else:
                raise SchemaError(
                    f"{name} cannot be read as {wanted}", hint="__key may be int64, string, binary or json"
                )
        return replace(self, columns=tuple(columns))

    def describe(self) -> list[dict[str, str]]:
        """Return one row of text a column: column, type, coverage, mix, examples."""
        return [_describe_column(c) for c in self.selected]

    def to_toml(self) -> str:
        """Return the schema as TOML text, evidence included; `from_toml` reads it back."""
        table: dict[str, Any] = {
            "namespace": self.namespace,
            "set": self.set_name,
            "objects": self.objects,
            "sampled_records": self.sampled_records,
            "sampled_partitions": self.sampled_partitions,
            "has_keys": self.has_keys,
            "columns": [_column_to_table(c) for c in self.columns if c.is_bin or c.source is Source.KEY],
        }
        return toml_text.dumps(table)

    @classmethod
    def from_toml(cls, text: str) -> SetSchema:
        """Read what `to_toml` wrote, or a shorter file by hand: ``namespace``, ``set`` and ``[[columns]]``.

        Raises:
            SchemaError: not TOML, a missing name, or an unknown type.
        """
        table = toml_text.loads(text)
        if not isinstance(table.get("namespace"), str) or not isinstance(table.get("set", ""), str):
            raise SchemaError("a schema file needs namespace and set as text", hint='namespace = "test"  set = "users"')
        rows = table.get("columns", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SchemaError("a schema file lists its bins as [[columns]] tables")
        read = [_column_from_table(row) for row in rows]
        if len({c.name for c in read}) != len(read):
            raise SchemaError("a schema file names a column twice")
        metadata = metadata_columns(next((c for c in read if c.source is Source.KEY), None))
        return cls(
            table["namespace"],
            table.get("set", ""),
            (metadata[0], *(c for c in read if c.is_bin), *metadata[1:]),
            sampled_records=int(table.get("sampled_records", 0)),
            objects=int(table.get("objects", 0)),
            sampled_partitions=int(table.get("sampled_partitions", 0)),
            has_keys=bool(table.get("has_keys", False)),
        )

    def save(self, path: str | Path) -> Path:
        """Write the schema as a TOML file and return its path."""
        path = Path(path).expanduser()
        path.write_text(self.to_toml(), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | Path) -> SetSchema:
        """Read a schema from a TOML file.

        Raises:
            SchemaError: the file cannot be read, or `from_toml` refuses it.
        """
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SchemaError(f"cannot read the schema file {path}: {error}") from error
        return cls.from_toml(text)


_KEY_KINDS = (Kind.INT64, Kind.STRING, Kind.BINARY, Kind.JSON)


def near_matches(name: str, names: list[str]) -> list[str]:
    """Return up to three of `names` that look like `name`, compared without case."""
    folded = {n.casefold(): n for n in names}
    return [folded[n] for n in difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.6)]


def _check_bin_name(name: str) -> None:
    # 15 bytes is the server's limit (result code 21 above it).
    if not name or len(name.encode()) > 15:
        raise SchemaError(f"{name!r} cannot be the name of a bin", hint="bin names have 1 to 15 bytes")


def _describe_column(column: Column) -> dict[str, str]:
    evidence = column.evidence
    row = {"column": column.name, "type": column.type_text + (" (set by you)" if column.overridden else "")}
    if evidence is None:
        return row | {"coverage": "", "mix": "", "examples": ""}
    return row | {
        "coverage": f"{evidence.coverage:.0%}" if evidence.coverage in (0, 1) else f"{evidence.coverage:.1%}",
        "mix": ", ".join(f"{word} {count:,}" for word, count in evidence.type_counts.items()),
        "examples": " · ".join(evidence.examples),
    }


def _column_to_table(column: Column) -> dict[str, Any]:
    table: dict[str, Any] = {"name": column.name, "type": column.type_text}
    if column.overridden:
        table["overridden"] = True
    if column.evidence is not None:
        table["coverage"] = column.evidence.coverage
        table["records"] = column.evidence.records
        table["type_counts"] = dict(column.evidence.type_counts)
        table["examples"] = list(column.evidence.examples)
    return table


def _column_from_table(row: dict[str, Any]) -> Column:
    name, words = row.get("name"), row.get("type")
    if not isinstance(name, str) or not isinstance(words, str):
        raise SchemaError("each column in a schema file needs name and type as text", hint=f"found {row!r}")
    kind, dtype = parse_type(words)
    evidence = None
    if "records" in row:
        evidence = Evidence(
            float(row.get("coverage", 0.0)),
            int(row["records"]),
            {str(k): int(v) for k, v in row.get("type_counts", {}).items()},
            tuple(str(e) for e in row.get("examples", ())),
        )
    overridden = bool(row.get("overridden", False))
    if name == KEY_NAME:
        if kind not in _KEY_KINDS:
            raise SchemaError(f"__key cannot be read as {words}", hint="__key may be int64, string, binary or json")
        return Column(name, dtype, kind, Source.KEY, None, evidence, overridden)
    if name in METADATA_NAMES:
        raise SchemaError(f"{name} is always there and has a fixed type", hint="remove it from the file")
    _check_bin_name(name)
    return Column(name, dtype, kind, Source.BIN, name, evidence, overridden)
