"""Reads the msgpack of filter expressions.

Expressions mix instructions, bare names and values, and tell them apart by place: a list is an instruction, a string
where a value may stand begins with its particle type, a name does not. So they are read piece by piece, not as a whole.
"""

from __future__ import annotations

import struct

from aerospike_magic.errors import WireError

MAX_DEPTH = 128


class PackReader:
    """A place in msgpack bytes.

    Every method raises WireError when the bytes end or are of another kind.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    @property
    def is_at_end(self) -> bool:
        """Whether everything was read."""
        return self.at == len(self._data)

    def peek(self) -> int:
        """The next byte, not taken."""
        if self.at >= len(self._data):
            raise WireError("an expression ends too early")
        return self._data[self.at]

    @property
    def is_list(self) -> bool:
        """Whether a list comes next."""
        code = self.peek()
        return 0x90 <= code <= 0x9F or code in (0xDC, 0xDD)

    @property
    def is_string(self) -> bool:
        """Whether a string or blob comes next."""
        code = self.peek()
        return 0xA0 <= code <= 0xBF or code in (0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB)

    def list_size(self) -> int:
        """Take a list's header and return its size."""
        code = self._byte()
        if 0x90 <= code <= 0x9F:
            return code & 0x0F
        if code == 0xDC:
            return self._number(">H")
        if code == 0xDD:
            return self._number(">I")
        raise WireError("an expression lacks a list")

    def integer(self) -> int:
        """Take an integer."""
        code = self._byte()
        if code <= 0x7F:
            return code
        if code >= 0xE0:
            return code - 256
        layout = _INTEGERS.get(code)
        if layout is None:
            raise WireError("an expression lacks an integer")
        value = self._number(layout)
        return value - (1 << 64) if value >= 1 << 63 else value

    def string(self) -> bytes:
        """Take a string or blob."""
        code = self._byte()
        if 0xA0 <= code <= 0xBF:
            return self._take(code & 0x1F)
        layout = _STRINGS.get(code)
        if layout is None:
            raise WireError("an expression lacks a string")
        return self._take(self._number(layout))

    def scalar(self) -> bool | int | float | bytes | None:
        """Take nil, a boolean, a number or a string, or raise."""
        code = self.peek()
        if self.is_string:
            return self.string()
        if code in (0xC0, 0xC2, 0xC3):
            self.at += 1
            return {0xC0: None, 0xC2: False, 0xC3: True}[code]
        if code in (0xCA, 0xCB):
            self.at += 1
            size = 4 if code == 0xCA else 8
            value: float = struct.unpack(">f" if size == 4 else ">d", self._take(size))[0]
            return value
        return self.integer()

    def element(self, depth: int = 0) -> bytes:
        """Take one element of any kind and return its bytes."""
        start = self.at
        self._skip(depth)
        return self._data[start : self.at]

    def _skip(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise WireError("an expression is nested too deeply")
        code = self.peek()
        n = 0
        if self.is_list:
            n = self.list_size()
        elif 0x80 <= code <= 0x8F:
            self.at += 1
            n = 2 * (code & 0x0F)
        elif code in (0xDE, 0xDF):
            self.at += 1
            n = 2 * self._number(">H" if code == 0xDE else ">I")
        elif 0xD4 <= code <= 0xD8:
            self.at += 1
            self._take(1 + (1 << (code - 0xD4)))
        elif 0xC7 <= code <= 0xC9:
            self.at += 1
            size = self._number((">B", ">H", ">I")[code - 0xC7])
            self._take(1 + size)
        else:
            self.scalar()
        for _ in range(n):
            self._skip(depth + 1)

    def _byte(self) -> int:
        code = self.peek()
        self.at += 1
        return code

    def _number(self, layout: str) -> int:
        value: int = struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        return value

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise WireError("an expression ends too early")
        data = self._data[self.at : end]
        self.at = end
        return data


_INTEGERS = {
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_STRINGS = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
