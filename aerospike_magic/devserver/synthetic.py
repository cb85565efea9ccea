"""Made-up records for benchmarks: the same every time, of seven bins."""

from __future__ import annotations

import numpy as np

from aerospike_magic.devserver.load import Column, Texts, bulk_load
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.wire.particle_type import ParticleType

SET = "bench"
CATEGORIES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
START_TIME = 1_700_000_000
_NAME_SIZE = 10


def load_synthetic(namespace: Namespace, n_records: int) -> int:
    """Put made-up records into set `bench`.

    Bins of record i (its user key, 0 to n - 1, is not stored): `id` int i, `name` str "item" and six digits of i,
    `price` double 0 to 1000, `qty` int 0 to 99, `cat` one of `CATEGORIES`, `ts` int seconds, `flag` bool.

    Args:
        namespace: where; nothing is loaded if the set has records.
        n_records: how many.

    Returns:
        how many were loaded.
    """
    if not namespace.is_new(SET):
        return 0
    random = np.random.default_rng(1)
    ids = np.arange(n_records, dtype=np.int64)
    columns = [
        Column("id", ParticleType.INTEGER, ids),
        Column("name", ParticleType.STRING, _names(ids)),
        Column("price", ParticleType.DOUBLE, np.round(random.random(n_records) * 1000, 2)),
        Column("qty", ParticleType.INTEGER, random.integers(0, 100, n_records)),
        Column("cat", ParticleType.STRING, _categories(random.integers(0, len(CATEGORIES), n_records))),
        Column("ts", ParticleType.INTEGER, START_TIME + ids),
        Column("flag", ParticleType.BOOL, random.integers(0, 2, n_records).astype(np.bool_)),
    ]
    return bulk_load(namespace, SET, ids, columns, store_keys=False)


def _names(ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Texts:
    data = np.empty((len(ids), _NAME_SIZE), np.uint8)
    data[:, :4] = np.frombuffer(b"item", np.uint8)
    for place in range(6):
        data[:, 9 - place] = ord("0") + ids // 10**place % 10
    starts = np.arange(len(ids), dtype=np.int64) * _NAME_SIZE
    return Texts(data.reshape(-1), starts, np.full(len(ids), _NAME_SIZE, np.int64))


def _categories(picked: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Texts:
    sizes = np.array([len(name) for name in CATEGORIES], np.int64)
    starts = np.cumsum(sizes) - sizes
    data = np.frombuffer("".join(CATEGORIES).encode(), np.uint8)
    return Texts(data, starts[picked], sizes[picked])
