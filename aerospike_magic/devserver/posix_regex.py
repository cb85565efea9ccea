"""Regular expressions by the C library, as a real server has them.

The flags of an expression go to `regcomp` as they are, so POSIX basic and extended syntax, and what a pattern means in
this library, are the server's own. So is its locale: a server runs in "C", where a dot is one byte.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

_REGEX_T_SIZE = 256
"""More than any C library's `regex_t`."""

_LC_ALL_MASK = 0x1FBF if sys.platform.startswith("linux") else 0x3F


class PosixRegex:
    """A compiled pattern; matching is a search, as with `regexec`.

    Args:
        pattern: the pattern; ends at its first NUL.
        flags: `regcomp` flags: 1 extended, 2 ignore case, others as the C library has them.

    Raises:
        ValueError: the pattern is not one.
    """

    def __init__(self, pattern: bytes, flags: int) -> None:
        self._free = None
        library = ctypes.CDLL(None)
        self._buffer = ctypes.create_string_buffer(_REGEX_T_SIZE)
        with _c_locale(library):
            result = library.regcomp(self._buffer, ctypes.c_char_p(pattern), ctypes.c_int(flags))
        if result != 0:
            text = ctypes.create_string_buffer(256)
            library.regerror(ctypes.c_int(result), self._buffer, text, ctypes.c_size_t(256))
            raise ValueError(text.value.decode(errors="replace"))
        self._free = library.regfree
        self._exec = library.regexec

    def search(self, text: bytes) -> bool:
        """Say whether the pattern is somewhere in the text, which ends at its first NUL."""
        return bool(self._exec(self._buffer, ctypes.c_char_p(text), ctypes.c_size_t(0), None, 0) == 0)

    @property
    def address(self) -> int:
        """Where the compiled pattern is, for kernels; valid as long as this object is."""
        return ctypes.addressof(self._buffer)

    @staticmethod
    def search_address() -> int:
        """Where the C library's `regexec` is."""
        return ctypes.cast(ctypes.CDLL(None).regexec, ctypes.c_void_p).value or 0

    def __del__(self) -> None:
        if self._free is not None:
            self._free(self._buffer)


@contextlib.contextmanager
def _c_locale(library: ctypes.CDLL) -> Iterator[None]:
    """Give the calling thread, and no other, the locale "C"."""
    library.newlocale.restype = library.uselocale.restype = ctypes.c_void_p
    locale = library.newlocale(_LC_ALL_MASK, ctypes.c_char_p(b"C"), None)
    previous = library.uselocale(ctypes.c_void_p(locale))
    try:
        yield
    finally:
        library.uselocale(ctypes.c_void_p(previous))
        library.freelocale(ctypes.c_void_p(locale))
