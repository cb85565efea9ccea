"""Keeps namespaces in a directory, over restarts: one file each, to which every change is appended.

`NAME.data` begins with what the namespace held when the file was last made anew (all sets, indexes and records), and
goes on with the changes since. A file half of which is out of date is made anew beside the old one, while the server
works, and then takes its name. So at any moment there is one whole file, and it alone counts.

A change is in the operating system's hands before it is answered; once a second it is sent on to the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from aerospike_magic.devserver.directory import N_PARTITIONS
from aerospike_magic.devserver.journal import FILE_MAGIC, Block, Journal, Kind, copy_blocks, encode_block, read_blocks
from aerospike_magic.devserver.kernels.adopt import gather_records
from aerospike_magic.devserver.sindex import STORED, Indexes, SecondaryIndex
from aerospike_magic.devserver.store import Namespace
from aerospike_magic.errors import DevServerError

log = logging.getLogger(__name__)

SYNC_S = 1.0
"""How often what was written goes to the disk: a power failure costs so much at most."""

RENEW_FROM = 64 << 20
"""Bytes of a file from which making it anew is worth it."""

_SUFFIX = ".data"
_RUN = 1 << 20
_ADOPT_FROM = 4 << 20


class DataDirectory:
    """A directory that this process alone keeps namespaces in.

    Args:
        path: the directory; it is made if there is none.

    Raises:
        DevServerError: it cannot be written to, or another server has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: list[_KeptNamespace] = []
        self._stopping = threading.Event()
        self._closing = threading.Lock()
        self._thread: threading.Thread | None = None
        with _told(path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._lock, 20).decode(errors="replace")
            os.close(self._lock)
            raise DevServerError(
                f"{path} is in use by another server (process {owner})", hint="stop that one, or take another --data"
            ) from None
        with _told(path):
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, b"%d" % os.getpid(), 0)

    def names(self) -> list[str]:
        """The namespaces that are there."""
        return sorted(file.name.removesuffix(_SUFFIX) for file in self.path.glob("*" + _SUFFIX))

    def open(self, namespaces: Mapping[str, Namespace], indexes: Mapping[str, Indexes]) -> None:
        """Put into empty namespaces what they held, and keep what happens to them from now on.

        Raises:
            DevServerError: a file cannot be read or written, or is damaged.
        """
        for name, namespace in namespaces.items():
            with _told(self.path):
                kept = _KeptNamespace(self.path / (name + _SUFFIX), namespace, indexes[name], self._stopping.is_set)
                kept.open()
            self._kept.append(kept)
        self._thread = threading.Thread(target=self._look_after, name="data", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write everything to the disk and let go of the directory; what is written later is refused."""
        with self._closing:
            self._stopping.set()
            if self._thread is not None:
                self._thread.join()
            for kept in self._kept:
                kept.close()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def _look_after(self) -> None:
        while not self._stopping.wait(SYNC_S):
            for kept in self._kept:
                try:
                    kept.look_after()
                except OSError as error:
                    log.error("%s: %s", kept.path, error.strerror or error)


class _KeptNamespace:
    """A namespace and its file."""

    def __init__(self, path: Path, namespace: Namespace, indexes: Indexes, is_stopping: Callable[[], bool]) -> None:
        self.path = path
        self._new_path = path.with_suffix(".new")
        self._namespace = namespace
        self._indexes = indexes
        self._is_stopping = is_stopping
        self._retry_from = 0

    def open(self) -> None:
        """Read the file, mend its end, and write on there."""
        self._new_path.unlink(missing_ok=True)
        if not self.path.exists():
            with self._new_path.open("w+b") as file:
                self._write_head(file)
                file.flush()
                os.fsync(file.fileno())
            self._new_path.replace(self.path)
            _sync_directory(self.path.parent)
        with self.path.open("rb") as file:
            end, was_stopped = self._read(file)
            size = os.fstat(file.fileno()).st_size
        if end < size:
            log.warning("%s: cut off %s bytes of a write that was not finished", self.path, f"{size - end:,}")
        elif not was_stopped:
            log.warning("%s: the server was not stopped in order; all that was written is here", self.path)
        descriptor = os.open(self.path, os.O_RDWR)
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
        self._namespace.journal = Journal(self.path, descriptor, end)

    def close(self) -> None:
        """Write down that everything is there."""
        with self._namespace.lock:
            if self._namespace.journal is not None:
                self._namespace.journal.close()

    def look_after(self) -> None:
        """Send what was written to the disk, and make the file anew if too much of it is out of date."""
        journal = self._namespace.journal
        assert journal is not None
        journal.sync()
        live = sum(state.used_bytes for state in self._namespace.sets)
        if journal.end >= max(RENEW_FROM, 2 * live, self._retry_from):
            # If that fails, for lack of space say, then not every second again.
            self._retry_from = journal.end + RENEW_FROM
            self.renew()
            self._retry_from = 0

    # -- reading --

    def _read(self, file: BinaryIO) -> tuple[int, bool]:
        """Read the file; returns where it ends, and whether the server was stopped in order then."""
        if file.read(len(FILE_MAGIC)) != FILE_MAGIC:
            raise DevServerError(
                f"{self.path} is no data file of this server's version", hint="move it away to start with no data"
            )
        arena = self._namespace.arena
        end, kind, pending = len(FILE_MAGIC), 0, arena.used
        for block, data in read_blocks(file, self.path, self._space):
            if kind == 0:
                self._check_head(block, data)
            end, kind = block.end, block.kind
            if kind == Kind.RECORDS:
                self._namespace.arena.allocate(block.length)
            if kind != Kind.RECORDS or self._namespace.arena.used - pending >= _ADOPT_FROM:
                pending = self._adopt(pending)
            if kind != Kind.RECORDS:
                self._apply(kind, bytes(data))
                # Compaction may have moved everything.
                pending = self._namespace.arena.used
        self._adopt(pending)
        if kind == 0:
            raise DevServerError(f"{self.path} is damaged at its head", hint="move it away to start with no data")
        return end, kind in (Kind.STOPPED, Kind.NAMESPACE)

    def _space(self, block: Block) -> memoryview:
        if block.kind != Kind.RECORDS:
            return memoryview(bytearray(block.length))
        arena = self._namespace.arena
        if block.length > arena.capacity - arena.used:
            raise DevServerError(f"{self.path} has more records than this machine has address space for")
        return arena.bytes[arena.used : arena.used + block.length].data

    def _adopt(self, start: int) -> int:
        if start < self._namespace.arena.used:
            self._namespace.adopt(start, self._namespace.arena.used)
        return self._namespace.arena.used

    def _check_head(self, block: Block, data: memoryview) -> None:
        if block.kind != Kind.NAMESPACE:
            raise DevServerError(f"{self.path} is damaged at its head", hint="move it away to start with no data")
        head = json.loads(bytes(data))
        if head != self._head():
            raise DevServerError(
                f"{self.path} holds namespace {head['name']} of a {head['byte_order']}-endian machine",
                hint="give it the name it had, on such a machine",
            )

    def _apply(self, kind: int, data: bytes) -> None:
        namespace = self._namespace
        if kind == Kind.REMOVE:
            namespace.remove(data)
            return
        values: dict[str, Any] = json.loads(data or b"{}")
        if kind == Kind.SET:
            state = namespace.set_state(values["name"])
            state.truncated_ms = values.get("truncated_ms", 0)
            if state.set_id != values["id"]:
                raise DevServerError(f"{self.path} is damaged: the ids of its sets have a gap")
        elif kind == Kind.TRUNCATE:
            namespace.truncate(values["set"], values["before_ms"], values["truncated_ms"])
        elif kind == Kind.INDEX:
            self._indexes.create(SecondaryIndex(namespace.name, **values))
        elif kind == Kind.NO_INDEX:
            self._indexes.remove(values["name"])
        elif kind not in (Kind.NAMESPACE, Kind.STOPPED):
            raise DevServerError(f"{self.path} has a block of kind {kind}, which this version does not know")

    # -- writing --

    def _head(self) -> dict[str, str]:
        return {"name": self._namespace.name, "byte_order": sys.byteorder}

    def _write_head(self, file: BinaryIO) -> None:
        file.write(FILE_MAGIC)
        _write(file, Kind.NAMESPACE, self._head())

    def renew(self) -> None:
        """Write what there is to a new file, with what happens meanwhile, and let it take the old one's name.

        Raises:
            OSError: that did not work; the old file goes on.
        """
        namespace, journal = self._namespace, self._namespace.journal
        assert journal is not None
        with namespace.lock:
            done = journal.end
            arena = namespace.arena
            partitions = [namespace.snapshot(partition) for partition in range(N_PARTITIONS)]
            sets = [{"id": s.set_id, "name": s.name, "truncated_ms": s.truncated_ms} for s in namespace.sets]
            indexes = [{name: getattr(index, name) for name in STORED} for index in self._indexes]
        try:
            with self._new_path.open("w+b") as new, self.path.open("rb") as old:
                self._write_head(new)
                for values in sets:
                    _write(new, Kind.SET, values)
                for values in indexes:
                    _write(new, Kind.INDEX, values)
                for run in _runs(arena.bytes, arena.words32, np.concatenate(partitions)):
                    if self._is_stopping():
                        return
                    encode_block(new, Kind.RECORDS, run)
                new.flush()
                os.fsync(new.fileno())
                with namespace.lock:
                    copy_blocks(old, done, journal.end, new)
                    new.flush()
                    os.fsync(new.fileno())
                    before, after = journal.end, new.tell()
                    descriptor = os.dup(new.fileno())
                    try:
                        self._new_path.replace(self.path)
                    except OSError:
                        os.close(descriptor)
                        raise
                    journal.replace(descriptor, after)
            _sync_directory(self.path.parent)
            log.info("%s: made anew, %d MB instead of %d", self.path, after >> 20, before >> 20)
        finally:
            self._new_path.unlink(missing_ok=True)


def _sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _write(file: BinaryIO, kind: Kind, values: Mapping[str, object]) -> None:
    encode_block(file, kind, json.dumps(values).encode())


def _runs(
    data: npt.NDArray[np.uint8], words32: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64]
) -> Iterable[npt.NDArray[np.uint8]]:
    """Copy records into blocks of about a megabyte; a larger one gets a block of its own."""
    out = np.empty(_RUN, np.uint8)
    i = 0
    while i < len(offsets):
        following, size = gather_records(data, words32, offsets, i, out)
        if following == i:
            at = int(offsets[i])
            following, size = i + 1, int(words32[at >> 2])
            yield data[at : at + size]
        else:
            yield out[:size]
        i = following


@contextlib.contextmanager
def _told(path: Path) -> Any:
    """Say in one line what the system refuses."""
    try:
        yield
    except OSError as error:
        raise DevServerError(
            f"cannot keep data in {path}: {error.strerror or error}", hint="is it a directory that can be written to?"
        ) from None
