"""The table of options: spellings, values, errors, secrets, and that the documentation is the same."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from aerospike_magic.engines.spark.options import OPTIONS, SparkOptions, find_option, options_table, parse_options
from aerospike_magic.errors import ConfigError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("given", "attribute", "value"),
    [
        ({"aerospike.seedhost": "db1"}, "seeds", "db1"),
        ({"aerospike.seed.host": "db1"}, "seeds", "db1"),
        ({"aerospike.seed-nodes": "db1:3000"}, "seeds", "db1:3000"),
        ({"AEROSPIKE.SEEDHOST": "db1"}, "seeds", "db1"),
        ({"aerospike.partition.factor": "8"}, "partition_factor", 8),
        ({"aerospike.partition-factor": " 8 "}, "partition_factor", 8),
        ({"aerospike.partitionfactor": "8"}, "partition_factor", 8),
        ({"aerospike.read-set": "s"}, "set_name", "s"),
        ({"path": "ns.s"}, "set_name", "ns.s"),
        ({"aerospike.schema.flexible": "FALSE"}, "flexible", False),
        ({"aerospike.send-key": "true"}, "send_key", True),
        ({"aerospike.keyPath": "/etc/features.conf"}, "seeds", None),
        ({"aerospike.digestType": "Binary"}, "seeds", None),
        ({"aerospike.tls-enabled": "true"}, "tls", True),
        ({"aerospike.set": ""}, "set_name", None),
        ({"aerospike.set": "s", "aerospike.read-set": "s"}, "set_name", "s"),
    ],
)
def test_old_and_new_spellings_are_read(given, attribute, value):
    assert getattr(parse_options(given), attribute) == value


def test_what_is_given_goes_before_the_sessions_settings():
    options = parse_options({"aerospike.read-set": "b"}, {"aerospike.set": "a", "aerospike.namespace": "n"})
    assert options.table == "n.b"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"aerospike.seedhots": "x"}, r"no option aerospike.seedhots · did you mean aerospike.seedhost"),
        ({"seedhost": "x"}, r"no option seedhost · did you mean aerospike.seedhost"),
        ({"header": "true"}, r"no option header · docs/spark.md"),
        ({"aerospike.port": "3o00"}, r"aerospike.port is '3o00' · it is a whole number"),
        ({"aerospike.port": "70000"}, r"aerospike.port is 70000 · it is 1 to 65535"),
        ({"aerospike.partition.factor": "16"}, r"it is 0 to 15"),
        ({"aerospike.sendKey": "maybe"}, r"it is true or false"),
        ({"aerospike.set": "a", "aerospike.readset": "b"}, r"are the same option, with different values"),
        ({"aerospike.sindex.filter": "abc"}, r"cannot be used here · a filter of the Java client"),
        ({"aerospike.digestType": "string"}, r"cannot be used here · the digest is always binary.*hex\(__digest\)"),
        ({"aerospike.tls.truststore-store-file": "x.jks"}, r"Java key store.*aerospike.tls.cafile"),
    ],
)
def test_what_makes_no_sense_is_told(given, text):
    with pytest.raises(ConfigError, match=text):
        parse_options(given)


def test_a_set_has_to_be_named():
    with pytest.raises(ConfigError, match="no set is named"):
        _ = parse_options({"aerospike.namespace": "test"}).table


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"path": "n.s"}, "n.s"),
        ({"path": "n.s", "aerospike.write-set": "w"}, "n.w"),
        ({"aerospike.namespace": "n", "aerospike.writeset": "w"}, "n.w"),
        ({"aerospike.writeset": "n.w"}, "n.w"),
    ],
)
def test_the_set_to_write_to(given, target):
    assert parse_options(given).target == target


def test_no_repr_and_no_error_has_a_secret():
    options = parse_options({"aerospike.password": "s3cr3t", "aerospike.tls.keyfile.password": "s3cr3t"})
    assert options.password == "s3cr3t"
    assert "s3cr3t" not in repr(options)
    with pytest.raises(ConfigError) as refused:
        parse_options({"aerospike.password": "s3cr3t", "Aerospike.Password": "0ther"})
    assert "s3cr3t" not in str(refused.value)
    assert "0ther" not in str(refused.value)


def test_no_two_options_share_a_name_and_each_has_its_attribute():
    names = [name for option in OPTIONS for name in (option.name, *option.spellings)]
    assert len({find_option(name).name for name in names}) == len(OPTIONS)
    assert all(find_option(name) is option for option in OPTIONS for name in (option.name, *option.spellings))
    attributes = [option.attribute for option in OPTIONS if option.attribute]
    assert sorted(attributes) == sorted(item.name for item in fields(SparkOptions))


def test_the_documentation_has_the_table():
    text = (ROOT / "docs" / "spark.md").read_text(encoding="utf-8")
    assert options_table() in text, "put there what aerospike_magic.engines.spark.options.options_table() returns"
