"""A real server with stand-ins for the work, asked by programs over raw HTTP."""

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.app.web.conftest import Site, serving
from tests.hostile import Answer, Hostile


@dataclass
class Program:
    """A program with an owner of its own."""

    client: Hostile
    owner: str = field(default_factory=lambda: secrets.token_hex(16))

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """A request to an address below /api/v1."""
        return self.client.request(method, f"/api/v1{path}", body, {"X-Owner": self.owner, **(headers or {})})

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def post(self, path: str, value: Any = None, **headers: str) -> Answer:
        """JSON, or bytes that may be none."""
        if value is None:
            return self.ask("POST", path, b"", headers)
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, data, {"Content-Type": "application/json", **headers})

    def upload(self, data: bytes, kind: str = "application/octet-stream") -> Answer:
        return self.ask("POST", "/uploads", data, {"Content-Type": kind})

    def ended(self, submitted: Answer) -> Any:
        """The job that an answer tells of, once it has ended."""
        assert submitted.status == 202, submitted.text
        job = submitted.json()
        while job["status"] in ("queued", "running"):
            job = self.get(f"/jobs/{job['id']}/wait?seconds=20").json()
        return job


@pytest.fixture(scope="package")  # a page takes over a second to build
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("programs") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(data / "cache"))
        with serving(data) as found:
            yield found


@pytest.fixture
def program(site: Site) -> Program:
    return Program(site.client())


@pytest.fixture
def other(site: Site) -> Program:
    """Somebody else."""
    return Program(site.client())


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Start servers with limits, or a host, of a test's own."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    with contextlib.ExitStack() as stack:
        yield lambda limits=None, host="127.0.0.1": stack.enter_context(serving(tmp_path / "data", limits, host))
