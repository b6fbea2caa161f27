"""A PostgreSQL server of the tests' own, in a folder, where one is installed."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest


def program(name: str) -> Path | None:
    found = [Path(found)] if (found := shutil.which(name)) else []
    found += sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return found[0] if found else None


class Server(NamedTuple):
    folder: Path
    commands: Path
    user: str

    def run(self, command: str, *words: str) -> None:
        """Run a command of PostgreSQL's, which none of root's may be."""
        options = {} if os.getuid() else {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid}
        environment = {**os.environ, "LC_ALL": "C"}
        subprocess.run(
            [self.commands / command, *words],
            check=True,
            cwd="/",
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=60,
            **options,
        )

    def start(self) -> None:
        log = str(self.folder / "log")
        settings = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-w", "-o", settings, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def address(self, name: str) -> str:
        return f"postgresql://{self.user}@/{name}?host={self.folder}"

    def make(self, name: str) -> str:
        """The address of an empty database of this name."""
        self.run("createdb", "-h", str(self.folder), "-U", self.user, name)
        return self.address(name)


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """A server for as long as the context lasts; the test is skipped where none is installed."""
    initdb = program("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL is installed")
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        user = next((one.pw_name for one in pwd.getpwall() if one.pw_name in ("postgres", "nobody")), "nobody")
    folder = Path(tempfile.mkdtemp(prefix="crossmax-postgresql-", dir="/tmp"))  # a socket's path is short
    if os.getuid() == 0:
        shutil.chown(folder, user)
    server = Server(folder, initdb.resolve().parent, user)
    try:
        server.run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", user, "-E", "UTF8", "--no-sync")
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
