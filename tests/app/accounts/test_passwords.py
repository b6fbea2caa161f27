"""Passwords: what they may be, that their hashes are Argon2id's, and that nobody learns which names there are."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from app.accounts.passwords import Passwords, check_name, check_password, plain_name
from foundation.errors import StudioError
from tests.app.accounts.people import PASSWORD, quick


def test_a_hash_is_of_argon2id_with_a_salt_and_work_of_its_own() -> None:
    """By default as RFC 9106 recommends where memory is scarce: 64 MB, three passes, four lanes."""
    hashed = Passwords().hash(PASSWORD)
    parameters = extract_parameters(hashed)
    assert (parameters.type, parameters.memory_cost) == (Type.ID, 65_536)
    assert (parameters.time_cost, parameters.parallelism) == (3, 4)
    assert PASSWORD not in hashed and len(hashed) <= 200
    assert quick().hash(PASSWORD) != quick().hash(PASSWORD)


def test_a_password_fits_its_hash_alone() -> None:
    passwords = quick()
    hashed = passwords.hash("Gr\u00fcn wie ein Frosch")
    assert passwords.fits(hashed, "Gr\u00fcn wie ein Frosch")
    assert passwords.fits(hashed, "Gru\u0308n wie ein Frosch"), "typed on another keyboard"
    for wrong in ("", "gr\u00fcn wie ein frosch", "Gr\u00fcn wie ein Frosch ", "\ud800", "\0"):
        assert not passwords.fits(hashed, wrong)
    assert not passwords.fits("no hash", "x") and not passwords.fits("", "")


def test_a_name_that_is_nobodys_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same work with the same parameters, whatever is brought; nobody's hash fits nothing."""
    passwords = quick()
    known = passwords.hash(PASSWORD)
    asked: list[str] = []
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, hashed: str, password: bytes) -> bool:
        asked.append(hashed)
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    assert not passwords.fits(known, "wrong") and not passwords.fits(None, "wrong") and not passwords.fits(None, "")
    assert len(asked) == 3
    assert [extract_parameters(hashed) for hashed in asked] == [extract_parameters(known)] * 3


def test_hashes_of_another_time_are_told() -> None:
    passwords = quick()
    assert passwords.is_outdated(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("x"))
    assert not passwords.is_outdated(passwords.hash("x"))


@pytest.mark.parametrize("name", ["", ".anna", "an na", "\u00e4nna", "a" * 41, "anna\n", "../x", "a\0", "<b>"])
def test_names_that_are_none_are_refused_in_words(name: str) -> None:
    with pytest.raises(StudioError, match="1 to 40 letters"):
        check_name(name.replace("\n", "\nx"))


def test_names_are_small_letters() -> None:
    assert check_name(" Anna.B-2_ ") == plain_name("ANNA.b-2_") == "anna.b-2_"


@pytest.mark.parametrize(
    ("password", "words"),
    [("short", "10 to 200"), ("x" * 201, "10 to 200"), ("aaaaaaaaaaaa", "easily guessed"), ("I am Anna 12", "guessed")],
)
def test_passwords_that_will_not_do_are_refused_in_words(password: str, words: str) -> None:
    with pytest.raises(StudioError, match=words) as refused:
        check_password(password, "anna")
    assert password not in str(refused.value)
    check_password(PASSWORD, "anna")
