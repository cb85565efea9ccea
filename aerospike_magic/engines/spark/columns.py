"""Which columns a Spark relation has: inferred from a sample, read from a file, or as the user's schema says.

The metadata columns may have other names in Spark (`aerospike.keyColumn` and so on); here, and only here, the two are
held against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pyspark.sql.types import StructType

from aerospike_magic.connection import Connection
from aerospike_magic.engines.spark.options import SparkOptions
from aerospike_magic.engines.spark.types import to_read, to_spark
from aerospike_magic.errors import ConfigError, SchemaError
from aerospike_magic.schema.types import (
    KEY_NAME,
    METADATA_NAMES,
    Column,
    Evidence,
    Kind,
    SetSchema,
    metadata_columns,
)

# Keys in the metadata of a Spark field.
_TYPE, _EVERYWHERE, _SAMPLED = "aerospike.type", "aerospike.everywhere", "aerospike.sampled"


def find_schema(connection: Connection, options: SparkOptions, asked: StructType | None = None) -> SetSchema:
    """Return the set's schema.

    Args:
        connection: samples the set, if neither a file nor `asked` tells.
        options: see the table there.
        asked: the schema that the user gave Spark.

    Raises:
        SchemaError: there is no such set, the schema file is of another one, or a type cannot be read.
    """
    namespace, set_name = connection.split_name(options.table)
    if options.schema_file is not None:
        schema = SetSchema.load(options.schema_file)
        if (schema.namespace, schema.set_name) != (namespace, set_name):
            raise SchemaError(f"{options.schema_file} is the schema of {schema.name}, not of {namespace}.{set_name}")
    elif asked is not None:
        schema = _as_asked(SetSchema(namespace, set_name, metadata_columns()), options, asked)
    else:
        schema = connection.schema(f"{namespace}.{set_name}", sample_records=options.sample_records)
    types = _types(options.types)
    return schema.with_types(types | ({KEY_NAME: options.key_type} if options.key_type else {}))


def spark_schema(schema: SetSchema, options: SparkOptions, metadata: Sequence[str] = ()) -> StructType:
    """Return the Spark schema of a set, with the names that the options give the metadata columns.

    Args:
        schema: of the set.
        options: whether all metadata columns are there.
        metadata: those of them that are there in any case.
    """
    full = schema.full_arrow
    names = full.names if options.metadata else dict.fromkeys((*schema.arrow.names, *metadata))
    arrow = pa.schema([full.field(name) for name in names])
    named = {ours: spark for spark, ours in column_names(options).items()}
    found = to_spark(pa.schema([field.with_name(named.get(field.name, field.name)) for field in arrow]))
    for field, name in zip(found.fields, arrow.names, strict=True):
        field.metadata = _told(schema.column(name))
    return found


def column_names(options: SparkOptions) -> Mapping[str, str]:
    """Return for each metadata column, by its name in Spark, its name in a `SetSchema`."""
    names = (options.key_column, options.digest_column, options.generation_column, options.ttl_column)
    if len(set(names)) != len(names):
        raise ConfigError(f"two metadata columns have the same name: {', '.join(names)}")
    return dict(zip(names, METADATA_NAMES, strict=True))


def _as_asked(schema: SetSchema, options: SparkOptions, asked: StructType) -> SetSchema:
    names = column_names(options)
    types = {}
    for field in asked.fields:
        name = names.get(field.name, field.name)
        if name == KEY_NAME:
            schema = replace(schema, has_keys=True)
        if name == KEY_NAME or name not in METADATA_NAMES:
            types[name] = field.metadata.get(_TYPE) or to_read(field)
    schema = schema.with_types(types)
    everywhere = {names.get(f.name, f.name) for f in asked.fields if f.metadata.get(_EVERYWHERE)}
    seen = Evidence(coverage=1.0, records=0, type_counts={})
    columns = tuple(replace(c, evidence=seen) if c.name in everywhere else c for c in schema.columns)
    sampled = {names.get(f.name, f.name) for f in asked.fields if f.metadata.get(_SAMPLED)}
    columns = tuple(replace(c, overridden=False) if c.name in sampled else c for c in columns)
    return replace(schema, columns=columns)


def _told(column: Column) -> dict[str, Any]:
    """What a Spark type does not say of a column, in the field's metadata: it comes back with a pruned schema."""
    told: dict[str, Any] = {}
    if column.kind in (Kind.JSON, Kind.GEOJSON):
        told[_TYPE] = column.type_text
    if column.is_bin and column.evidence is not None and column.evidence.coverage >= 1.0:
        told[_EVERYWHERE] = True
    if not column.overridden:
        told[_SAMPLED] = True
    return told


def _types(text: str | None) -> dict[str, str]:
    """Read ``bin=type; bin=type``."""
    types = {}
    for part in (text or "").split(";"):
        if part.strip():
            name, mark, words = part.partition("=")
            if not mark:
                raise ConfigError(f"aerospike.schema.types has {part.strip()!r}", hint="write bin=type; bin=type")
            types[name.strip()] = words.strip()
    return types
