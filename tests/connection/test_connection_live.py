"""A connection to a running server."""

from __future__ import annotations

import socket
import uuid
from typing import Any

import aerospike
import numpy as np
import pytest
from aerospike_helpers import expressions as exp

import aerospike_magic
from aerospike_magic.connection import connect
from aerospike_magic.errors import ConfigError, ConnectError, SchemaError, ServerError
from aerospike_magic.schema.types import Kind
from aerospike_magic.wire.info import decode_info_response, encode_info_request
from aerospike_magic.wire.proto import HEADER_SIZE, decode_header


@pytest.fixture
def table(client):
    """A fresh set with 300 records; odd ids are stored with their key."""
    name = f"conn{uuid.uuid4().hex[:8]}"
    for i in range(300):
        bins = {"id": i, "f": i if i % 3 else i + 0.5, "l": list(range(i % 4)), "m": {"k": i, "c": "x"}, "j": [i, "a"]}
        if i % 10 == 0:
            bins["rare"] = b"\x00\xff"
        policy = {"key": aerospike.POLICY_KEY_SEND if i % 2 else aerospike.POLICY_KEY_DIGEST}
        client.put(("test", name, i), bins, policy=policy)
    yield name
    client.truncate("test", name, 0)


def test_the_namespaces_are_listed(connection):
    assert {"test", "demo"} <= set(connection.namespaces())


def test_sets_have_counts_and_storage(connection, table):
    (found,) = [s for s in connection.sets("test") if s.name == table]
    assert found.objects == 300
    assert found.n_bytes > 0
    assert found.storage_engine in ("memory", "pmem", "device", "flash")
    assert found in connection.sets()


def test_nodes_own_all_partitions(connection):
    result = connection.partition_map("test")
    assert result.owners.shape == (4096,)
    assert len(result.missing) == 0
    assert sum(len(result.partitions_of(node)) for node in connection.nodes()) == 4096
    assert np.isin(result.owners, range(len(result.nodes))).all()


def test_a_map_of_no_namespace_is_refused(connection):
    with pytest.raises(SchemaError, match="did you mean test"):
        connection.partition_map("tset")
    with pytest.raises(SchemaError, match="no namespace"):
        connection.sets("nonsense")


def test_a_schema_is_inferred_and_kept(connection, table):
    schema = connection.schema(f"test.{table}")
    assert (schema.sampled_records, schema.objects, schema.sampled_partitions) == (300, 300, 4096)
    words = {c.name: c.type_text for c in schema.selected}
    assert words == {
        "__key": "int64", "id": "int64", "f": "double", "l": "list<int64>", "m": "struct<c: string, k: int64>",
        "j": "json", "rare": "binary",
    }  # fmt: skip
    assert schema.column("rare").evidence.coverage == 0.1
    assert schema.column("__key").evidence.records == 150
    assert connection.schema(f"test.{table}") is schema
    assert connection.schema(f"test.{table}", refresh=True) is not schema


def test_a_small_sample_reads_a_part(connection, table):
    schema = connection.schema(f"test.{table}", sample_records=40)
    assert 0 < schema.sampled_records < 200
    assert schema.sampled_partitions < 4096


def test_a_schema_can_be_set(connection, table):
    mine = connection.schema(f"test.{table}").with_types({"id": "json"})
    connection.set_schema(mine)
    assert connection.schema(f"test.{table}").column("id").kind is Kind.JSON
    assert connection.schema(f"test.{table}", refresh=True).column("id").kind is Kind.INT64


def test_a_wrong_set_has_near_matches(connection, table):
    with pytest.raises(SchemaError, match=f"did you mean {table}"):
        connection.schema(f"test.{table}x")


def test_indexes_have_statistics(connection, table):
    # Through our own connection: its timeout is larger than the official client's second.
    name = f"i{table}"
    client = connection.client
    client.index_single_value_create("test", table, "id", aerospike.INDEX_NUMERIC, name)
    try:
        (found,) = [i for i in connection.indexes("test") if i.name == name]
        assert (found.set_name, found.bin, found.type, found.index_type) == (table, "id", "numeric", "default")
        assert found.ready
        assert found.entries in (300, None)
    finally:
        client.index_remove("test", name)


