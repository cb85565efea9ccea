"""What a server is told: catalogs, properties, and the line that says why it would not start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.engines.trino.server.catalogs import all_catalogs, read_properties, write_properties
from aerospike_magic.engines.trino.server.releases import find_release
from aerospike_magic.engines.trino.server.settings import heap_bytes, write_settings
from aerospike_magic.engines.trino.server.words import last_words
from aerospike_magic.errors import EngineServerError

TRINO = find_release("trino")


def read_as_java_does(text: str) -> dict[str, str]:
    """`java.util.Properties.load` for what `write_properties` writes."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        units = b""
        while value:
            if value.startswith("\\u"):
                units += int(value[2:6], 16).to_bytes(2, "big")
                value = value[6:]
            else:
                assert value[0] != "\\"
                assert units or value[0] != " "
                units += value[0].encode("utf-16-be")
                value = value[1:]
        found[name] = units.decode("utf-16-be")
    return found


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_values_are_read_as_they_are(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("p") / "x.properties"
    write_properties(path, {"some.name": value, "other": 5})
    assert read_as_java_does(path.read_text("ascii")) == {"some.name": value, "other": "5"}


def test_only_the_owner_reads_them(tmp_path):
    write_properties(tmp_path / "x.properties", {"connection-password": "hunter2"})
    assert (tmp_path / "x.properties").stat().st_mode & 0o077 == 0


def test_a_name_cannot_smuggle_a_line(tmp_path):
    with pytest.raises(EngineServerError, match="cannot be the name of a property"):
        write_properties(tmp_path / "x.properties", {"a\nb": "c"})


def test_tpch_and_memory_are_there_unless_named_otherwise():
    assert set(all_catalogs(None, TRINO)) == {"tpch", "memory"}
    found = all_catalogs({"tpch": {"connector.name": "blackhole"}, "a": {"connector.name": "trino_thrift"}}, TRINO)
    assert found["tpch"] == {"connector.name": "blackhole"}
    assert set(found) == {"a", "tpch", "memory"}


@pytest.mark.parametrize("name", ["A", "a/b", "../x", "", "1a", "a b"])
def test_a_catalog_has_a_plain_name(name):
    with pytest.raises(EngineServerError, match="cannot be a catalog"):
        all_catalogs({name: {"connector.name": "tpch"}}, TRINO)


def test_a_connector_that_is_not_kept_is_told():
    with pytest.raises(EngineServerError, match="catalog lake asks for the connector 'iceberg'") as caught:
        all_catalogs({"lake": {"connector.name": "iceberg"}}, TRINO)
    assert "postgresql" in caught.value.hint


def test_the_text_of_a_catalog_file_is_read_back():
    text = "# a comment\n\nconnector.name=tpch\n a.b = c=d \n"
    assert read_properties(text) == {"connector.name": "tpch", "a.b": "c=d"}


def test_only_the_plugins_that_are_needed_are_linked(tmp_path):
    catalogs = all_catalogs({"aerospike": {"connector.name": "trino_thrift"}}, TRINO)
    write_settings(tmp_path, TRINO, tmp_path / "home", 1234, "here", catalogs)
    assert sorted(path.name for path in (tmp_path / "plugin").iterdir()) == ["memory", "thrift", "tpch"]
    config = (tmp_path / "etc/config.properties").read_text()
    assert "node.bind-ip=127.0.0.1\n" in config
    assert "node.internal-address=127.0.0.1\n" in config
    assert sorted(path.stem for path in (tmp_path / "etc/catalog").iterdir()) == ["aerospike", "memory", "tpch"]


def test_the_heap_suits_the_machine():
    assert 768 << 20 <= heap_bytes() <= 2 << 30


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            ["2026-11-28T11:10:47.762Z\tERROR\tmain\tio.trino.server.Server\tConfiguration is invalid", "Errors:", "",
             "1) Configuration property 'x.y' was not used", "", "2) another"],
            "Configuration property 'x.y' was not used",
        ),
        (
            ["2026-11-28T11:10:47.762Z\tERROR\tmain\tio.trino.server.Server\tfailed", "java.lang.X: failed",
             "\tat a.b", "Caused by: java.lang.IllegalStateException: first", "\tat c.d",
             "Caused by: java.net.BindException: Cannot assign requested address"],
            "BindException: Cannot assign requested address",
        ),
        (
            ["2026-11-28T11:24:36.555Z\tERROR\tmain\tcom.facebook.presto.Server\tNo factory for connector x"],
            "No factory for connector x",
        ),
        (["Error: Could not find or load main class x.Main", "Caused by nothing"],
         "Error: Could not find or load main class x.Main"),
        (["some words", ""], "some words"),
        ([], "it said nothing"),
    ],
)  # fmt: skip
def test_the_line_that_says_why(log, words):
    assert last_words(log) == words
