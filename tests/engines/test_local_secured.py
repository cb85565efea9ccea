"""DuckDB over a cluster that demands logins, TLS and client certificates: as without, and plain errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aerospike_magic.connection import connect
from aerospike_magic.devserver import DevServer
from aerospike_magic.engines.base import QueryOptions
from aerospike_magic.engines.local.engine import LocalEngine
from aerospike_magic.errors import AerospikeMagicError

PASSWORD = "s3cret-Passw0rd"


@pytest.fixture(scope="module")
def secured(authority: Path) -> Iterator[DevServer]:
    with DevServer(
        namespaces=("test",),
        nodes=3,
        synthetic=20_000,
        users={"ann": PASSWORD, "reader": (PASSWORD, "read"), "writer": (PASSWORD, "write")},
        tls_certfile=authority / "node.test.pem",
        tls_keyfile=authority / "node.test.key",
        tls_cafile=authority / "ca.pem",
    ) as running:
        yield running


def enter(secured: DevServer, authority: Path, user: str) -> Any:
    return connect(
        secured.address,
        user=user,
        password=PASSWORD,
        tls_name="node.test",
        tls_cafile=str(authority / "ca.pem"),
        tls_certfile=str(authority / "ann.pem"),
        tls_keyfile=str(authority / "ann.key"),
    )


@pytest.mark.parametrize("user", ["ann", "reader"])
def test_a_query_aggregates_filters_and_limits(secured: DevServer, authority: Path, user: str) -> None:
    with enter(secured, authority, user) as connection:
        engine = LocalEngine(connection)
        with engine.query("SELECT count(*), sum(id), min(id), max(id) FROM test.bench") as result:
            assert list(result.to_arrow().to_pylist()[0].values()) == [20_000, 199_990_000, 0, 19_999]
        with engine.query("SELECT id FROM test.bench WHERE id BETWEEN 100 AND 109 ORDER BY id") as result:
            assert result.to_arrow().column(0).to_pylist() == list(range(100, 110))
        with engine.query("SELECT id FROM test.bench", None, QueryOptions(limit=5)) as result:
            assert result.to_arrow().num_rows == 5
        with engine.query("SELECT count(*) FROM test.bench a JOIN test.bench b USING (id)") as result:
            assert result.to_arrow().column(0).to_pylist() == [20_000]
        secured.control.expire_sessions()
        with engine.query("SELECT count(*) FROM test.bench WHERE flag") as result:
            assert 0 < result.to_arrow().column(0).to_pylist()[0] < 20_000
        engine.close()


def test_a_user_who_may_not_read_gets_one_line(secured: DevServer, authority: Path) -> None:
    with enter(secured, authority, "writer") as connection:
        engine = LocalEngine(connection)
        with pytest.raises(AerospikeMagicError, match="role") as caught, engine.query("FROM test.bench") as result:
            result.to_arrow()
        assert "\n" not in str(caught.value) and PASSWORD not in str(caught.value)
        engine.close()


def test_a_password_that_changes_under_a_query_gets_one_line(secured: DevServer, authority: Path) -> None:
    with enter(secured, authority, "ann") as root:
        root.client.admin_create_user("temp", PASSWORD, ["read"])
        with enter(secured, authority, "temp") as connection:
            engine = LocalEngine(connection)
            with engine.query("SELECT count(*) FROM test.bench") as result:
                result.to_arrow()
            root.client.admin_set_password("temp", "another")
            secured.control.expire_sessions()
            with (
                pytest.raises(AerospikeMagicError, match="password is wrong") as caught,
                engine.query("SELECT sum(id) FROM test.bench") as result,
            ):
                result.to_arrow()
            assert "\n" not in str(caught.value) and PASSWORD not in str(caught.value)
            engine.close()
