"""Gives memory that loading needed for a moment back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys


def release_unused() -> None:
    """Collect garbage and return free heap pages; where the C library cannot do that, nothing happens."""
    gc.collect()
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None:
        pyarrow.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
