"""A real client starts `python -m app mcp`, lists its tools, and has a picture made; what it lacks is a sentence."""

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crossmax_studio.assistants import command
from crossmax_studio.assistants.own_studio import OwnStudio, command_of
from crossmax_studio.assistants.server import PACKAGE
from foundation.errors import StudioError

ROOT = Path(__file__).resolve().parents[3]
TOOLS = {"models", "text_image", "class_image", "grid", "attack", "evaluate", "jobs", "results", "stop"}


@pytest.mark.slow
def test_a_session_lists_the_tools_and_draws(address: str, folder: Path, tmp_path: Path) -> None:
    mcp, anyio = pytest.importorskip("mcp"), pytest.importorskip("anyio")
    pytest.importorskip("mcp.server.mcpserver")
    flags = ["--studio", address, "--folder", str(folder), "--data-dir", str(tmp_path / "data")]
    process = mcp.StdioServerParameters(
        command=sys.executable, args=["-m", "app", "mcp", *flags], cwd=ROOT, env=dict(os.environ)
    )
    drawn = {"name": "frog", "preset": "quick", "steps": 2, "size": [24, 32], "wait": 20}

    async def session() -> tuple[Any, Any, Any, Any]:
        async with mcp.Client(process) as client:
            listed = (await client.list_tools()).tools
            made = await client.call_tool("class_image", drawn)
            refused = await client.call_tool("class_image", {**drawn, "model": "nobody"})
            return listed, made, refused, await client.call_tool("jobs", {})

    listed, made, refused, jobs = anyio.run(session)
    assert {tool.name for tool in listed} == TOOLS
    for tool in listed:
        assert tool.description
        for name, field in tool.input_schema["properties"].items():
            assert field.get("description"), (tool.name, name)
    told, picture = made.content
    job = json.loads(told.text)
    assert not made.is_error and job["status"] == "done"
    assert Image.open(io.BytesIO(base64.b64decode(picture.data)), formats=("PNG",)).size == (32, 24)
    assert refused.is_error and "There is no model 'nobody'" in refused.content[0].text
    assert [one["id"] for one in json.loads(jobs.content[0].text)["jobs"]] == [job["id"]]


def test_without_the_package_there_is_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)  # as if it were not there
    assert command.main(["--data-dir", str(tmp_path / "data")], "test") == 2
    said = capsys.readouterr()
    assert "pip install 'mcp==" in said.err and said.out == ""
    assert not (tmp_path / "data").exists()


def test_the_extra_is_the_version_that_the_sentence_names() -> None:
    for file in ("pyproject.toml", "requirements-dev.txt"):
        assert PACKAGE in (ROOT / file).read_text(encoding="utf-8")


def test_a_studio_of_its_own_is_started_and_ended() -> None:
    printed = "print('loading', flush=True); print('CrossMax Studio: http://127.0.0.1:1/  (x)', flush=True)"
    own = OwnStudio([sys.executable, "-c", f"import time; {printed}; time.sleep(60)"])
    assert own.address() == "http://127.0.0.1:1/" == own.address()
    process = own._process
    assert process is not None and process.poll() is None
    own.close()
    assert process.poll() is not None


def test_a_studio_that_does_not_start_says_why() -> None:
    own = OwnStudio([sys.executable, "-c", "print('Another studio uses this folder.')"])
    with pytest.raises(StudioError, match=r"Another studio uses this folder.*--studio ADDRESS"):
        own.address()
    with pytest.raises(StudioError, match="could not be started"):
        OwnStudio(["/no/such/program"]).address()


def test_the_command_of_a_studio_takes_our_packages_wherever_it_is_started(tmp_path: Path) -> None:
    """A folder with a package `app` of somebody else's is no place to take ours from."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('foreign')")
    argv = [*command_of(tmp_path / "data", "cpu")[:4], "--help"]
    environment = OwnStudio(argv)._environment
    found = subprocess.run(argv, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "--no-browser" in found.stdout
