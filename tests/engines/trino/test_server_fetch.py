"""A server is brought once, whole or not at all."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from aerospike_magic.engines.trino.server import fetch, fetch_server, find_server
from aerospike_magic.engines.trino.server.releases import find_release
from aerospike_magic.errors import EngineServerError


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


WHOLE = {
    "lib/a.jar": b"a" * 1000,
    "lib/more-1.jar": b"more",
    "plugin/kept/a.jar": b"a" * 1000,
    "plugin/kept/b.jar": b"b" * 1000,
    "plugin/kept/c.jar": b"c" * 1000,
    "plugin/zipped/more-1.jar": b"more",
    "plugin/zipped/zipped-1.jar": b"its own",
}


def test_what_is_kept_is_unpacked_and_nothing_else_stays(small, cache):
    assert find_server() is None
    home = fetch_server()
    assert home == cache / "trino-1-1" == find_server()
    assert files_of(home) == WHOLE
    assert (home / "plugin/kept/a.jar").samefile(home / "lib/a.jar")
    assert sorted(path.name for path in cache.iterdir()) == ["trino-1-1", "trino-1-1.lock"]


def test_it_is_fetched_once(small, repository):
    fetch_server()
    asked = len(repository.asked)
    assert files_of(fetch_server()) == WHOLE
    assert len(repository.asked) == asked


def test_the_first_word_is_how_large_it_is(small):
    told = []
    fetch_server(on_progress=told.append)
    assert (told[0].stage, told[0].done, told[0].total) == ("download", 0, small.download_bytes)
    assert [step.stage for step in told] == sorted(step.stage for step in told)
    for stage in ("download", "unpack"):
        steps = [step for step in told if step.stage == stage]
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert steps[-1].done == steps[-1].total


def test_an_interrupt_leaves_what_has_come(small, repository, cache):
    def interrupt(progress):
        if progress.stage == "unpack":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_server(on_progress=interrupt)
    assert find_server() is None
    assert sorted(path.name for path in cache.iterdir()) == ["trino-1-1.downloads", "trino-1-1.lock"]
    asked = len(repository.asked)
    assert files_of(fetch_server()) == WHOLE
    assert len(repository.asked) == asked


def test_a_download_that_was_damaged_on_the_disk_is_fetched_again(small, repository, cache):
    def interrupt(progress):
        if progress.stage == "unpack":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_server(on_progress=interrupt)
    (cache / "trino-1-1.downloads/server-1.tar.gz").write_bytes(b"damaged")
    assert files_of(fetch_server()) == WHOLE


def test_what_a_killed_process_left_is_removed(small, cache):
    left = cache / "trino-1-1.new-abc"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    assert files_of(fetch_server()) == WHOLE
    assert not left.exists()


def test_two_that_want_it_at_once_fetch_it_once(small, repository):
    told: list[str] = []
    homes = []
    threads = [
        threading.Thread(target=lambda: homes.append(fetch_server(on_progress=lambda step: told.append(step.stage))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(homes) == 4
    assert files_of(homes[0]) == WHOLE
    assert len([path for path, _ in repository.asked if path.endswith(".tar.gz")]) == 1


def test_who_waits_for_another_is_told(small, cache, monkeypatch):
    release = threading.Event()
    started = threading.Event()

    def slow(progress):
        started.set()
        release.wait(60)

    first = threading.Thread(target=fetch_server, kwargs={"on_progress": slow})
    first.start()
    started.wait(60)
    told = []

    def note(progress):
        told.append(progress.stage)
        release.set()

    fetch_server(on_progress=note)
    first.join()
    assert told[0] == "wait"


def test_a_full_disk_is_seen_before_anything_is_fetched(small, repository, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(EngineServerError, match=r"Small 1 needs \d+ MB in .*, and 0 MB are free"):
        fetch_server()
    assert repository.asked == []


def test_a_cache_that_cannot_be_written_is_told(small, cache):
    cache.write_text("a file")
    with pytest.raises(EngineServerError, match="could not be put into") as caught:
        fetch_server()
    assert fetch.VARIABLE in caught.value.hint


def test_kinds():
    assert find_release("trino").download_bytes == 821_045_832
    presto = find_release("presto")
    assert {"lib", "plugin/thrift", "plugin/tpch", "plugin/memory"} == {
        folder for folders in presto.artifacts.values() for folder in folders
    }
    assert "asm" in presto.jars_of("plugin/thrift")
    with pytest.raises(EngineServerError, match="no server of the kind 'druid'"):
        find_release("druid")


def test_a_relative_cache_is_meant_from_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(fetch.VARIABLE, "here")
    assert fetch.cache_folder() == tmp_path / "here"
