"""A data directory: what was written is there again, a torn end is mended and said, damage is refused and said."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aerospike_magic.devserver import datadir, store
from aerospike_magic.devserver.datadir import DataDirectory
from aerospike_magic.devserver.journal import BLOCK_MAGIC, NotStored
from aerospike_magic.devserver.load import Column, bulk_load
from aerospike_magic.devserver.node import Storage
from aerospike_magic.devserver.sindex import SecondaryIndex
from aerospike_magic.devserver.store import Namespace, Record, now_ms, now_s
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.particle_type import ParticleType

State = dict[bytes, tuple[Any, ...]]


def record(i: int, size: int = 10, set_name: str = "s", generation: int = 1) -> Record:
    digest = hashlib.sha1(b"%d" % i).digest()
    key = b"\x01" + i.to_bytes(8, "big") if i % 2 else None
    void_time = now_s() + 1000 + i if i % 3 else 0
    return Record(
        digest, set_name, generation, void_time, now_ms(), key, {b"v": (3, bytes(size)), b"i": (3, b"%d" % i)}
    )


def contents(namespace: Namespace) -> State:
    offsets = [
        int(at) for partition in np.flatnonzero(namespace.directory.counts) for at in namespace.snapshot(partition)
    ]
    digests = [namespace.record(at).digest for at in offsets]
    assert len(set(digests)) == len(digests)
    assert digests == sorted(digests, key=lambda d: (store.partition_of(d), d))
    return {one.digest: as_row(one) for one in map(namespace.record, offsets)}


def as_row(one: Record) -> tuple[Any, ...]:
    return one.set_name, one.generation, one.void_time, one.last_update_ms, one.key, tuple(one.bins.items())


@contextmanager
def opened(path: Path, *names: str) -> Iterator[Storage]:
    """A storage that is stopped in order at the end."""
    directory = DataDirectory(path)
    try:
        yield Storage(names or ("test",), directory)
    finally:
        directory.close()


def crash(path: Path, write: Callable[[Namespace], None]) -> None:
    """Write in a process of its own that ends as by kill -9."""
    pid = os.fork()
    if not pid:
        try:
            write(Storage(("test",), DataDirectory(path)).namespaces["test"])
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def sets(namespace: Namespace) -> list[tuple[Any, ...]]:
    return [(s.name, s.set_id, s.objects, s.used_bytes, s.truncated_ms) for s in namespace.sets]


def test_random_changes_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_COMPACT_FROM", 100_000)
    monkeypatch.setattr(datadir, "_ADOPT_FROM", 20_000)
    generator = random.Random(4)
    before: State = {}
    known: list[tuple[Any, ...]] = []
    for _ in range(4):
        with opened(tmp_path) as storage:
            namespace = storage.namespaces["test"]
            assert contents(namespace) == before
            assert known == [] or sets(namespace) == known
            for _ in range(1500):
                i = generator.randrange(500)
                if generator.random() < 0.7:
                    namespace.put(record(i, generator.randrange(400), f"s{i % 3}", generator.randrange(1, 60_000)))
                elif generator.random() < 0.98:
                    namespace.remove(record(i).digest)
                else:
                    namespace.truncate(f"s{i % 3}", now_ms() - generator.randrange(50))
            before, known = contents(namespace), sets(namespace)


def test_indexes_and_truncations_survive(tmp_path: Path) -> None:
    with opened(tmp_path) as storage:
        indexes, namespace = storage.indexes["test"], storage.namespaces["test"]
        for i in range(20):
            namespace.put(record(i, 5, "s" if i % 2 else ""))
        assert indexes.create(SecondaryIndex("test", "s", "one", "i", "string"))
        assert indexes.create(SecondaryIndex("test", "s", "two", "v", "numeric", "mapkeys"))
        assert indexes.create(SecondaryIndex("test", "", "three", "v", "blob"))
        indexes.remove("three")
        assert indexes.create(SecondaryIndex("test", "s", "new", "i", "string"))
        namespace.truncate("s")
        namespace.put(record(1))
        stats = [index.describe() + index.stats(namespace) for index in indexes]
        truncated = namespace.sets[1].truncated_ms
    assert truncated
    for _ in range(2):
        with opened(tmp_path) as storage:
            indexes, namespace = storage.indexes["test"], storage.namespaces["test"]
            assert [index.describe() + index.stats(namespace) for index in indexes] == stats
            assert namespace.sets[1].truncated_ms == truncated
            assert namespace.objects == 11
            directory_renew(storage, tmp_path)


def directory_renew(storage: Storage, path: Path) -> None:
    """Make the file anew, at once."""
    namespace = storage.namespaces["test"]
    datadir._KeptNamespace(path / "test.data", namespace, storage.indexes["test"], lambda: False).renew()


def test_bulk_loads_survive_and_replace(tmp_path: Path) -> None:
    ids = np.arange(3000)
    with opened(tmp_path) as storage:
        namespace = storage.namespaces["test"]
        bulk_load(namespace, "b", ids, [Column("n", ParticleType.INTEGER, ids)])
        bulk_load(namespace, "b", ids[1000:2000], [Column("m", ParticleType.INTEGER, ids[1000:2000])])
        before = contents(namespace)
        assert namespace.objects == 3000
        assert sum(dict(row[-1]).keys() == {b"m"} for row in before.values()) == 1000
    with opened(tmp_path) as storage:
        assert contents(storage.namespaces["test"]) == before


def test_the_file_is_made_anew_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datadir, "RENEW_FROM", 200_000)
    monkeypatch.setattr(datadir, "SYNC_S", 0.01)
    monkeypatch.setattr(datadir, "_RUN", 5_000)
    with opened(tmp_path) as storage:
        namespace = storage.namespaces["test"]

        def write(part: int) -> None:
            generator = random.Random(part)
            for _ in range(3000):
                i = generator.randrange(200) * 4 + part
                if generator.random() < 0.8:
                    namespace.put(record(i, generator.randrange(2000) if i % 10 else 20_000))
                else:
                    namespace.remove(record(i).digest)

        threads = [threading.Thread(target=write, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        before = contents(namespace)
        most = max(200_000, 2 * sum(s.used_bytes for s in namespace.sets))
        deadline = time.monotonic() + 20
        while namespace.journal.end > most:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert (tmp_path / "test.data").stat().st_size <= most + 32
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", "test.data"]
    with opened(tmp_path) as storage:
        assert contents(storage.namespaces["test"]) == before


def make_small_file(path: Path) -> tuple[bytes, list[tuple[int, State]]]:
    """Write some blocks; returns the file, not stopped in order, and by its size what it held."""
    steps: list[tuple[int, State]] = []
    with opened(path) as storage:
        namespace = storage.namespaces["test"]
        journal = namespace.journal
        assert journal is not None

        def step() -> None:
            steps.append((journal.end, contents(namespace)))

        step()
        for i in range(4):
            namespace.put(record(i))
            step()
        namespace.put(record(2, 3, generation=2))
        step()
        namespace.remove(record(1).digest)
        step()
        # A record that has a block in it, as somebody may store such a file.
        namespace.put(record(7, 1))
        step()
        nested = (path / "test.data").read_bytes()[:100]
        namespace.put(Record(bytes(20), "s", 1, 0, 5, None, {b"file": (4, nested)}))
        step()
        namespace.truncate("s", namespace.record(namespace.find(record(3).digest)).last_update_ms)
        step()
    data = (path / "test.data").read_bytes()[: steps[-1][0]]
    return data, steps


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the waiting for the disk, where a file is opened a thousand times."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def reopen(path: Path, data: bytes) -> State | DevServerError:
    """Start on a file; returns what is there, or the refusal."""
    path.mkdir(exist_ok=True)
    (path / "test.data").write_bytes(data)
    try:
        with opened(path) as storage:
            found = contents(storage.namespaces["test"])
    except DevServerError as error:
        assert (path / "test.data").read_bytes() == data, "a refused file is left alone"
        return error
    if len(data) % 10 == 0:
        with opened(path) as storage:
            assert contents(storage.namespaces["test"]) == found
    return found


def test_a_file_cut_anywhere(tmp_path: Path, caplog: Any, no_disk: None) -> None:
    data, steps = make_small_file(tmp_path / "made")
    for size in range(len(data)):
        caplog.clear()
        found = reopen(tmp_path / "cut", data[:size])
        held = [state for end, state in steps if end <= size]
        if isinstance(found, DevServerError):
            assert not held and ("no data file" in str(found) or "damaged at its head" in str(found))
            assert found.hint
        else:
            end = max(end for end, _ in block_ends(data) if end <= size)
            assert found == held[-1]
            messages = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
            if size != end:
                assert messages == [
                    f"{tmp_path / 'cut' / 'test.data'}: cut off {size - end} bytes of a write that was not finished"
                ]
            else:
                assert len(messages) == (end != steps[0][0])


def block_ends(data: bytes) -> list[tuple[int, bytes]]:
    ends, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at + 16 : at + 24], "little")
        assert data[at : at + 4] == BLOCK_MAGIC
        at += 32 + length
        ends.append((at, data[:at]))
    return ends


def test_a_byte_changed_anywhere(tmp_path: Path, caplog: Any, no_disk: None) -> None:
    data, steps = make_small_file(tmp_path / "made")
    ends = [end for end, _ in block_ends(data)]
    refused = 0
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        caplog.clear()
        found = reopen(tmp_path / "changed", bytes(changed))
        if at < ends[-2]:
            assert isinstance(found, DevServerError), at
            refused += 1
            if at >= ends[0]:
                start = max(end for end in ends if end <= at)
                assert f"damaged: the block at byte {start:,}" in str(found)
                assert f"truncate -s {start} " in str(found.hint)
        else:
            assert found == steps[-2][1]
            assert f"cut off {len(data) - ends[-2]} bytes" in caplog.text
    assert refused > 1000


def test_zeros_behind_the_end(tmp_path: Path, caplog: Any) -> None:
    """What a power failure leaves: the file has grown, its last bytes never came."""
    data, steps = make_small_file(tmp_path / "made")
    assert reopen(tmp_path / "zeros", data + bytes(5000)) == steps[-1][1]
    assert "cut off 5,000 bytes" in caplog.text


def test_blocks_elsewhere_than_they_were_written(tmp_path: Path, caplog: Any) -> None:
    data, steps = make_small_file(tmp_path / "made")
    ends = [end for end, _ in block_ends(data)]
    assert reopen(tmp_path / "lost", data[: ends[3]] + data[ends[4] :]) == dict(steps)[ends[3]]
    assert f"cut off {len(data) - ends[4]:,} bytes" in caplog.text
    assert reopen(tmp_path / "twice", data[: ends[4]] + data[ends[3] :]) == dict(steps)[ends[4]]


def test_a_process_that_is_killed_loses_nothing(tmp_path: Path, caplog: Any) -> None:
    crash(tmp_path, lambda namespace: [namespace.put(record(i)) for i in range(100)] and None)
    with opened(tmp_path) as storage:
        assert storage.namespaces["test"].objects == 100
    assert "not stopped in order" in caplog.text
    caplog.clear()
    with opened(tmp_path):
        pass
    assert not caplog.records


def test_one_directory_one_server(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(DevServerError, match=rf"in use by another server \(process {os.getpid()}\)"):
        DataDirectory(tmp_path)
    with opened(tmp_path):
        pass


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DevServerError, match="cannot keep data in"):
        DataDirectory(tmp_path / "file")


def test_a_file_of_another_namespace(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    (tmp_path / "test.data").rename(tmp_path / "other.data")
    with pytest.raises(DevServerError, match="holds namespace test"), opened(tmp_path, "other"):
        pass


def test_what_cannot_be_written_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    with opened(tmp_path) as storage:
        namespace, indexes = storage.namespaces["test"], storage.indexes["test"]
        namespace.put(record(1))
        before = contents(namespace)
        with monkeypatch.context() as patched:
            patched.setattr(os, "writev", half_a_write)
            with pytest.raises(NotStored):
                namespace.put(record(2))
            with pytest.raises(NotStored):
                namespace.put(record(1, 50))
            with pytest.raises(NotStored):
                namespace.remove(record(1).digest)
            with pytest.raises(NotStored):
                namespace.truncate("s")
            with pytest.raises(NotStored):
                namespace.set_state("new")
            with pytest.raises(NotStored):
                indexes.create(SecondaryIndex("test", "s", "one", "i", "string"))
            assert contents(namespace) == before
            assert not list(indexes)
        assert caplog.text.count("No space left") == 1
        namespace.put(record(3))
        assert "writing works again" in caplog.text
        before = contents(namespace)
    with opened(tmp_path) as storage:
        assert contents(storage.namespaces["test"]) == before


def half_a_write(descriptor: int, parts: tuple[Any, ...]) -> int:
    os.write(descriptor, b"".join(parts)[:40])
    raise OSError(28, "No space left on device")


def test_nothing_is_stored_after_the_end(tmp_path: Path) -> None:
    with opened(tmp_path) as storage:
        pass
    with pytest.raises(NotStored, match="stopping"):
        storage.namespaces["test"].put(record(1))


def test_without_a_directory_nothing_is_written_down() -> None:
    assert Storage(("test",)).namespaces["test"].journal is None


def test_an_index_sees_what_a_load_replaced() -> None:
    storage = Storage(("test",))
    namespace, index = storage.namespaces["test"], SecondaryIndex("test", "s", "i", "n", "numeric")
    bulk_load(namespace, "s", np.arange(3), [Column("n", ParticleType.INTEGER, np.array([1, 2, 3]))])
    assert index.stats(namespace).startswith("entries=3;")
    bulk_load(namespace, "s", np.arange(3), [Column("m", ParticleType.INTEGER, np.array([1, 2, 3]))])
    assert index.stats(namespace).startswith("entries=0;")


def test_a_file_that_cannot_be_made_anew_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for name in ("gather_records", "copy_blocks"):
        with opened(tmp_path) as storage:
            namespace = storage.namespaces["test"]
            namespace.put(record(1))
            with monkeypatch.context() as patched:
                patched.setattr(datadir, name, fails)
                with pytest.raises(OSError, match="No space"):
                    directory_renew(storage, tmp_path)
            namespace.put(record(2))
            before = contents(namespace)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", "test.data"]
        with opened(tmp_path) as storage:
            assert contents(storage.namespaces["test"]) == before
