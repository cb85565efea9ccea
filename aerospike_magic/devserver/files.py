"""Loads a file into a set: Parquet, CSV or JSON lines, a record a row.

Integers, doubles, booleans, strings, bytes, lists, maps and structs (as maps) become bins of their kind. What a bin has
no kind for, dates, times and decimals, becomes its ISO text. A missing value is a missing bin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aerospike_magic.devserver.load import Column, Ints, Texts, bulk_load
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.errors import DevServerError, WireError
from aerospike_magic.wire.msgpack import encode_cdt
from aerospike_magic.wire.particle_type import ParticleType

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BIN_NAME = 15
_FORM = "FILE:namespace.set or FILE:namespace.set:keycolumn"


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the set that it goes to; `key` is the column of the user keys, None for the running number from 1."""

    path: Path
    namespace: str
    set_name: str
    key: str | None

    @classmethod
    def parse(cls, text: str) -> Source:
        """Read `FILE:namespace.set[:keycolumn]`; the file's own name may have colons.

        Raises:
            DevServerError: it has another form, or there is no such file.
        """
        parts = text.split(":")
        candidates = []
        for n_last in (2, 1):
            path, target = ":".join(parts[:-n_last]), parts[-n_last:]
            namespace, dot, set_name = target[0].partition(".")
            if path and namespace and dot and set_name and all(target):
                candidates.append(cls(Path(path), namespace, set_name, target[1] if n_last == 2 else None))
        if not candidates:
            raise DevServerError(f"cannot load {text!r}", hint=f"the form is {_FORM}")
        for candidate in candidates:
            if candidate.path.is_file():
                return candidate
        raise DevServerError(f"there is no file {candidates[0].path}")


def load_file(source: Source, namespace: Namespace) -> int:
    """Load a file into its set.

    Args:
        source: what to load.
        namespace: where; records with the same keys are replaced.

    Returns:
        the number of records.

    Raises:
        DevServerError: the file cannot be read, or a row cannot be a record.
    """
    where = source.path.name
    table = _read(source.path)
    for name in table.column_names:
        if not 0 < len(name.encode()) <= MAX_BIN_NAME:
            raise DevServerError(
                f"{where}: column {name!r} cannot be a bin", hint=f"a bin's name has 1 to {MAX_BIN_NAME} bytes"
            )
    if len(set(table.column_names)) != table.num_columns:
        raise DevServerError(f"{where}: two columns have the same name")
    columns = [_column(where, name, table.column(name)) for name in table.column_names]
    keys = _keys(source, table, columns)
    filled = np.zeros(table.num_rows, np.bool_)
    for column in columns:
        filled |= True if column.valid is None else column.valid
    if not filled.all():
        raise DevServerError(f"{where}: row {int(np.argmin(filled)) + 1} has no value at all")
    try:
        return bulk_load(namespace, source.set_name, keys, columns) if table.num_rows else 0
    except DevServerError as error:
        raise DevServerError(f"{where}: {error.message}") from None


def _keys(source: Source, table: pa.Table, columns: Sequence[Column]) -> Ints | Texts:
    if source.key is None:
        return np.arange(1, table.num_rows + 1, dtype=np.int64)
    where = source.path.name
    column = next((column for column in columns if column.name == source.key), None)
    if column is None:
        raise DevServerError(
            f"{where} has no column {source.key!r} for the keys", hint=f"it has {', '.join(table.column_names)}"
        )
    if column.valid is not None:
        row = int(np.argmin(column.valid)) + 1
        raise DevServerError(f"{where}: row {row} has no value in the key column {source.key!r}")
    if column.particle_type == ParticleType.INTEGER and not isinstance(column.values, Texts):
        return column.values.astype(np.int64)
    if column.particle_type == ParticleType.STRING and isinstance(column.values, Texts):
        return column.values
    raise DevServerError(f"{where}: keys are integers or strings, column {source.key!r} is neither")


def _read(path: Path) -> pa.Table:
    import pyarrow as pa

    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = next((suffix for suffix in reversed(suffixes) if suffix not in (".gz", ".zst", ".bz2")), "")
    reader = _READERS.get(kind)
    if reader is None:
        raise DevServerError(
            f"{path.name}: cannot tell its format", hint=f"known endings: {', '.join(sorted(_READERS))}"
        )
    try:
        return reader(path)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        told = " ".join(str(error).split())
        raise DevServerError(f"cannot read {path.name}: {told[:200]}") from None


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as parquet

    return parquet.read_table(path)


def _read_csv(path: Path, delimiter: str = ",") -> pa.Table:
    import pyarrow.csv as csv

    convert = csv.ConvertOptions(null_values=["", "NA", "NaN", "null"], strings_can_be_null=True)
    return csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=delimiter), convert_options=convert)


def _read_tsv(path: Path) -> pa.Table:
    return _read_csv(path, "\t")


def _read_json(path: Path) -> pa.Table:
    import pyarrow.json as json

    return json.read_json(path)


_READERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".parquet": _read_parquet,
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
}


def _column(where: str, name: str, values: pa.ChunkedArray) -> Column:
    import pyarrow as pa

    kind = values.type
    valid = None
    if values.null_count:
        valid = np.array(
            [ok for chunk in values.chunks for ok in chunk.is_valid().to_numpy(zero_copy_only=False)], bool
        )
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    try:
        if pa.types.is_boolean(kind):
            return Column(name, ParticleType.BOOL, _numbers(values, kind, False, np.bool_), valid)
        if pa.types.is_integer(kind):
            return Column(name, ParticleType.INTEGER, _numbers(values, pa.int64(), 0, np.int64), valid)
        if pa.types.is_floating(kind):
            return Column(name, ParticleType.DOUBLE, _numbers(values, pa.float64(), 0.0, np.float64), valid)
    except pa.ArrowInvalid:
        raise DevServerError(f"{where}: column {name!r} has integers that do not fit in 64 bits") from None
    particle_type, encode = _encoder(kind)
    try:
        texts = [b"" if value is None else encode(value) for value in values.to_pylist()]
    except WireError as error:
        raise DevServerError(f"{where}: column {name!r}: {error.message}") from None
    sizes = np.array([len(text) for text in texts], np.int64)
    data = np.frombuffer(b"".join(texts), np.uint8)
    return Column(name, particle_type, Texts(data, np.cumsum(sizes) - sizes, sizes), valid)


def _numbers(values: pa.ChunkedArray, kind: pa.DataType, missing: object, to: type[np.generic]) -> Any:
    import pyarrow as pa

    cast = values.cast(kind)
    if cast.null_count:
        cast = cast.fill_null(pa.scalar(missing, kind))
    return np.asarray(cast.to_numpy(), to)


def _encoder(kind: pa.DataType) -> tuple[ParticleType, Callable[[Any], bytes]]:
    import pyarrow as pa

    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return ParticleType.BLOB, bytes
    if pa.types.is_map(kind) or pa.types.is_struct(kind):
        return ParticleType.MAP, lambda value: encode_cdt(_nested(value, kind))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return ParticleType.LIST, lambda value: encode_cdt(_nested(value, kind))
    return ParticleType.STRING, lambda value: _text(value).encode()


def _text(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _nested(value: Any, kind: pa.DataType) -> Any:
    import pyarrow as pa

    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if pa.types.is_map(kind):
        return {_nested(key, kind.key_type): _nested(item, kind.item_type) for key, item in value}
    if pa.types.is_struct(kind):
        fields = {field.name: field.type for field in kind}
        return {key: _nested(item, fields[key]) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_nested(item, kind.value_type) for item in value]
    return _text(value)
