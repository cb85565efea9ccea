"""Storage: what is put is found, in order, and what is gone gives its memory back."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from aerospike_magic.devserver import store
from aerospike_magic.devserver.arena import Arena
from aerospike_magic.devserver.store import Namespace, Record, now_ms, partition_of
from aerospike_magic.errors import DevServerError
from aerospike_magic.wire.digest import partition_id


def record(i: int, size: int = 10, set_name: str = "s") -> Record:
    digest = hashlib.sha1(b"%d" % i).digest()
    return Record(digest, set_name, 1, 0, now_ms(), None, {b"v": (3, bytes(size)), b"i": (3, b"%d" % i)})


def everything(namespace: Namespace) -> list[Record]:
    return [namespace.record(int(at)) for partition in range(4096) for at in namespace.snapshot(partition)]


def test_same_as_a_dict() -> None:
    generator = random.Random(2)
    namespace, model = Namespace("test"), {}
    for _ in range(20_000):
        one = record(generator.randrange(3000), generator.randrange(40))
        if generator.random() < 0.7:
            namespace.put(one)
            model[one.digest] = one
        else:
            assert namespace.remove(one.digest) == (model.pop(one.digest, None) is not None)
    found = everything(namespace)
    for one in found:
        one.size = 0
    order = sorted(model.values(), key=lambda one: (partition_of(one.digest), one.digest))
    assert found == order
    assert namespace.objects == len(model)
    assert all(partition_of(one.digest) == partition_id(one.digest) for one in order)


def test_expired_records_are_gone() -> None:
    namespace = Namespace("test")
    one = record(1)
    one.void_time = 5
    namespace.put(one)
    assert namespace.objects == 1
    assert namespace.find(one.digest) == -1
    assert namespace.objects == 0


def test_compaction_keeps_every_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_COMPACT_FROM", 100_000)
    namespace = Namespace("test")
    arenas: list[Any] = [namespace.arena]
    for turn in range(6):
        for i in range(500):
            at = namespace.put(record(i, 100 + turn))
            assert namespace.record(at).bins[b"v"][1] == bytes(100 + turn)
            if namespace.arena is not arenas[-1]:
                arenas.append(namespace.arena)
    assert len(arenas) > 1
    assert namespace.arena.used < 3 * 500 * 250
    assert {one.bins[b"i"][1] for one in everything(namespace)} == {b"%d" % i for i in range(500)}
    assert all(one.bins[b"v"][1] == bytes(105) for one in everything(namespace))


def test_truncate_gives_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_COMPACT_FROM", 1000)
    namespace = Namespace("test")
    for i in range(1000):
        namespace.put(record(i, 1000, "big"))
    for i in range(1000, 1010):
        namespace.put(record(i, 10, "small"))
    namespace.truncate("big")
    assert namespace.arena.used < 10_000
    assert (namespace.sets[1].objects, namespace.sets[2].objects) == (0, 10)
    namespace.truncate(None)
    assert everything(namespace) == []
    assert namespace.objects == 0


def test_a_full_arena_says_so() -> None:
    arena = Arena(1 << 28)
    with pytest.raises(DevServerError, match="full"):
        arena.allocate(1 << 40)
