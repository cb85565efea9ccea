"""A statement in one SQL, translated to an engine's on request."""

from __future__ import annotations

import pytest

from aerospike_magic.engines.dialects import translate
from aerospike_magic.errors import ConfigError, QueryError


@pytest.mark.parametrize(
    ("sql", "source", "engine", "wanted"),
    [
        ("SELECT `a b` FROM test.t", "spark", "trino", 'SELECT "a b" FROM test.t'),
        ("SELECT n::bigint FROM test.t LIMIT 5", "postgres", "spark", "SELECT CAST(n AS BIGINT) FROM test.t LIMIT 5"),
        ("SELECT x FROM t WHERE a = :v AND b IN :many", "duckdb", "trino", None),
        ("SELECT {{v}}, {{c!i}} FROM {{t!t}} WHERE a = {{ v }}", "duckdb", "presto", None),
        ("SELECT {{c!i}} FROM t WHERE a = :v", "spark", "local", None),
        ("SELECT strftime(d, '%Y') FROM test.t", "duckdb", "trino", "SELECT DATE_FORMAT(d, '%Y') FROM test.t"),
        ("SELECT ':v' FROM t -- :w", "trino", "trino", None),
    ],
)
def test_translation(sql, source, engine, wanted):
    found = translate(sql, source, engine)
    if wanted is not None:
        assert found == wanted
    for written in (":v", ":many", "{{v}}", "{{c!i}}", "{{t!t}}", "{{ v }}"):
        assert found.count(written) == sql.count(written), found
    assert "aerosql_parameter" not in found


def test_what_cannot_be_translated():
    with pytest.raises(ConfigError, match="no dialect postgre is known") as raised:
        translate("SELECT 1", "postgre", "trino")
    assert "postgres" in raised.value.hint
    with pytest.raises(QueryError, match="duckdb"):
        translate("SELECT FROM WHERE )", "duckdb", "trino")
    with pytest.raises(QueryError, match="one statement"):
        translate("SELECT 1; SELECT 2", "duckdb", "trino")
