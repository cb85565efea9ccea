"""Arrow record batches → records of a set, with an account of what could not be written."""

from __future__ import annotations

from aerospike_magic.write.columns import check_columns
from aerospike_magic.write.options import GENERATION_POLICIES, MODES, WriteOptions
from aerospike_magic.write.report import Failure, WriteReport
from aerospike_magic.write.run import Writer, WriteProgress, write_batches

__all__ = [
    "GENERATION_POLICIES",
    "MODES",
    "Failure",
    "WriteOptions",
    "WriteProgress",
    "WriteReport",
    "Writer",
    "check_columns",
    "write_batches",
]
