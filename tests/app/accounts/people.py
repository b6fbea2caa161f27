"""Users for tests, whose passwords are hashed in no time."""

from argon2 import PasswordHasher

from app.accounts.accounts import Accounts
from app.accounts.passwords import Passwords
from app.visitors.visitor import Account
from foundation.jobs.store.users import Role, User, Users

PASSWORD = "a frog in the pond"
ANOTHER = "two ships at night"
SECRET = b"s" * 32


def quick() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def add(users: Users, name: str, role: Role = "guest", password: str = PASSWORD) -> User:
    return users.add(name, role, quick().hash(password), 1000.0)


def account(accounts: Accounts, name: str, password: str = PASSWORD) -> Account:
    """Somebody who has just logged in."""
    found = accounts.of_login(accounts.log_in(name, password, ""))
    assert found is not None
    return found
