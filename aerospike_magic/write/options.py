"""How rows become records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aerospike_magic.schema.types import METADATA_NAMES
from aerospike_magic.wire.message import Info2, Info3

Mode = Literal["update", "update_only", "replace", "replace_only", "create_only"]
GenerationPolicy = Literal["none", "equal", "greater"]

_EXISTS: dict[Mode, tuple[int, int]] = {
    "update": (0, 0),
    "update_only": (0, int(Info3.UPDATE_ONLY)),
    "replace": (0, int(Info3.CREATE_OR_REPLACE)),
    "replace_only": (0, int(Info3.REPLACE_ONLY)),
    "create_only": (int(Info2.CREATE_ONLY), 0),
}
MODES: tuple[Mode, ...] = tuple(_EXISTS)
_GENERATION: dict[GenerationPolicy, int] = {
    "none": 0,
    "equal": int(Info2.GENERATION),
    "greater": int(Info2.GENERATION_GT),
}
GENERATION_POLICIES: tuple[GenerationPolicy, ...] = tuple(_GENERATION)


@dataclass(frozen=True)
class WriteOptions:
    """How rows become records.

    Attributes:
        key: the column with the key; None where `digest` is given.
        digest: the column with the digest, instead of a key.
        send_key: store the key with the record.
        mode: "update" merges the row's bins into the record, or makes one; "replace" makes the row the whole record;
            both with "_only" write only to a record that is there; "create_only" writes only where none is.
        ttl_s: seconds to live, -1 for ever, None for the namespace's.
        ttl_column: a column with that, row by row, NULL for `ttl_s`.
        generation_column: a column with the generation that the record is expected to have, NULL or 0 for none, i.e.
            for no record.
        generation_policy: "equal": a row is written if its record has that generation; "greater": if that generation
            is greater than the record's; "none": whatever it has.
        left_out: columns that do not become bins.
        may_repeat: whether these rows may have been written before by a run that was lost (a task that is run
            again); a row that is refused for what it may itself have done is then looked up, see `write.doubt`.
    """

    key: str | None
    digest: str | None = None
    send_key: bool = False
    mode: Mode = "update"
    ttl_s: int | None = None
    ttl_column: str | None = None
    generation_column: str | None = None
    generation_policy: GenerationPolicy = "none"
    left_out: frozenset[str] = frozenset(METADATA_NAMES)
    may_repeat: bool = False

    @property
    def by(self) -> str | None:
        """The column by which records are found."""
        return self.key if self.digest is None else self.digest

    @property
    def info2(self) -> int:
        """The second flag byte of a row's request, see `wire.message.Info2`."""
        return int(Info2.WRITE) | _EXISTS[self.mode][0] | _GENERATION[self.generation_policy]

    @property
    def info3(self) -> int:
        """The third flag byte, see `wire.message.Info3`."""
        return _EXISTS[self.mode][1]

    @property
    def removes_nulls(self) -> bool:
        """Whether a NULL is an operation that removes a bin; where the record is new as a whole there is none."""
        return self.mode in ("update", "update_only")