def test_info_of_one_and_of_all_nodes(connection):
    (node,) = connection.nodes()[:1]
    assert connection.info("node", node) == node.name
    assert connection.info("node")[node.name] == node.name
    with pytest.raises(ServerError, match="could not ask 'nosuchcommand'"):
        connection.info("nosuchcommand", node)


def test_a_socket_speaks_to_the_node(connection):
    (node,) = connection.nodes()[:1]
    with connection.open_socket(node, 5) as sock:
        assert isinstance(sock, socket.socket)
        sock.sendall(encode_info_request(["node"]))
        _, size = decode_header(sock.recv(HEADER_SIZE))
        assert decode_info_response(sock.recv(size)) == {"node": node.name}


def test_expressions_are_encoded_as_the_official_client_does(connection):
    assert connection.encode_expression(exp.GT(exp.IntBin("a"), 3)) == b"\x93\x03\x93Q\x02\xa1a\x03"
    assert connection.encode_expression(exp.GT(exp.IntBin("a"), 3).compile()) == b"\x93\x03\x93Q\x02\xa1a\x03"


def test_records_are_read_by_key_and_digest(connection, table):
    digest = bytes(aerospike.calc_digest("test", table, 5))
    found = connection.get_many("test", table, [1, 9999], digests=[digest], bins=["id"])
    assert [r and r.bins for r in found] == [{"id": 1}, None, {"id": 5}]
    assert found[0].ttl == -1
    assert connection.get_many("test", table) == []


def test_the_connection_closes_once_and_says_so(server):
    connection = connect(server.address)
    assert "closed" not in repr(connection)
    connection.close()
    connection.close()
    assert connection.is_closed
    assert repr(connection) == f"<Connection {server.address}, closed>"
    with pytest.raises(ConnectError, match="is closed"):
        connection.namespaces()


def test_the_package_offers_connect_lazily(server):
    with aerospike_magic.connect(server.address) as connection:
        assert isinstance(connection, aerospike_magic.Connection)


def test_nobody_there_is_told_with_what_was_tried():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(ConnectError, match=f"{address}: connection refused") as caught:
        connect(address)
    assert "services_alternate" in caught.value.hint


def test_a_word_is_no_host(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="no profile named 'prod'"):
        connect("prod")


def test_odd_values_do_not_hide_a_set(connection, server, table):
    """Values that make the official client fail a whole query."""
    from aerospike_magic.wire.digest import compute_digest
    from aerospike_magic.wire.message import Field, FieldType, Info2, Message, Op, OpType, encode_message_proto
    from aerospike_magic.wire.particle import encode_particle
    from aerospike_magic.wire.values import RawString

    bins = {"raw": RawString(b"\xff"), "large": [2**64 - 1]}
    ops = tuple(Op(OpType.WRITE, int(kind), name, data) for name, (kind, data) in
                ((name, encode_particle(value)) for name, value in bins.items()))  # fmt: skip
    fields = (
        Field(FieldType.NAMESPACE, b"test"),
        Field(FieldType.SET, table.encode()),
        Field(FieldType.DIGEST, compute_digest(table, "odd")),
    )
    owner = connection.partition_map("test").owner(int.from_bytes(compute_digest(table, "odd")[:2], "little") & 0xFFF)
    with connection.open_socket(owner) as sock:
        sock.sendall(encode_message_proto(Message(info2=int(Info2.WRITE), fields=fields, ops=ops)))
        assert sock.recv(HEADER_SIZE)
    schema = connection.schema(f"test.{table}", refresh=True)
    assert schema.column("large").kind is Kind.JSON
    assert schema.column("large").evidence.examples == ("[18446744073709551615]",)


def test_the_records_of_one_set_are_counted(connection: Any, client: Any) -> None:
    name = f"count{uuid.uuid4().hex[:8]}"
    for key in range(7):
        client.put(("test", name, key), {"x": key})
    try:
        assert connection.count_objects("test", name) == 7
        assert connection.count_objects("test", "no_such_set") == 0
        assert next(s.objects for s in connection.sets("test") if s.name == name) == 7
    finally:
        client.truncate("test", name, 0)
