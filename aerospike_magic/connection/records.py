"""Records by key, through the official client's batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aerospike

from aerospike_magic.errors import ServerError
from aerospike_magic.schema.infer import SampleRecord
from aerospike_magic.wire.result import ResultCode, result_text

# What the official client gives as the seconds to live of a record that never expires.
_NEVER_EXPIRES = 0xFFFFFFFF

BatchKey = tuple[Any, ...]


def batch_keys(
    namespace: str, set_name: str, keys: Sequence[int | str | bytes], digests: Sequence[bytes]
) -> list[BatchKey]:
    """Return the official client's key tuples for user keys, followed by those for digests."""
    by_key: list[BatchKey] = [(namespace, set_name, bytearray(key) if isinstance(key, bytes) else key) for key in keys]
    return by_key + [(namespace, set_name, None, bytearray(digest)) for digest in digests]


def read_batch(
    client: aerospike.Client, keys: Sequence[BatchKey], bins: Sequence[str] | None
) -> list[SampleRecord | None]:
    """Read records; one entry a key, in order, None where there is no such record.

    Raises:
        ServerError: a record could not be read.
        aerospike.exception.AerospikeError: the batch failed as a whole.
    """
    if not keys:
        return []
    answer = client.batch_read(list(keys)) if bins is None else client.batch_read(list(keys), list(bins))
    return [_to_record(row) for row in answer.batch_records]


def _to_record(row: Any) -> SampleRecord | None:
    if row.result == ResultCode.NOT_FOUND:
        return None
    if row.result != ResultCode.OK:
        raise ServerError(f"a record of a batch could not be read: {result_text(row.result)}", code=row.result)
    # Asked for no bins, the client leaves the third part out.
    key, meta, *bins = row.record
    ttl = (meta or {}).get("ttl", _NEVER_EXPIRES)
    return SampleRecord(
        key=key[2],
        digest=bytes(key[3]),
        generation=(meta or {}).get("gen", 0),
        ttl=-1 if ttl == _NEVER_EXPIRES else ttl,
        bins=(bins[0] if bins else None) or {},
    )
