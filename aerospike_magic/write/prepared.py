"""A record batch, ready to be written: digests, sizes, and where the kernels find its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from aerospike_magic.wire.batch import DEFAULT_BATCH_FLAGS
from aerospike_magic.wire.message import Field, FieldType, Info1, encode_field
from aerospike_magic.wire.proto import MAX_BODY_SIZE
from aerospike_magic.wire.result import ResultCode
from aerospike_magic.write import kernels
from aerospike_magic.write.columns import WireColumn, wire_column, without_nulls
from aerospike_magic.write.digests import digest_keys
from aerospike_magic.write.options import WriteOptions

# Besides the server's result codes, a row can have one of these.
(
    PENDING,  # not sent yet, or not finally refused
    NO_KEY,
    NO_VALUE,
    BAD_DIGEST,
    BAD_VALUE,
    BAD_TTL,
    BAD_GENERATION,
    NO_ANSWER,  # sent, and no answer came
    NO_OWNER,
    UNREACHABLE,
) = range(-1, -11, -1)
DIGEST_SIZE = 20
_REQUEST_HEAD = 8 + kernels.MESSAGE_HEADER + 5 + 5
_NEVER_EXPIRES = 0xFFFFFFFF
_MAX_TTL = 0x7FFFFFFF
_MAX_GENERATION = 0xFFFF
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Target:
    """Where rows go, and how: the same for all batches."""

    namespace: str
    set_name: str
    options: WriteOptions
    total_timeout_ms: int = 0

    @property
    def fields(self) -> bytes:
        """The fields that every row starts with."""
        return encode_field(Field(FieldType.NAMESPACE, self.namespace.encode())) + encode_field(
            Field(FieldType.SET, self.set_name.encode())
        )


class PreparedBatch:
    """Rows with their digests; `codes` and `doubted` are what becomes of them, filled in by whoever writes them.

    Args:
        batch: the rows.
        target: where they go.

    Attributes:
        batch: the rows.
        digests: uint8, shape (rows, 20).
        partitions: int64 a row.
        sizes: int64 a row, bytes in a request.
        n_bytes: of all rows.
        codes: int64 a row: PENDING, a result code, or why it cannot be sent.
        doubted: bool a row: whether it was sent once without an answer that tells what became of it.
    """

    def __init__(self, batch: pa.RecordBatch, target: Target) -> None:
        self.batch = batch
        self.target = target
        n = batch.num_rows
        options = target.options
        names = [name for name in batch.schema.names if name not in options.left_out]
        self._columns = [wire_column(batch.column(name)) for name in names]
        self.codes = np.full(n, PENDING, np.int64)
        self.doubted = np.zeros(n, np.bool_)
        by = wire_column(batch.column(options.by))
        if options.digest is None:
            self.digests = _digests(by, target.set_name, n)
        else:
            self.digests = self._given_digests(by.array)
        self.partitions = (self.digests[:, 0] | self.digests[:, 1].astype(np.int64) << 8) & 0xFFF
        self._fields = np.frombuffer(target.fields, np.uint8)
        self.n_ops = np.zeros(n, np.int64)
        self.sizes = np.zeros(n, np.int64)
        self._by = by
        self._tables = self._make_tables(names)
        kernels.measure_rows(self._tables.ctypes.data, n, self.sizes.ctypes.data)
        self._key = np.zeros(5, np.int64)
        if self._sends_key:
            self._key[:] = (by.kind, by.values, by.data, by.shift, by.particle)
            kernels.measure_keys(by.kind, by.values, by.shift, n, self.sizes.ctypes.data)
        self._find_unwritable()
        self.n_bytes = int(self.sizes.sum())

    @property
    def _sends_key(self) -> bool:
        return self.target.options.send_key and self.target.options.digest is None

    def _make_tables(self, names: list[str]) -> Ints:
        columns, options = self._columns, self.target.options
        self._names = np.frombuffer(b"".join(name.encode().ljust(16, b"\0") for name in names), np.uint8)
        self._lists = [
            np.array(values, np.int64)
            for values in (
                [c.kind for c in columns],
                [c.values for c in columns],
                [c.data for c in columns],
                [c.validity for c in columns],
                [c.shift for c in columns],
                [c.particle for c in columns],
                [len(name.encode()) for name in names],
            )
        ]
        self._ttls, ttl = self._times_to_live()
        self._generations = self._expected_generations()
        tables = np.zeros(kernels.N_TABLES, np.int64)
        places = (
            kernels.A_KINDS,
            kernels.A_VALUES,
            kernels.A_DATA,
            kernels.A_VALIDITY,
            kernels.A_SHIFTS,
            kernels.A_PARTICLES,
            kernels.A_NAME_SIZES,
        )
        for place, array in zip(places, self._lists, strict=True):
            tables[place] = array.ctypes.data
        for place, given in (
            (kernels.A_NAMES, self._names),
            (kernels.A_FIELDS, self._fields),
            (kernels.A_DIGESTS, self.digests),
            (kernels.A_OPS, self.n_ops),
            (kernels.A_TTLS, self._ttls),
            (kernels.A_GENERATIONS, self._generations),
        ):
            tables[place] = 0 if given is None else given.ctypes.data
        tables[kernels.C_COLUMNS] = len(columns)
        tables[kernels.C_NULLS] = options.removes_nulls
        tables[kernels.C_FIELDS] = len(self._fields)
        tables[kernels.C_KEY] = 0 if self._sends_key else -1
        tables[kernels.C_INFO2] = options.info2
        tables[kernels.C_INFO3] = options.info3
        tables[kernels.C_TTL] = ttl
        return tables

    def _times_to_live(self) -> tuple[Ints | None, int]:
        """Seconds to live a row, where there is a column of them, and of all others."""
        options = self.target.options
        ttl = 0 if options.ttl_s is None else options.ttl_s
        default = _NEVER_EXPIRES if ttl == -1 else ttl
        if options.ttl_column is None or options.ttl_column not in self.batch.schema.names:
            return None, default
        given = np.array(without_nulls(self.batch.column(options.ttl_column), ttl))
        self.codes[(given < -1) | (given > _MAX_TTL)] = BAD_TTL
        return np.where(given == -1, _NEVER_EXPIRES, given), default

    def _expected_generations(self) -> Ints | None:
        options = self.target.options
        if options.generation_policy == "none":
            return None
        given = np.array(without_nulls(self.batch.column(options.generation_column), 0))
        self.codes[(given < 0) | (given > _MAX_GENERATION)] = BAD_GENERATION
        return given

    def expected_generation(self, row: int) -> int | None:
        """The generation that a row's record is expected to have, None for any."""
        return None if self._generations is None else int(self._generations[row])

    def _given_digests(self, column: pa.Array) -> npt.NDArray[np.uint8]:
        given = column.to_pylist()
        digests = np.zeros((len(given), DIGEST_SIZE), np.uint8)
        for i, digest in enumerate(given):
            if digest is not None and len(digest) == DIGEST_SIZE:
                digests[i] = np.frombuffer(digest, np.uint8)
            else:
                self.codes[i] = BAD_DIGEST
        return digests

    def _find_unwritable(self) -> None:
        self.codes[self.n_ops == 0] = NO_VALUE
        self.codes[self.sizes > MAX_BODY_SIZE - (1 << 20)] = ResultCode.RECORD_TOO_BIG
        for column in self._columns:
            self.codes[list(column.misfits)] = BAD_VALUE
        if self._by.array.null_count:
            self.codes[np.array(self._by.array.is_null())] = NO_KEY

    def misfit(self, row: int) -> str:
        """Why a row with BAD_VALUE has a value that cannot be written."""
        return next(column.misfits[row] for column in self._columns if row in column.misfits)

    def key_text(self, row: int) -> str:
        """The row's key, or digest, for people."""
        return repr(self.batch.column(self.target.options.by)[row].as_py())

    def request(self, rows: Ints, out: npt.NDArray[np.uint8]) -> int:
        """Write the request for some rows.

        Args:
            rows: which; row k of the request is `rows[k]`.
            out: where to, with `request_size(rows)` bytes of room.

        Returns:
            the request's size, proto header included.
        """
        size = self.request_size(rows) - kernels.PADDING
        batch_size = size - _REQUEST_HEAD + 5
        head = b"".join(
            (
                (2 << 56 | 3 << 48 | size - 8).to_bytes(8, "big"),
                bytes((kernels.MESSAGE_HEADER, int(Info1.BATCH))) + bytes(12),
                self.target.total_timeout_ms.to_bytes(4, "big"),
                (1).to_bytes(2, "big") + bytes(2),
                (batch_size + 1).to_bytes(4, "big") + bytes((FieldType.BATCH,)),
                len(rows).to_bytes(4, "big") + bytes((int(DEFAULT_BATCH_FLAGS),)),
            )
        )
        out[: len(head)] = np.frombuffer(head, np.uint8)
        start = out.ctypes.data + len(head)
        end = kernels.encode_rows(self._tables.ctypes.data, self._key.ctypes.data, rows.ctypes.data, len(rows), start)
        assert end - out.ctypes.data == size, (end - out.ctypes.data, size)
        return size

    def request_size(self, rows: Ints) -> int:
        """Bytes that `request` needs room for."""
        return int(self.sizes[rows].sum()) + _REQUEST_HEAD + kernels.PADDING

    def cut(self, rows: Ints, max_rows: int, max_bytes: int) -> Iterator[Ints]:
        """Yield rows in groups for one request each."""
        ends = np.cumsum(self.sizes[rows])
        start = 0
        while start < len(rows):
            before = int(ends[start - 1]) if start else 0
            fits = int(np.searchsorted(ends, before + max_bytes, "right"))
            end = max(start + 1, min(fits, start + max_rows))
            yield np.ascontiguousarray(rows[start:end])
            start = end


def _digests(column: WireColumn, set_name: str, n: int) -> npt.NDArray[np.uint8]:
    digests = np.zeros((n, DIGEST_SIZE), np.uint8)
    prefix = np.frombuffer(set_name.encode() + bytes((column.particle,)), np.uint8)
    address = prefix.ctypes.data
    digest_keys(address, len(prefix), column.kind, column.values, column.data, column.shift, n, digests.ctypes.data)
    return digests
