"""Rows → records of a set, with an account of what could not be written.

``aerospike_magic.write(frame, "namespace.set", key="column")`` writes a DataFrame; see `write` in here.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

from aerospike_magic.write.columns import check_columns
from aerospike_magic.write.frames import choose_options, failed_rows, write
from aerospike_magic.write.options import GENERATION_POLICIES, MODES, WriteOptions
from aerospike_magic.write.report import Failure, WriteReport
from aerospike_magic.write.run import WriteProgress, Writer, write_batches

__all__ = [
    "GENERATION_POLICIES",
    "MODES",
    "Failure",
    "WriteOptions",
    "WriteProgress",
    "WriteReport",
    "Writer",
    "check_columns",
    "choose_options",
    "failed_rows",
    "write",
    "write_batches",
]


class _CallableModule(ModuleType):
    """This module, which can be called as its function `write`.

    The import system binds a package's modules to their names in it, so that ``aerospike_magic.write`` is this module
    as soon as anything has imported it, whatever the package itself says that name is.
    """

    __signature__ = inspect.signature(write)

    def __call__(self, *arguments: Any, **named: Any) -> WriteReport:
        return write(*arguments, **named)

    __call__.__doc__ = write.__doc__


sys.modules[__name__].__class__ = _CallableModule
