"""A namespace's file in a data directory: blocks one after another, each written whole before a client is answered.

A block has a header of 32 bytes in little-endian order::

    +0   the four bytes `BLOCK_MAGIC`
    +4   u32  kind
    +8   u64  where in the file the block starts
    +16  u64  bytes behind the header
    +24  u32  their CRC-32
    +28  u32  CRC-32 of the 28 bytes before

As a block says itself where it is and how long, a file that merely ends too soon can be told from one that was damaged:
behind the former no block follows. The file begins with `FILE_MAGIC`, whose last byte is the version of all this.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

from aerospike_magic.errors import DevServerError

log = logging.getLogger(__name__)

FILE_MAGIC: Final = b"ASDEVNS\x01"
BLOCK_MAGIC: Final = b"\xa5blk"
_HEADER = struct.Struct("<4sIQQI")
_CHECK = struct.Struct("<I")
HEADER_SIZE: Final = _HEADER.size + _CHECK.size
_COPY = 1 << 20


class Kind(IntEnum):
    """What a block is about."""

    NAMESPACE = 1
    SET = 2
    RECORDS = 3
    REMOVE = 4
    TRUNCATE = 5
    INDEX = 6
    NO_INDEX = 7
    STOPPED = 8


class NotStored(DevServerError):
    """A change could not be written down, and so was not made."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header: its kind, where it starts, how many bytes follow the header, their CRC-32."""

    kind: int
    position: int
    length: int
    crc: int

    @property
    def end(self) -> int:
        """Where in the file the next block starts."""
        return self.position + HEADER_SIZE + self.length

    def encode(self) -> bytes:
        """The header's bytes."""
        head = _HEADER.pack(BLOCK_MAGIC, self.kind, self.position, self.length, self.crc)
        return head + _CHECK.pack(zlib.crc32(head))

    @classmethod
    def decode(cls, data: bytes, position: int) -> Block | None:
        """Read the header that stands at a position; None if none does."""
        if len(data) < HEADER_SIZE or zlib.crc32(data[: _HEADER.size]) != _CHECK.unpack_from(data, _HEADER.size)[0]:
            return None
        magic, kind, said, length, crc = _HEADER.unpack_from(data)
        return cls(kind, position, length, crc) if magic == BLOCK_MAGIC and said == position else None


class Journal:
    """Appends blocks to a file. Not for several threads at once: the namespace's lock sees to that.

    A block that cannot be written leaves the file as it was, and so does one whose process is killed, when the file is
    next opened.

    Args:
        path: the file, for messages.
        descriptor: of the file, open for writing; the journal closes it.
        end: where the next block goes.

    Attributes:
        end: bytes of the file.
    """

    def __init__(self, path: Path, descriptor: int, end: int) -> None:
        self.path = path
        self.end = end
        self._descriptor = descriptor
        self._synced = end
        self._refusing = False
        self._closed = False
        os.lseek(descriptor, end, os.SEEK_SET)

    def append(self, kind: Kind, data: Any) -> None:
        """Write a block; when this returns it has the operating system's word, and outlives this process.

        Args:
            kind: what it is.
            data: bytes, or a contiguous array of them.

        Raises:
            NotStored: it could not be written; the file is as before.
        """
        if self._closed:
            raise NotStored("the server is stopping: nothing more is stored")
        view = memoryview(data).cast("B")
        block = Block(kind, self.end, len(view), zlib.crc32(view))
        try:
            if self._refusing:
                # What a failed write left behind could not be cut off then.
                self._cut()
            _write_all(self._descriptor, block.encode(), view)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut()
            self._refuse(error)
        self.end = block.end
        if self._refusing:
            self._refusing = False
            log.warning("%s: writing works again", self.path)

    def sync(self) -> None:
        """Have everything on the disk.

        Raises:
            OSError: the disk did not take it.
        """
        if self._synced != self.end and not self._closed:
            end = self.end
            os.fsync(self._descriptor)
            self._synced = end

    def close(self) -> None:
        """Write down that all is there, and close the file; what comes later is refused."""
        if self._closed:
            return
        try:
            with contextlib.suppress(NotStored):
                self.append(Kind.STOPPED, b"")
            self.sync()
        except OSError as error:
            log.error("%s: the disk did not take the last writes: %s", self.path, error.strerror)
        finally:
            self._closed = True
            os.close(self._descriptor)

    def replace(self, descriptor: int, end: int) -> None:
        """Go on in another file, which has taken the old one's name; it is synced."""
        os.close(self._descriptor)
        os.lseek(descriptor, end, os.SEEK_SET)
        self._descriptor, self.end, self._synced = descriptor, end, end

    def _cut(self) -> None:
        os.ftruncate(self._descriptor, self.end)
        os.lseek(self._descriptor, self.end, os.SEEK_SET)

    def _refuse(self, error: OSError) -> None:
        if not self._refusing:
            self._refusing = True
            log.error("%s: cannot write: %s; writes are refused until it works again", self.path, error.strerror)
        raise NotStored(f"cannot write {self.path}: {error.strerror}") from None


