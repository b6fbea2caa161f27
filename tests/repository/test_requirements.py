"""The lock files hold what the requirements name, with hashes; PyTorch comes from wherever pip is told."""

import re

import pytest

from tests.sources import ROOT

ELSEWHERE = {"torch", "torchvision"}


def pins(name: str) -> dict[str, str]:
    """Package -> version, out of a requirements file and those it includes."""
    found: dict[str, str] = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= pins(line[3:].strip())
        elif match := re.match(r"([A-Za-z0-9._-]+)(\[[a-z]+\])?==([^ ;\\]+)", line):
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[3]
    return found


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_locks_have_every_package_with_its_hashes(name: str) -> None:
    """S15: exact versions and hashes, of what others bring too."""
    wanted, locked = pins(f"{name}.txt"), pins(f"{name}.lock")
    assert {package for package in wanted if locked.get(package) != wanted[package]} == ELSEWHERE
    assert {"starlette", "uvicorn", "h11", "python-multipart", "jinja2"} <= set(locked)
    text = (ROOT / f"{name}.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) == len(locked) > 60
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]
        assert not entry.startswith(("torch==", "torchvision==", "nvidia-", "triton", "cuda-"))


def test_the_scripts_install_from_the_locks() -> None:
    """S15: start.sh and test.sh install with hashes, and leave a PyTorch that is there alone."""
    common = (ROOT / "scripts" / "common.sh").read_text(encoding="utf-8")
    assert "--require-hashes --no-deps -r" in common
    for script in ("start.sh", "test.sh"):
        assert "ensure_environment requirements" in (ROOT / "scripts" / script).read_text(encoding="utf-8")
