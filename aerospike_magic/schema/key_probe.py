"""Of what type the user keys are, in a set that does not store them.

Most sets store only the digest of a key, RIPEMD-160 over the set's name and the key. But most records also carry
their key in a bin. A bin whose value hashes to the record's digest, in every record tried, is the key: chance does
not do that. Then `__key = 17` can be typed, and becomes a look-up, though no record tells its key.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from aerospike_magic.schema.type_text import Kind
from aerospike_magic.schema.types import KEY_NAME, Column, Source
from aerospike_magic.wire.digest import compute_digest

_RECORDS_TRIED = 16
_BINS_TRIED = 64


class KeyProbe:
    """Looks for a bin that is the key.

    Args:
        set_name: of the set, which is part of what is hashed.
    """

    def __init__(self, set_name: str) -> None:
        self._set_name = set_name
        self._tried = 0
        self._candidates: dict[str, type] | None = None

    def add(self, digest: bytes, bins: Mapping[str, object]) -> None:
        """Try one record of the sample."""
        if self._tried >= _RECORDS_TRIED or self._candidates == {}:
            return
        self._tried += 1
        names = list(bins)[:_BINS_TRIED] if self._candidates is None else list(self._candidates)
        self._candidates = {
            name: type(bins[name]) for name in names if name in bins and self._is_key(bins[name], digest)
        }

    def column(self) -> Column | None:
        """Return `__key` with the type of the bin that is the key; None where no bin is."""
        types = set((self._candidates or {}).values())
        if types == {int}:
            return Column(KEY_NAME, pa.int64(), Kind.INT64, Source.KEY)
        return Column(KEY_NAME, pa.string(), Kind.STRING, Source.KEY) if types == {str} else None

    def _is_key(self, value: object, digest: bytes) -> bool:
        if type(value) is int or type(value) is str:
            return compute_digest(self._set_name, value) == digest
        return False
