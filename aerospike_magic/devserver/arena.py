"""One growing run of bytes that never moves: address space is reserved, memory is taken as it is written.

Kernels and running queries hold views of the arena while writers append behind them, so it must not be reallocated.
A private anonymous mapping without reserved swap does that: pages cost memory only once written.
"""

from __future__ import annotations

import mmap
import platform
import sys

import numpy as np
import numpy.typing as npt

from aerospike_magic.errors import DevServerError

RESERVED_BYTES = 64 << 30
_NO_RESERVE = 0x4000 if sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64") else 0
"""Linux's MAP_NORESERVE, which Python's mmap names from 3.13 on only."""


class Arena:
    """Append-only bytes, visible as 8, 16, 32 and 64-bit words.

    Args:
        reserved_bytes: address space to reserve; halved until the system grants it.
    """

    def __init__(self, reserved_bytes: int = RESERVED_BYTES) -> None:
        self._mapping = _reserve(reserved_bytes)
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(self._mapping, np.uint8)
        self.words16: npt.NDArray[np.uint16] = self.bytes.view(np.uint16)
        self.words32: npt.NDArray[np.uint32] = self.bytes.view(np.uint32)
        self.words64: npt.NDArray[np.uint64] = self.bytes.view(np.uint64)
        self.used = 0

    @property
    def capacity(self) -> int:
        """Bytes of address space."""
        return len(self.bytes)

    def allocate(self, n_bytes: int) -> int:
        """Take the next `n_bytes` (a multiple of 8) and return where they start.

        Raises:
            DevServerError: the reserved address space is used up.
        """
        start = self.used
        if start + n_bytes > self.capacity:
            raise DevServerError("the server's arena is full", hint="restart it with less data")
        self.used = start + n_bytes
        return start


def _reserve(n_bytes: int) -> mmap.mmap:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
    while True:
        try:
            return mmap.mmap(-1, n_bytes, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        except (OSError, ValueError, MemoryError):
            n_bytes //= 2
            if n_bytes < 1 << 28:
                raise DevServerError("not even 256 MB of address space could be reserved") from None
