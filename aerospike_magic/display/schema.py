"""Sets, schemas, indexes and profiles as small tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aerospike_magic.display.grid import Grid, GridColumn
from aerospike_magic.display.text import count, plural, size

if TYPE_CHECKING:
    from aerospike_magic.connection import IndexInfo, SetInfo
    from aerospike_magic.schema import SetSchema
    from aerospike_magic.schema.types import Column


def sets_grid(sets: Iterable[SetInfo]) -> Grid:
    """Lay out sets: name as SQL takes it, records, bytes, where they are stored."""
    rows = tuple(
        (
            f"{found.namespace}.{found.name}",
            count(found.objects),
            size(found.n_bytes),
            found.storage_engine,
        )
        for found in sets
    )
    columns = (
        GridColumn("set"),
        GridColumn("records", "", True),
        GridColumn("size", "", True),
        GridColumn("storage"),
    )
    return Grid(columns, rows, note="" if rows else "no sets")


def schema_grid(schema: SetSchema) -> Grid:
    """Lay out a set's columns with the evidence for their types."""
    columns = tuple(GridColumn(name) for name in ("column", "type", "in records", "seen as", "examples"))
    rows = []
    for column in schema.columns:
        evidence = column.evidence
        if evidence is None:
            rows.append((column.name, _type(column), "", column.source.name.lower(), ""))
            continue
        seen = ", ".join(f"{name} {count(number)}" for name, number in evidence.type_counts.items())
        examples = ", ".join(evidence.examples[:3])
        rows.append((column.name, _type(column), _coverage(evidence.coverage), seen, examples))
    title = f"{schema.namespace}.{schema.set_name}: {plural(schema.objects, 'record')}"
    return Grid(
        columns,
        tuple(rows),
        title=title,
        note=f"types from a sample of {plural(schema.sampled_records, 'record')}",
    )


def profiles_grid(profiles: Mapping[str, Mapping[str, Any]], path: str) -> Grid:
    """Lay out the profiles of a file, without any secret."""
    columns = tuple(GridColumn(name) for name in ("profile", "hosts", "user", "tls", "namespace"))
    rows = tuple(
        (
            name,
            _listed(profile.get("hosts", "")),
            str(profile.get("user", "")),
            "yes" if any(key.startswith("tls") for key in profile) else "",
            str(profile.get("namespace", "")),
        )
        for name, profile in profiles.items()
    )
    return Grid(columns, rows, note=path if rows else f"no profiles; they would be in {path}")


def indexes_grid(indexes: Iterable[IndexInfo]) -> Grid:
    """Lay out secondary indexes."""
    names = ("index", "set", "bin", "type", "of", "state", "entries")
    columns = tuple(GridColumn(name, "", name == "entries") for name in names)
    rows = tuple(
        (
            index.name,
            f"{index.namespace}.{index.set_name}" if index.set_name else index.namespace,
            index.bin,
            index.type,
            index.index_type,
            "ready" if index.ready else "building",
            count(index.entries) if index.entries is not None else "",
        )
        for index in indexes
    )
    return Grid(columns, rows, note="" if rows else "no secondary indexes")


def _listed(hosts: Any) -> str:
    return ", ".join(map(str, hosts)) if isinstance(hosts, list | tuple) else str(hosts)


def _type(column: Column) -> str:
    # Not the Arrow type: JSON text is a string there, and is not compared like one.
    return column.type_text + (" (set by you)" if column.overridden else "")


def _coverage(fraction: float) -> str:
    return "all" if fraction >= 1 else f"{fraction * 100:.3g} %"
