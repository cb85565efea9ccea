"""A part of a set that one task reads: some partitions, or a slice of one.

Engines that split a query into tasks give each task a share; shares that do not overlap and together cover all
partitions read every record once. A partition that several tasks read is sliced by the digest's last word modulo a
small number: the server decides that on the primary index alone, without reading the record, and it cannot change
while a record lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aerospike_magic.wire.digest import DIGEST_SIZE, N_PARTITIONS, partition_id


@dataclass(frozen=True, slots=True)
class Share:
    """Partitions, or a slice of them.

    Attributes:
        partitions: ids, 0..4095, each once.
        modulus: into how many slices each of the partitions is cut; 1 = they are read whole.
        remainder: which slice this is, 0..modulus-1.
    """

    partitions: tuple[int, ...]
    modulus: int = 1
    remainder: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.remainder < self.modulus:
            raise ValueError(f"slice {self.remainder} of {self.modulus}")
        if len(set(self.partitions)) != len(self.partitions) or not all(0 <= p < N_PARTITIONS for p in self.partitions):
            raise ValueError(f"partitions are 0..{N_PARTITIONS - 1}, each once")

    def holds(self, digest: bytes) -> bool:
        """Return whether the record of a digest is in this share; the server's rule, decided here.

        Source: Aerospike server, as/src/base/exp.c (`eval_meta_digest_mod`): the last four bytes, unsigned.
        """
        if partition_id(digest) not in self.partitions:
            return False
        return int.from_bytes(digest[DIGEST_SIZE - 4 :], "little") % self.modulus == self.remainder

    def expression(self) -> Any | None:
        """Return the slice as an `aerospike_helpers` expression; None if the partitions are read whole."""
        if self.modulus == 1:
            return None
        from aerospike_helpers import expressions as exp

        return exp.Eq(exp.DigestMod(self.modulus), self.remainder)


WHOLE = Share(tuple(range(N_PARTITIONS)))
"""All of a set."""
