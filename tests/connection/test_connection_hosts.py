"""Seed hosts as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerospike_magic.connection.hosts import Host, parse_hosts
from aerospike_magic.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("db", [Host("db", 3000)]),
        ("db:3100", [Host("db", 3100)]),
        (" 10.0.0.1:3000 , 10.0.0.2 ", [Host("10.0.0.1", 3000), Host("10.0.0.2", 3000)]),
        ("a:1,,b:2,", [Host("a", 1), Host("b", 2)]),
        ("[::1]", [Host("::1", 3000)]),
        ("[fe80::1]:3100", [Host("fe80::1", 3100)]),
        ("::1", [Host("::1", 3000)]),
        ("db.example:cluster-name:4333", [Host("db.example", 4333, "cluster-name")]),
        ("[::1]:cluster-name:4333", [Host("::1", 4333, "cluster-name")]),
        ("aerospike_1.net.:3000", [Host("aerospike_1.net.", 3000)]),
    ],
)
def test_hosts_are_read(text, hosts):
    assert list(parse_hosts(text)) == hosts


@pytest.mark.parametrize(
    "text",
    ["", ",", ":3000", "db:", "db:x", "db:0", "db:65536", "db:-1", "db:３０００",
     "[::1", "[::1]3000", "[zz]:1", "a b:3000",
     "db::3000", "1:2:3:4", "db/3000", "http://db:3000", "[::1]:a:b:c", "user@db:3000", "-db:3000"],
)  # fmt: skip
def test_other_texts_are_refused(text):
    with pytest.raises(ConfigError):
        parse_hosts(text)


def test_an_address_is_written_with_brackets_where_needed():
    assert str(Host("::1", 3000)) == "[::1]:3000"
    assert str(Host("db", 3000)) == "db:3000"


@given(st.text(max_size=30))
def test_any_text_is_hosts_or_refused(text):
    try:
        hosts = parse_hosts(text)
    except ConfigError:
        return
    assert parse_hosts(",".join(map(str, (Host(h.name, h.port) for h in hosts))))
