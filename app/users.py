"""`python -m app users`: who may use a studio with accounts. It works beside a studio that runs."""

import argparse
import contextlib
import getpass
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from app.accounts.accounts import digest_of, new_token
from app.accounts.passwords import Passwords, check_name, check_password, plain_name
from app.settings import effective
from foundation.command_line.flags import AsFlag, Asked, add_flags
from foundation.command_line.program import Parser, answered, called
from foundation.errors import StudioError
from foundation.files.places import optional_path, user_path
from foundation.jobs.store.database import Database, DatabaseError
from foundation.jobs.store.store import default_database
from foundation.jobs.store.users import Role, User, Users

MOST_LINE = 1_000


def main(argv: Sequence[str]) -> int:
    """Do what is asked; 2 for a refusal, which is printed as a sentence."""
    return answered(lambda: _do(build_parser().parse_args(argv)))


class OfStudio(Asked):
    """Whose users these are."""

    data_dir: Annotated[Path | None, AsFlag(read=optional_path, metavar="FOLDER")] = Field(
        None, description="data directory of the studio"
    )
    database: Annotated[str | None, AsFlag(metavar="ADDRESS")] = Field(
        None, description="database of the studio, if it is another one"
    )
    settings: Annotated[Path | None, AsFlag(read=user_path, metavar="FILE")] = Field(
        None, description="file of settings of the studio"
    )


class Named(Asked):
    """A user."""

    name: Annotated[str, AsFlag(("name",), metavar="NAME")] = Field(description="of a user")


class Added(Asked):
    """A new user."""

    name: Annotated[str, AsFlag(("name",), metavar="NAME")] = Field(
        description="1 to 40 letters a to z, digits, and . _ - after the first"
    )
    role: Role = Field("guest", description="what they may use")


class Ranked(Named):
    """A user with another role."""

    role: Annotated[Role, AsFlag(("role",))] = Field(description="what they may use from now on")


ACTS: Mapping[str, tuple[str, type[Asked] | None]] = {
    "add": ("add a user", Added),
    "list": ("list the users", None),
    "remove": ("remove a user; what is theirs is deleted by the studio, at once if it runs", Named),
    "password": ("give a user another password; they have to log in again everywhere", Named),
    "token": ("make a token for a user's programs, in place of the one before, and print it", Named),
    "role": ("make a user an owner or a guest", Ranked),
}


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{called('app')} users",
        description="The users of a studio with accounts (--accounts). Passwords are asked for, or read from standard "
        "input, a line; they are no arguments, which others on this machine could see.",
    )
    add_flags(parser, OfStudio)
    acts = parser.add_subparsers(dest="act", required=True, metavar="WHAT")
    for act, (words, asked) in ACTS.items():
        command = acts.add_parser(act, help=words)
        if asked is not None:
            add_flags(command, asked, in_full=True)
    return parser


def _do(arguments: argparse.Namespace) -> int:
    settings = effective(arguments).settings
    name = plain_name(getattr(arguments, "name", ""))
    with _users(Path(settings.data_dir), settings.database) as users:
        if arguments.act == "add":
            name = check_name(name)
            if users.named(name) is not None:
                raise StudioError(f"There is a user '{name}' already: choose another name.")
            users.add(name, arguments.role, Passwords().hash(_asked(name)), time.time())
            print(f"Added {name}, {_a(arguments.role)}.")
        elif arguments.act == "list":
            print("\n".join(map(_line, users.all())) or "There are no users yet: add one.")
        else:
            print(_change(users, _known(users, name), arguments))
    return 0


def _change(users: Users, user: User, arguments: argparse.Namespace) -> str:
    """Change a user; what was done, in words."""
    if arguments.act == "remove":
        users.remove(user.id)
        return f"Removed {user.name}: their logins have ended, and the studio deletes what is theirs."
    if arguments.act == "password":
        users.set_password(user.id, Passwords().hash(_asked(user.name)))
        return f"{user.name} has another password, and has to log in again."
    if arguments.act == "token":
        token = new_token()
        users.set_token(user.id, digest_of(token))
        return token
    users.set_role(user.id, arguments.role)
    return f"{user.name} is {_a(arguments.role)} now."


@contextlib.contextmanager
def _users(root: Path, address: str) -> Iterator[Users]:
    """The users of a studio, which may run. StudioError: they cannot be reached."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StudioError(f"The data directory '{root}' cannot be written to ({error.strerror or error}).") from error
    database = Database(address or default_database(root), shared=True)
    try:
        yield Users(database)
    except DatabaseError as error:
        raise StudioError(f"The users cannot be reached: {error.strerror}.") from error
    finally:
        database.close()


def _known(users: Users, name: str) -> User:
    user = users.named(name)
    if user is None:
        raise StudioError(f"There is no user '{name}'. Try: {called('app')} users list")
    return user


def _asked(name: str) -> str:
    """A new password: typed twice at a terminal, or the first line of standard input."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"A password for {name}: ")
        check_password(password, name)
        if getpass.getpass("The same once more: ") != password:
            raise StudioError("These were not the same: nothing was changed.")
        return password
    password = sys.stdin.readline(MOST_LINE).rstrip("\r\n")
    check_password(password, name)
    return password


def _line(user: User) -> str:
    made = datetime.fromtimestamp(user.created).strftime("%Y-%m-%d")
    return f"{user.name:<24} {user.role:<6} since {made}{', with a token' if user.has_token else ''}"


def _a(role: str) -> str:
    return f"{'an' if role == 'owner' else 'a'} {role}"
