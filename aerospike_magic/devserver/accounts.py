"""The users that a server starts with: named on the command line, with passwords from the environment or a prompt.

A password never stands on a command line, which every process of a machine can read.
"""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

from aerospike_magic.devserver.permissions import DEFAULT_ROLES, ROLES
from aerospike_magic.devserver.users import MAX_NAME, Denied, Users
from aerospike_magic.errors import DevServerError, WireError
from aerospike_magic.wire.login import hash_password

PASSWORD_VARIABLE = "AEROSPIKE_MAGIC_SERVER_PASSWORD"
"""The environment variable with the password of all users who have no variable of their own."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user to be: the name and the names of roles."""

    name: str
    roles: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Account:
        """Read `NAME[:ROLE[,ROLE]]`.

        Raises:
            DevServerError: it is no such text, or a role is unknown.
        """
        name, colon, listed = text.partition(":")
        if not re.fullmatch(rf"[^\s:]{{1,{MAX_NAME}}}", name) or len(name.encode()) > MAX_NAME:
            raise DevServerError(
                f"{name!r} cannot be a user", hint=f"a name has up to {MAX_NAME} characters, no space and no colon"
            )
        roles = tuple(role.strip() for role in listed.split(",")) if colon else DEFAULT_ROLES
        for role in roles:
            if role not in ROLES:
                raise DevServerError(f"user {name!r}: there is no role {role!r}", hint="roles: " + ", ".join(ROLES))
        return cls(name, roles)

    @property
    def variable(self) -> str:
        """The environment variable with this user's own password."""
        return f"{PASSWORD_VARIABLE}_{re.sub('[^A-Z0-9]', '_', self.name.upper())}"


def load_users(
    accounts: Sequence[Account], environ: MutableMapping[str, str], prompt: Callable[[str], str] | None = None
) -> Users:
    """Make the users, and take their passwords out of the environment.

    Args:
        accounts: whom.
        environ: the environment; the passwords are removed from it.
        prompt: asks on the terminal; by default if there is one.

    Raises:
        DevServerError: a user comes twice, or has no password.
    """
    if prompt is None and sys.stdin is not None and sys.stdin.isatty():
        prompt = getpass.getpass
    users = Users()
    for account in accounts:
        password = environ.get(account.variable) or environ.get(PASSWORD_VARIABLE)
        if not password and prompt is not None:
            password = _ask(prompt, account)
        if not password:
            raise DevServerError(
                f"user {account.name!r} has no password", hint=f"set {account.variable}, or {PASSWORD_VARIABLE} for all"
            )
        try:
            users.add(account.name, hash_password(password), account.roles)
        except WireError as error:
            raise DevServerError(f"user {account.name!r}: {error.message}") from None
        except Denied:
            raise DevServerError(f"user {account.name!r} is given twice") from None
    for name in (PASSWORD_VARIABLE, *(account.variable for account in accounts)):
        environ.pop(name, None)
    return users


def _ask(prompt: Callable[[str], str], account: Account) -> str:
    try:
        return prompt(f"Password of {account.name}: ")
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)  # behind the prompt
        return ""


def account_environment(users: Mapping[str, tuple[str, str]]) -> tuple[list[str], dict[str, str]]:
    """Turn users into command-line arguments and the environment that holds their passwords.

    Args:
        users: name → (password, roles with commas; "" for the default ones).

    Raises:
        DevServerError: a name or role is none, or two names differ only in what an environment variable cannot tell.
    """
    arguments: list[str] = []
    environment: dict[str, str] = {}
    for name, (password, roles) in users.items():
        text = f"{name}:{roles}" if roles else name
        account = Account.parse(text)
        if account.name != name:
            raise DevServerError(f"{name!r} cannot be a user", hint="a name has no colon")
        if account.variable in environment:
            raise DevServerError(f"user {name!r} is too like another one", hint="names differ in letters or digits")
        if not password:
            raise DevServerError(f"user {name!r} has no password")
        environment[account.variable] = password
        arguments += ["--user", text]
    return arguments, environment
