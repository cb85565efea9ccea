"""Random lists and maps as bytes: mostly what clients send, at times longer forms, bad keys, broken bytes."""

from __future__ import annotations

import random
import struct

_INTEGERS = [0, 1, 2, 7, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63 - 1, -1, -32, -33, -128, -129]
_INTEGERS += [-32_768, -32_769, -(2**31), -(2**31) - 1, -(2**63)]
_FORMS = (
    (0xCC, ">B"),
    (0xCD, ">H"),
    (0xCE, ">I"),
    (0xCF, ">Q"),
    (0xD0, ">b"),
    (0xD1, ">h"),
    (0xD2, ">i"),
    (0xD3, ">q"),
)


def _is_indexed(data: bytes) -> bool:
    """Whether bytes start with a list's or map's header and an extension whose type has bit 16."""
    at = {0xDC: 3, 0xDD: 5, 0xDE: 3, 0xDF: 5}.get(data[0], 1) if data else 0
    sizes = {0xC7: 2, 0xC8: 3, 0xC9: 5, **dict.fromkeys(range(0xD4, 0xD9), 1)}
    if at >= len(data) or data[at] not in sizes:
        return False
    return bool(data[at + sizes[data[at]] :][:1] and data[at + sizes[data[at]]] & 16)


class RandomValues:
    """Makes them.

    Args:
        seed: of the random numbers.
        odd: how often something is not as a client would send it.
    """

    def __init__(self, seed: int, odd: float) -> None:
        self._random = random.Random(seed)
        self._odd = odd

    def value(self) -> tuple[int, bytes]:
        """A particle type, list or map, and bytes."""
        while True:
            kind, data = self._value()
            # The outermost one marked as having a persisted index can end a real server 8.1.2.
            if not _is_indexed(data):
                return kind, data

    def _value(self) -> tuple[int, bytes]:
        is_map = self._random.random() < 0.6
        data = self._container(is_map, 3)
        if self._is_odd(0.1):
            at = self._random.randrange(len(data))
            data = data[:at] + bytes((self._random.randrange(256),)) + data[at + 1 :]
        if self._is_odd(0.05):
            data = data[: self._random.randrange(len(data))]
        if self._is_odd(0.05):
            data += b"\xc0"
        if self._is_odd(0.05):
            is_map = not is_map
        return 19 if is_map else 20, data

    def _is_odd(self, share: float) -> bool:
        return self._random.random() < self._odd * share

    def _container(self, is_map: bool, depth: int) -> bytes:
        n = self._random.choice([0, 1, 2, 3, 3, 5, 20] if depth == 3 else [0, 1, 2, 3])
        flags = b""
        if self._random.random() < 0.15:
            kind = self._random.choice([0, 1, 1, 1, 3, 2, 8, 64] + [16, 17, 19] * (depth < 3))
            flags = bytes((0xC7, 0, kind)) + (b"\xc0" if is_map else b"")
        body = [self._key() if is_map and i % 2 == 0 else self._element(depth) for i in range(n * (1 + is_map))]
        if is_map and self._random.random() < 0.7:
            pairs = dict(zip(body[::2], body[1::2], strict=True))
            body = [part for pair in sorted(pairs.items()) for part in pair]
            n = len(pairs)
        return self._head(n + bool(flags), is_map) + flags + b"".join(body)

    def _head(self, n: int, is_map: bool) -> bytes:
        if n < 16 and not self._is_odd(0.1):
            return bytes(((0x80 if is_map else 0x90) | n,))
        code = 0xDE if is_map else 0xDC
        return struct.pack(">BI", code + 1, n) if self._is_odd(0.1) else struct.pack(">BH", code, n)

    def _key(self) -> bytes:
        if self._is_odd(0.05):
            return self._element(1)
        return self._integer() if self._random.random() < 0.5 else self._string()

    def _element(self, depth: int) -> bytes:
        choice = self._random.random()
        if choice < 0.25 and depth:
            return self._container(choice < 0.12, depth - 1)
        if choice < 0.5:
            return self._integer()
        if choice < 0.7:
            return self._string()
        if choice < 0.8:
            return b"\xcb" + struct.pack(">d", self._random.choice([0.0, -0.5, 1e300, float("nan"), float("inf")]))
        if self._is_odd(0.1):
            return self._random.choice([b"\xd4\xff\x01", b"\xca\x3f\x80\0\0", b"\xd5\x07ab", b"\xc7\x01\x07a", b"\xc1"])
        return self._random.choice([b"\xc0", b"\xc2", b"\xc3"])

    def _integer(self) -> bytes:
        value = self._random.choice(_INTEGERS)
        forms = [struct.pack(">B", value & 0xFF)] if -32 <= value < 128 else []
        for code, layout in _FORMS if value < 0 else _FORMS[:4]:
            try:
                forms.append(bytes((code,)) + struct.pack(layout, value))
            except struct.error:
                continue
        return self._random.choice(forms) if self._is_odd(0.2) else forms[0]

    def _string(self) -> bytes:
        kind = 3 if self._random.random() < 0.8 else self._random.choice([4, 4, 23 if self._is_odd(0.3) else 4, 18, 9])
        size = self._random.choice([0, 1, 1, 1, 2, 5, 30, 31, 32, 300])
        text = bytes((kind,)) + bytes(self._random.choice(b"abc") for _ in range(size))
        if self._is_odd(0.02):
            text = b""
        if len(text) < 32 and not self._is_odd(0.1):
            return bytes((0xA0 | len(text),)) + text
        if len(text) < 256 and not self._is_odd(0.1):
            return bytes((0xC4 if self._is_odd(0.3) else 0xD9, len(text))) + text
        return struct.pack(">BH", 0xDA, len(text)) + text
