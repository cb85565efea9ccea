"""Where settings are looked for, profiles and secrets."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from aerospike_magic.connection import settings as settings_module
from aerospike_magic.connection.client import client_config
from aerospike_magic.connection.hosts import Host
from aerospike_magic.connection.profiles import load_profiles, profiles_path
from aerospike_magic.connection.settings import ENVIRONMENT, ConnectionSettings, resolve_settings
from aerospike_magic.errors import ConfigError

PROFILES = """
[default]
hosts = "10.0.0.9:3000"

[prod]
hosts = ["10.0.0.1", "10.0.0.2:3200"]
namespace = "shop"
user = "analyst"
password = "s3cret-in-file"
timeout_s = 30
services_alternate = true

[ring]
hosts = "db:3000"
user = "u"
password = "keyring:"

[ring2]
hosts = "db:3000"
user = "u"
password = "keyring:other-service/someone"

[nowhere]
user = "u"
password = "p"

[typo]
host = "db:3000"
"""


@pytest.fixture
def environ(tmp_path):
    path = tmp_path / "connections.toml"
    path.write_text(PROFILES)
    return {"AEROSPIKE_MAGIC_CONFIG": str(path)}


@pytest.fixture
def keyring(monkeypatch):
    """A keyring in memory in place of the real one."""
    secrets = {("aerospike-magic", "ring"): "from-ring", ("other-service", "someone"): "from-other"}
    errors = ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})
    fake = ModuleType("keyring")
    fake.errors = errors
    fake.get_password = lambda service, account: secrets.get((service, account))
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return SimpleNamespace(secrets=secrets, module=fake)


def test_hosts_as_target():
    found = resolve_settings("127.0.0.1:3000,db", environ={"XDG_CONFIG_HOME": "/nonexistent"})
    assert found == ConnectionSettings((Host("127.0.0.1", 3000), Host("db", 3000)))


def test_a_profile_by_name(environ):
    found = resolve_settings("prod", environ=environ)
    assert found.hosts == (Host("10.0.0.1", 3000), Host("10.0.0.2", 3200))
    assert (found.profile, found.namespace, found.user, found.auth) == ("prod", "shop", "analyst", "internal")
    assert (found.timeout_s, found.services_alternate) == (30.0, True)


def test_nothing_means_the_default_profile(environ):
    found = resolve_settings(environ=environ)
    assert (found.address, found.profile) == ("10.0.0.9:3000", "default")


def test_nothing_and_no_default_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="nothing says which server") as caught:
        resolve_settings(environ={"XDG_CONFIG_HOME": str(tmp_path)})
    assert "AEROSPIKE_HOST" in caught.value.hint


def test_the_environment_names_the_target(environ):
    assert resolve_settings(environ=environ | {"AEROSPIKE_HOST": "h:3001"}).address == "h:3001"
    assert resolve_settings(environ=environ | {"AEROSPIKE_HOST": "h", "AEROSPIKE_PORT": "3002"}).address == "h:3002"
    both = environ | {"AEROSPIKE_HOST": "h:3001", "AEROSPIKE_MAGIC_TARGET": "prod"}
    assert resolve_settings(environ=both).profile == "prod"


def test_the_order_is_keyword_target_environment_default(environ):
    environ = environ | {"AEROSPIKE_TIMEOUT_S": "7", "AEROSPIKE_CONNECT_TIMEOUT_S": "2", "AEROSPIKE_USER": "env-user"}
    found = resolve_settings("prod", environ=environ)
    assert (found.timeout_s, found.connect_timeout_s, found.user) == (30.0, 2.0, "analyst")
    assert resolve_settings("prod", environ=environ, timeout_s=1).timeout_s == 1.0
    found = resolve_settings("h:1", environ=environ | {"AEROSPIKE_PASSWORD": "x"})
    assert (found.timeout_s, found.user, found.password) == (7.0, "env-user", "x")


def test_a_target_of_hosts_takes_the_rest_from_a_profile(environ):
    found = resolve_settings("other:3000", profile="prod", environ=environ)
    assert (found.address, found.user) == ("other:3000", "analyst")


def test_an_unknown_profile_has_near_matches(environ):
    with pytest.raises(ConfigError, match="did you mean prod"):
        resolve_settings("prood", environ=environ)
    with pytest.raises(ConfigError, match="did you mean prod"):
        resolve_settings(profile="prdo", environ=environ)
    with pytest.raises(ConfigError, match="a host is written zzz:3000"):
        resolve_settings("zzz", environ=environ)


def test_localhost_is_a_host(environ):
    assert resolve_settings("localhost", environ=environ).address == "localhost:3000"


def test_an_unknown_setting_in_a_profile_has_near_matches(environ):
    with pytest.raises(ConfigError, match="did you mean hosts"):
        resolve_settings("typo", environ=environ)


def test_a_profile_without_hosts_is_refused(environ):
    with pytest.raises(ConfigError, match="names no hosts"):
        resolve_settings("nowhere", environ=environ)


def test_passwords_come_from_the_keyring(environ, keyring):
    assert resolve_settings("ring", environ=environ).password == "from-ring"
    assert resolve_settings("ring2", environ=environ).password == "from-other"
    keyring.secrets.clear()
    with pytest.raises(ConfigError, match="keyring set aerospike-magic ring"):
        resolve_settings("ring", environ=environ)


def test_a_locked_keyring_is_a_clear_error(environ, keyring):
    def locked(service, account):
        raise keyring.module.errors.KeyringError("from-ring must not be told")

    keyring.module.get_password = locked
    with pytest.raises(ConfigError, match="could not be read") as caught:
        resolve_settings("ring", environ=environ)
    assert "from-ring" not in str(caught.value)


def test_passwords_come_from_a_named_variable(environ):
    environ = environ | {"MY_SECRET": "from-env"}
    assert resolve_settings("h:1", environ=environ, user="u", password="env:MY_SECRET").password == "from-env"
    with pytest.raises(ConfigError, match="no OTHER"):
        resolve_settings("h:1", environ=environ, user="u", password="env:OTHER")


def test_no_secret_is_shown(environ):
    found = resolve_settings("prod", environ=environ, tls_keyfile_password="key-s3cret")
    shown = f"{found!r} {found}"
    assert "s3cret" not in shown
    assert "password=<hidden>" in shown
    assert "analyst" in shown


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"user": "u"}, "no password"),
        ({"auth": "internal"}, "needs a user"),
        ({"auth": "kerberos"}, "no such authentication"),
        ({"auth": "external", "user": "u", "password": "p"}, "needs TLS"),
        ({"auth": "pki"}, "needs TLS"),
        ({"auth": "pki", "tls": True}, "client certificate"),
        ({"tls_cafile": "/nonexistent/ca.pem"}, "there is no file"),
        ({"timeout_s": 0}, "more than 0"),
        ({"timeout_s": "soon"}, "number of seconds"),
        ({"tls": "maybe"}, "true or false"),
        ({"user": 5}, "must be text"),
    ],
)
def test_values_that_make_no_sense_are_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        resolve_settings("h:1", environ={"XDG_CONFIG_HOME": "/nonexistent"}, **given)


def test_tls_is_on_when_its_values_are_given_and_changes_the_port(tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text("x")
    found = resolve_settings(
        "db,db2:3000", environ={"AEROSPIKE_TLS_CAFILE": str(ca), "XDG_CONFIG_HOME": "/nonexistent"}
    )
    assert found.tls
    assert found.address == "db:4333,db2:3000"


@pytest.mark.parametrize(
    "text", ["not toml", 'hosts = "outside"', '[p]\nhosts = "h:1"\npassword = "s3cret\n'],
)  # fmt: skip
def test_a_broken_profiles_file_is_refused_without_its_text(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_profiles({"AEROSPIKE_MAGIC_CONFIG": str(path)})
    assert "s3cret" not in str(caught.value)


def test_a_missing_profiles_file_is_none_unless_it_was_named(tmp_path):
    assert load_profiles({"XDG_CONFIG_HOME": str(tmp_path)}) == {}
    with pytest.raises(ConfigError, match="does not exist"):
        load_profiles({"AEROSPIKE_MAGIC_CONFIG": str(tmp_path / "none.toml")})


def test_the_profiles_file_is_in_the_users_configuration(monkeypatch, tmp_path):
    assert profiles_path({"XDG_CONFIG_HOME": "/x"}).as_posix() == "/x/aerospike-magic/connections.toml"
    assert profiles_path({}).parts[-2:] == ("aerospike-magic", "connections.toml")


def test_every_setting_has_its_variable():
    table = {setting for setting, _ in ENVIRONMENT.values()}
    from_fields = set(ConnectionSettings.__dataclass_fields__) - {"profile"}
    assert from_fields <= table
    assert table - from_fields == {"target", "config", "port"}
    assert settings_module.__doc__ and "ENVIRONMENT" in settings_module.__doc__


def test_the_official_client_is_told_everything(tmp_path):
    ca, cert, key = (tmp_path / name for name in ("ca", "cert", "key"))
    for path in (ca, cert, key):
        path.write_text("x")
    found = resolve_settings(
        "a:one:4333,b:4334", environ={}, user="u", password="p", auth="external", tls_name="all", tls_cafile=str(ca),
        tls_certfile=str(cert), tls_keyfile=str(key), services_alternate=True, timeout_s=3, connect_timeout_s=1.5,
    )  # fmt: skip
    config = client_config(found)
    assert config["hosts"] == [("a", 4333, "one"), ("b", 4334, "all")]
    assert config["tls"] == {"enable": True, "cafile": str(ca), "certfile": str(cert), "keyfile": str(key)}
    assert (config["user"], config["password"], config["use_services_alternate"]) == ("u", "p", True)
    assert config["connect_timeout"] == 1500
    assert config["policies"]["read"]["total_timeout"] == 3000
