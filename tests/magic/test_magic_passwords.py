"""Where a missing password comes from, and that it is shown nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import keyring
import pytest
from keyring.backends.null import Keyring as NoKeyring

from aerospike_magic.errors import ConfigError
from aerospike_magic.magic.passwords import with_password

TARGET = "127.0.0.1:3000"


class OneSecret(NoKeyring):
    """A keyring that knows one user."""

    priority = 1.0

    def get_password(self, service: str, username: str) -> str | None:
        return "from the keyring" if (service, username) == ("aerospike-magic", "known") else None


@pytest.fixture(autouse=True)
def own_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("AEROSPIKE_PASSWORD", raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(OneSecret())
    yield
    keyring.set_keyring(before)


def never(prompt: str) -> str:
    raise AssertionError(f"asked {prompt}")


def test_nobody_is_asked_when_no_login_is_wanted() -> None:
    assert with_password(TARGET, {}, never) == {}


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEROSPIKE_PASSWORD", "x")
    assert with_password(TARGET, {"user": "known"}, never) == {"user": "known"}


def test_then_the_keyring() -> None:
    assert with_password(TARGET, {"user": "known"}, never)["password"] == "from the keyring"


def test_then_a_prompt() -> None:
    asked = []
    options = with_password(TARGET, {"user": "me"}, lambda prompt: asked.append(prompt) or "typed")
    assert options["password"] == "typed"
    assert asked == ["Password of me: "]


def test_another_mistake_is_told_without_a_prompt() -> None:
    with pytest.raises(ConfigError):
        with_password(TARGET, {"user": "me", "auth": "external"}, never)
