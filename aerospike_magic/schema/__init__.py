"""How Aerospike's schemaless bins become Arrow columns.

`types` names the column kinds and the `SetSchema`; `infer` makes one from a sample and keeps the evidence;
`convert` turns raw particles of nested and mixed columns into Arrow arrays; `json_text` is the text form that
loses nothing.
"""

from __future__ import annotations

from aerospike_magic.schema.types import METADATA_NAMES, Column, Evidence, Kind, SetSchema, Source

__all__ = ["METADATA_NAMES", "Column", "Evidence", "Kind", "SetSchema", "Source"]
