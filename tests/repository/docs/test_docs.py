"""What the documents beside the README name is there: links, files, and names of the code."""

import re
from pathlib import Path

import pytest

from app import __version__
from tests.sources import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = ("app", "benchmarks", "clip_model", "foundation", "generator", "robust_model", "scripts", "tests")
SOURCES = [path for folder in CODE for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sh")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_and_constants_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    names = [path.relative_to(ROOT).as_posix() for path in SOURCES]
    for file in re.findall(r"`([\w/]+\.(?:py|sh))`", text):
        assert any(f"/{each}".endswith(f"/{file}") for each in names), file
    for constant in re.findall(r"`(_?[A-Z][A-Z_]+)`", text):
        if constant != "CHROMIUM":  # of the environment
            assert re.search(rf"^{constant}\b", code, re.MULTILINE), constant
    for function in re.findall(r"`(_?[a-z]+_[a-z_]+)`", text):
        assert re.search(rf"\b{function}\b", code), function


def test_the_changelog_knows_the_version() -> None:
    assert __version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
