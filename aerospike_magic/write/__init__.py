"""Arrow record batches → records of a set, with an account of what could not be written."""

from __future__ import annotations

from aerospike_magic.write.records import Failure, WriteOptions, WriteReport, check_columns, write_batches

__all__ = ["Failure", "WriteOptions", "WriteReport", "check_columns", "write_batches"]