def _write_all(descriptor: int, head: bytes, data: memoryview) -> None:
    """Write both, in one call as long as the system takes all of it."""
    written = os.writev(descriptor, (head, data))
    if written < len(head):
        raise OSError(errno.EIO, "a write was cut short")
    written -= len(head)
    while written < len(data):
        n = os.write(descriptor, data[written:])
        if n == 0:
            raise OSError(errno.EIO, "a write was cut short")
        written += n


# -- reading --


def read_blocks(
    file: BinaryIO, path: Path, space: Callable[[Block], memoryview], start: int = len(FILE_MAGIC)
) -> Iterator[tuple[Block, memoryview]]:
    """Read the blocks of a file up to its end, or to the one that was not finished.

    Args:
        file: the file.
        path: its name, for messages.
        space: gives memory of a block's length to read it into.
        start: where the first block is.

    Yields:
        each whole block and its bytes, which `space` gave.

    Raises:
        DevServerError: something is wrong in the middle: whole blocks come behind it.
    """
    size = os.fstat(file.fileno()).st_size
    position = start
    while position < size:
        file.seek(position)
        block = Block.decode(file.read(HEADER_SIZE), position)
        data = None
        if block is not None and block.end <= size:
            data = space(block)
            if file.readinto(data) != block.length or zlib.crc32(data) != block.crc:  # type: ignore[attr-defined]
                data = None
        if block is None or data is None:
            following = _find_block(file, position + 1, size)
            if following is not None:
                raise DevServerError(
                    f"{path} is damaged: the block at byte {position:,} is not as it was written, and more follows",
                    hint=f"put back a copy of the file, or keep only what is before: truncate -s {position} {path}",
                )
            return
        yield block, data
        position = block.end


def _find_block(file: BinaryIO, start: int, size: int) -> int | None:
    """Find the first whole block from a position on."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        at = mapped.find(BLOCK_MAGIC, start)
        while at >= 0:
            block = Block.decode(mapped[at : at + HEADER_SIZE], at)
            if block is not None and block.end <= size and _crc(mapped, block) == block.crc:
                return at
            at = mapped.find(BLOCK_MAGIC, at + 1)
    return None


def _crc(mapped: mmap.mmap, block: Block) -> int:
    crc = 0
    for at in range(block.position + HEADER_SIZE, block.end, _COPY):
        crc = zlib.crc32(mapped[at : min(at + _COPY, block.end)], crc)
    return crc


def encode_block(file: BinaryIO, kind: Kind, data: Any) -> None:
    """Append a block to a file that is being made."""
    view = memoryview(data).cast("B")
    file.write(Block(kind, file.tell(), len(view), zlib.crc32(view)).encode())
    file.write(view)


def copy_blocks(source: BinaryIO, start: int, end: int, target: BinaryIO) -> None:
    """Append the blocks of a part of one file to another file; they are told their new places."""
    while start < end:
        source.seek(start)
        block = Block.decode(source.read(HEADER_SIZE), start)
        if block is None:
            raise OSError(errno.EIO, f"the block at byte {start:,} cannot be read back")
        target.write(Block(block.kind, target.tell(), block.length, block.crc).encode())
        left = block.length
        while left:
            part = source.read(min(left, _COPY))
            if not part:
                raise OSError(errno.EIO, f"the block at byte {start:,} cannot be read back")
            target.write(part)
            left -= len(part)
        start = block.end
