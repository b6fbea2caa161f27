"""The overview at the head of each package: short, and naming only modules and functions that are there."""

import ast
import re
from pathlib import Path

import pytest

from tests.sources import PACKAGES, ROOT, parse

OVERVIEWS = sorted(
    path
    for folder in (*PACKAGES, "benchmarks")
    if folder != "crossmax_studio"  # its docstring is for those who call it: it names what they hand over
    for path in (ROOT / folder).rglob("__init__.py")
    if path.stat().st_size
)
MOST_LINES = 60
_NAME = re.compile(r"`([a-z_]+(?:\.\w+)*)`")


def overview(path: Path) -> str:
    return ast.get_docstring(parse(path.read_text(encoding="utf-8"))) or ""


def is_there(name: str, package: Path) -> bool:
    """Whether a name, seen from a package or from the root, is a file, a package, a module, or what one defines."""
    for base in (package, ROOT):
        if (base / name).is_file():
            return True
        place, parts = base, name.split(".")
        while parts and (place / parts[0]).is_dir():
            place /= parts.pop(0)
        if not parts:
            return True
        module = (place / f"{parts[0]}.py") if (place / f"{parts[0]}.py").is_file() else place / "__init__.py"
        rest = parts[1:] if module.stem == parts[0] else parts
        if not rest:
            return True
        text = module.read_text(encoding="utf-8") if module.is_file() else ""
        if len(rest) == 1 and re.search(rf"^(?:def |class )?{rest[0]}\b", text, re.MULTILINE):
            return True
    return False


def test_every_package_has_one() -> None:
    empty = [path for folder in PACKAGES for path in (ROOT / folder).rglob("__init__.py") if not overview(path)]
    assert not empty and len(OVERVIEWS) > 14


@pytest.mark.parametrize("path", OVERVIEWS, ids=lambda path: path.parent.relative_to(ROOT).as_posix())
def test_it_is_short_and_names_what_is_there(path: Path) -> None:
    text = overview(path)
    assert len(text.splitlines()) <= MOST_LINES
    assert [name for name in _NAME.findall(text) if not is_there(name, path.parent)] == []


def test_names_that_are_not_there_are_seen() -> None:
    generator = ROOT / "generator"
    assert (
        is_there("optimisers.loop.optimise", generator)
        and is_there("views", generator)
        and is_there("foundation.jobs", generator)
    )
    assert not is_there("loop.pessimise", generator) and not is_there("nothing", generator)
    assert not is_there("app.nothing.at_all", generator)
