"""`python -m app users`: users are made, listed, changed and removed, and passwords come by standard input."""

import contextlib
import getpass
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app import users as command
from app.__main__ import main
from app.accounts.accounts import digest_of
from foundation.jobs.service import JobService
from foundation.jobs.store.database import Database
from foundation.jobs.store.store import default_database
from foundation.jobs.store.users import Users
from tests.app.accounts.people import ANOTHER, PASSWORD, quick

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr(command, "Passwords", quick)

    def ran(*words: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["users", "--data-dir", str(tmp_path / "data"), *words])
        said = capsys.readouterr()
        return code, said.out.strip(), said.err.strip()

    return ran


def kept(tmp_path: Path, name: str):
    with contextlib.closing(Database(default_database(tmp_path / "data"), shared=True)) as database:
        return Users(database).named(name)


def test_users_from_the_first_to_the_last(run: Run, tmp_path: Path) -> None:
    assert run("list") == (0, "There are no users yet: add one.", "")
    assert run("add", "Anna", "--role", "owner", typed=f"{PASSWORD}\n") == (0, "Added anna, an owner.", "")
    assert run("add", "ben", typed=PASSWORD) == (0, "Added ben, a guest.", "")
    anna = kept(tmp_path, "anna")
    assert quick().fits(anna.password, PASSWORD) and anna.role == "owner"
    code, listed, _ = run("list")
    assert code == 0 and [line.split()[:2] for line in listed.splitlines()] == [["anna", "owner"], ["ben", "guest"]]
    assert run("password", "anna", typed=f"{ANOTHER}\r\n")[0] == 0
    assert quick().fits(kept(tmp_path, "anna").password, ANOTHER) and kept(tmp_path, "anna").stamp != anna.stamp
    code, token, _ = run("token", "ben")
    with contextlib.closing(Database(default_database(tmp_path / "data"), shared=True)) as database:
        assert Users(database).of_token(digest_of(token)).name == "ben"
    assert "with a token" in run("list")[1]
    assert run("role", "ben", "owner") == (0, "ben is an owner now.", "")
    assert kept(tmp_path, "ben").role == "owner"
    assert run("remove", "ben")[0] == 0 and kept(tmp_path, "ben") is None


def test_what_will_not_do_is_refused_in_a_sentence_and_changes_nothing(run: Run) -> None:
    run("add", "anna", typed=PASSWORD)
    for words, typed, said in (
        (("add", "anna"), PASSWORD, "There is a user 'anna' already"),
        (("add", "An na"), PASSWORD, "1 to 40 letters"),
        (("add", "ben"), "short", "10 to 200 characters"),
        (("add", "ben"), "", "10 to 200 characters"),
        (("password", "ben"), PASSWORD, "There is no user 'ben'"),
        (("role", "anna", "king"), "", "choice"),
        ((), "", "WHAT"),
    ):
        code, out, err = run(*words, typed=typed)
        assert (code, out) == (2, "") and said in err and "\n" not in err, words
    assert len(run("list")[1].splitlines()) == 1


def test_a_password_is_never_an_argument(run: Run) -> None:
    """Commands can be seen by others on the machine, and stay in a shell's history."""
    actions = [action.dest for action in command.build_parser()._actions]
    assert not any("password" in name for name in actions)
    assert run("add", "anna", PASSWORD)[0] == 2
    assert run("add", "anna", "--password", PASSWORD)[0] == 2


def test_at_a_terminal_a_password_is_typed_twice(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    typed = [PASSWORD, "another one", PASSWORD, PASSWORD]
    monkeypatch.setattr(getpass, "getpass", lambda _words: typed.pop(0))
    monkeypatch.setattr(sys, "stdin", Terminal())
    words = ["users", "--data-dir", str(tmp_path / "data"), "add", "anna"]
    assert main(words) == 2 and "not the same" in capsys.readouterr().err
    assert main(words) == 0 and quick().fits(kept(tmp_path, "anna").password, PASSWORD)


def test_users_are_made_while_a_studio_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with JobService(tmp_path / "data", {}) as jobs:
        assert run("add", "anna", typed=PASSWORD)[0] == 0
        assert jobs.users.named("anna") is not None


def test_users_are_in_the_database_that_the_settings_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    place = tmp_path / "elsewhere.db"
    (tmp_path / "data" / "settings.toml").write_text(f'database = "sqlite:///{place}"\naccounts = true\n')
    assert run("add", "anna", typed=PASSWORD)[0] == 0
    assert place.is_file() and not (tmp_path / "data" / "studio.db").exists()
    assert run("--database", "sqlite:///:memory:", "list")[0] == 2
