"""``gatllm service``: people and keys of a service, its backup."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gatllm.cli.console import note, print_json, table
from gatllm.errors import UsageError

if TYPE_CHECKING:
    from gatllm.service.accounts import Accounts

app = App(name="service", help="People and keys of a service, its backup.", help_format="plaintext")
user = App(name="user", help="Who may sign in.", help_format="plaintext")
app.command(user)
Where = Annotated[str | None, Parameter(env_var="GATLLM_DATABASE")]


def state_folder() -> Path:
    """Return the folder that holds all that is kept: keys, the market's files, the service's database."""
    from gatllm.proof import default_key_path

    return default_key_path().parent


def default_database() -> Path:
    """Return where the service's database lies unless told otherwise."""
    return state_folder() / "service" / "service.db"


def _accounts(database: str | None) -> Accounts:
    from gatllm.service.accounts import Accounts
    from gatllm.service.database import open_database

    return Accounts(open_database(database or default_database()))


def _id(accounts: Accounts, name: str) -> str:
    found = accounts.find("user", name) or accounts.find("wallet", name) or accounts.find("local", name)
    if found is None:
        raise UsageError(f"there is no user {name!r}", "gatllm service user list")
    return found.id


@user.command
def add(name: str, *, role: str = "subscriber", database: Where = None) -> None:
    """Add a user; the password is asked for, or read from standard input.

    Args:
        name: the name to sign in with.
        role: subscriber, contributor or operator.
        database: a PostgreSQL URL or a SQLite file; by default the one in your data folder.
    """
    import getpass

    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    _accounts(database).add_user(name, password, role)
    note(f"{name} may sign in")


@user.command(name="list")
def list_(*, json: bool = False, database: Where = None) -> None:
    """List accounts.

    Args:
        json: print JSON.
        database: see `gatllm service user add`.
    """
    rows = [(one.name, one.kind, one.role, one.id) for one in _accounts(database).listed()]
    if json:
        print_json([dict(zip(("name", "kind", "role", "id"), row, strict=True)) for row in rows])
    else:
        table("", ("name", "kind", "role", "id"), rows)


@user.command
def remove(name: str, *, database: Where = None) -> None:
    """Erase an account with all that is kept about it.

    Args:
        name: whose.
        database: see `gatllm service user add`.
    """
    from gatllm.service.database import open_database
    from gatllm.service.personal_data import PersonalData

    account = _id(_accounts(database), name)
    PersonalData(open_database(database or default_database())).erase(account)
    note(f"{name} is erased")


@app.command
def key(name: str, *, label: str = "command line", database: Where = None) -> None:
    """Print a new API key for an account; it can't be shown again.

    Args:
        name: whose; `local` for a service without log-in.
        label: what it is for.
        database: see `gatllm service user add`.
    """
    accounts = _accounts(database)
    print(accounts.new_key(_id(accounts, name), label))  # it is the result


@app.command
def backup(out: Path) -> None:
    """Write everything that is kept into one archive, also while the service runs. It holds keys: keep it safe.

    Args:
        out: a new .tar.gz file. A PostgreSQL database is not in it: use pg_dump.
    """
    from gatllm.service.backup import backup as write

    count = write(state_folder(), out)
    note(f"{out}: {count} files")


@app.command
def restore(archive: Path) -> None:
    """Bring everything back from an archive, with the service stopped; what is there now is moved aside.

    Args:
        archive: what `gatllm service backup` wrote.
    """
    from gatllm.service.backup import restore as bring_back

    aside = bring_back(archive, state_folder())
    note(f"{state_folder()} is as in {archive}" + (f"; what was there is in {aside}" if aside else ""))
