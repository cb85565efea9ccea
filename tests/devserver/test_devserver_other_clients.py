"""Clients of other make connect, write, read and scan: `aerospike-py` and `aerospike-native`, both on a Rust core."""

from __future__ import annotations

from typing import Any

import pytest

from aerospike_magic.devserver import DevServer

N = 40


def bins_of(i: int) -> dict[str, Any]:
    return {"i": i, "s": f"v{i}", "f": i / 2, "t": i % 2 == 0, "l": [i, "x"], "m": {"a": i}}


@pytest.fixture(scope="module")
def own() -> Any:
    with DevServer(namespaces=("test",)) as running:
        yield running


@pytest.mark.filterwarnings("ignore")
def test_aerospike_py(own: Any) -> None:
    aerospike_py = pytest.importorskip("aerospike_py")
    from aerospike_py import list_operations, predicates

    client = aerospike_py.client({"hosts": [(own.host, own.port)]}).connect()
    for i in range(N):
        client.put(("test", "py", i), bins_of(i))
    assert client.get(("test", "py", 3)).bins == bins_of(3)
    found = client.query("test", "py").results()
    assert sorted(record.bins["i"] for record in found) == list(range(N))
    client.index_integer_create("test", "py", "i", "py_i")
    query = client.query("test", "py")
    query.where(predicates.between("i", 10, 14))
    assert sorted(record.bins["i"] for record in query.results()) == [10, 11, 12, 13, 14]
    client.operate(("test", "py", 3), [list_operations.list_append("l", 9)])
    assert client.get(("test", "py", 3)).bins["l"] == [3, "x", 9]
    client.remove(("test", "py", 3))
    with pytest.raises(aerospike_py.RecordNotFound):
        client.get(("test", "py", 3))
    client.close()


@pytest.mark.filterwarnings("ignore")
def test_aerospike_py_with_users() -> None:
    aerospike_py = pytest.importorskip("aerospike_py")
    with DevServer(namespaces=("test",), nodes=2, users={"ann": "secret", "bob": ("hidden", "read")}) as own:
        config = {"hosts": [(own.host, own.port)]}
        ann = aerospike_py.client({**config, "user": "ann", "password": "secret"}).connect()
        ann.put(("test", "py", 1), bins_of(1))
        ann.admin_create_user("carl", "third", ["write"])
        assert sorted(user["user"] for user in ann.admin_query_users_info()) == ["ann", "bob", "carl"]
        bob = aerospike_py.client({**config, "user": "bob", "password": "hidden"}).connect()
        assert bob.get(("test", "py", 1)).bins == bins_of(1)
        with pytest.raises(aerospike_py.AdminError, match="81"):
            bob.put(("test", "py", 1), bins_of(2))
        ann.close()
        bob.close()


@pytest.mark.filterwarnings("ignore")
def test_aerospike_native(own: Any) -> None:
    native = pytest.importorskip("aerospike_native")

    client = native.new_client_blocking(native.ClientPolicy(), f"{own.host}:{own.port}")
    for i in range(N):
        client.put_blocking(native.Key("test", "native", i), bins_of(i))
    assert client.get_blocking(native.Key("test", "native", 3)).bins == bins_of(3)
    scan = client.query_blocking(native.Statement("test", "native", None), native.PartitionFilter.all())
    assert sorted(record.bins["i"] for record in scan) == list(range(N))
    some = client.query_blocking(native.Statement("test", "native", ["s"]), native.PartitionFilter.all())
    assert sorted(record.bins["s"] for record in some) == sorted(f"v{i}" for i in range(N))
    found = client.batch_read_blocking([native.Key("test", "native", 1), native.Key("test", "native", N)])
    assert [row.record and row.record.bins for row in found] == [bins_of(1), None]
    client.close_blocking()
