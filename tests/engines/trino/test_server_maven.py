"""Files of a repository: resumed, tried again, checked."""

from __future__ import annotations

import base64
import hashlib
import random

import pytest

from aerospike_magic.engines.trino.server.maven import N_TRIES, VARIABLE, Artifact, fetch_artifact
from aerospike_magic.errors import EngineServerError

DATA = random.Random(1).randbytes(300_000)


@pytest.fixture
def artifact(repository):
    return repository.add("org.example.deep:thing:jar:1.2", DATA)


def test_a_file_is_fetched_from_where_maven_would_look(repository, artifact, tmp_path):
    told = []
    path = fetch_artifact(artifact, tmp_path, told.append)
    assert path == tmp_path / "thing-1.2.jar"
    assert path.read_bytes() == DATA
    assert repository.asked == [("/org/example/deep/thing/1.2/thing-1.2.jar", None)]
    assert told[-1] == len(DATA)
    assert told == sorted(told)


def test_a_classifier_stands_behind_the_version(repository, tmp_path):
    artifact = repository.add("io.x:native:jar:linux-x86_64:4.1", b"x")
    assert fetch_artifact(artifact, tmp_path).name == "native-4.1-linux-x86_64.jar"


def test_a_file_that_is_there_is_not_fetched_again(repository, artifact, tmp_path):
    fetch_artifact(artifact, tmp_path)
    fetch_artifact(artifact, tmp_path)
    assert len(repository.asked) == 1


def test_a_cut_connection_goes_on_where_it_ended(repository, artifact, tmp_path):
    repository.cut = [100_000, 50_000]
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA
    assert [wanted for _, wanted in repository.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_an_interrupted_download_goes_on_in_the_next_call(repository, artifact, tmp_path):
    def interrupt(n_bytes):
        raise KeyboardInterrupt

    repository.cut = [100_000]
    with pytest.raises(KeyboardInterrupt):
        fetch_artifact(artifact, tmp_path, interrupt)
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA
    assert repository.asked[1][1] == "bytes=100000-"


def test_a_repository_without_ranges_sends_the_whole_again(repository, artifact, tmp_path):
    repository.has_ranges = False
    repository.cut = [100_000]
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA


def test_a_damaged_file_is_fetched_again(repository, artifact, tmp_path):
    repository.damage = 2
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA
    assert len([path for path, _ in repository.asked if path.endswith(".jar")]) == 3


def test_a_file_that_stays_damaged_is_told(repository, artifact, tmp_path):
    repository.damage = N_TRIES
    with pytest.raises(EngineServerError, match=r"thing-1\.2\.jar could not be fetched in 5 tries: .* damaged"):
        fetch_artifact(artifact, tmp_path)
    assert list(tmp_path.glob("thing*")) == []


def test_a_part_of_another_file_is_seen(repository, artifact, tmp_path):
    (tmp_path / "thing-1.2.jar.part").write_bytes(b"z" * 1000)
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA


def test_a_part_that_is_too_long_is_dropped(repository, artifact, tmp_path):
    (tmp_path / "thing-1.2.jar.part").write_bytes(DATA + b"z")
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA


def test_a_whole_part_is_taken_without_asking(repository, artifact, tmp_path):
    (tmp_path / "thing-1.2.jar.part").write_bytes(DATA)
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA
    assert repository.asked == []


def test_another_file_under_the_name_is_not_fetched_twice(repository, artifact, tmp_path):
    repository.add("org.example.deep:thing:jar:1.2", DATA[::-1])
    with pytest.raises(EngineServerError, match="is not the file that this version of aerospike-magic knows"):
        fetch_artifact(artifact, tmp_path)
    assert len(repository.asked) == 2  # the file, and the digest that the repository announces


@pytest.mark.parametrize("n_bytes", [1, 400_000])
def test_a_file_of_another_size_is_told(repository, artifact, tmp_path, n_bytes):
    repository.add("org.example.deep:thing:jar:1.2", bytes(n_bytes))
    with pytest.raises(EngineServerError):
        fetch_artifact(artifact, tmp_path)
    assert not (tmp_path / "thing-1.2.jar").exists()


def test_a_busy_repository_is_asked_again(repository, artifact, tmp_path):
    repository.refuse = [503, 429, 502]
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA


def test_a_file_that_is_not_there_is_told_at_once(repository, tmp_path):
    missing = Artifact("org.example:missing:jar:1", 5, "0" * 64)
    with pytest.raises(EngineServerError, match="answers 404") as caught:
        fetch_artifact(missing, tmp_path)
    assert VARIABLE in caught.value.hint
    assert len(repository.asked) == 1


def test_who_asks_is_told_to_a_mirror_that_wants_it(repository, artifact, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, repository.url.replace("http://", "http://me:h%40nter2@"))
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA
    assert repository.logins == {"Basic " + base64.b64encode(b"me:h@nter2").decode()}


@pytest.mark.parametrize("port", [":9", ""])
def test_no_repository_is_told_without_the_secret_of_its_address(artifact, tmp_path, monkeypatch, port):
    monkeypatch.setenv(VARIABLE, f"http://me:hunter2@127.0.0.1{port}/maven/")
    with pytest.raises(EngineServerError, match="could not be fetched in 5 tries") as caught:
        fetch_artifact(artifact, tmp_path)
    assert f"http://127.0.0.1{port}/maven/org/example/deep/" in caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_mavens_own_repository_is_looked_into_first(repository, artifact, tmp_path):
    local = tmp_path / "home/.m2/repository" / artifact.path
    local.parent.mkdir(parents=True)
    local.write_bytes(DATA)
    assert fetch_artifact(artifact, tmp_path).read_bytes() == DATA
    assert repository.asked == []


def test_a_wrong_file_in_mavens_own_repository_is_passed_over(repository, artifact, tmp_path):
    local = tmp_path / "home/.m2/repository" / artifact.path
    local.parent.mkdir(parents=True)
    local.write_bytes(DATA[::-1])
    assert hashlib.sha256(fetch_artifact(artifact, tmp_path).read_bytes()).hexdigest() == artifact.sha256
