"""Every command of every program says what each of its options is for."""

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import ROOT

PROGRAMS = [
    path
    for folder in ("app", "clip_model", "crossmax_studio", "generator", "robust_model", "benchmarks", "scripts")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if re.search(r"\bParser\(prog|= (argparse\.Argument)?Parser\(", path.read_text(encoding="utf-8"))
]
"""The modules that make a parser of their own."""


class _Seen(Exception):
    """Raised in the place of parsing."""


def parser_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """The parser that a module's `build_parser` makes, or its `main` hands the command line to."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    module = importlib.import_module(name)
    if hasattr(module, "build_parser"):
        found = module.build_parser()
        assert isinstance(found, argparse.ArgumentParser)
        return found
    seen: list[argparse.ArgumentParser] = []

    def caught(self: argparse.ArgumentParser, *_args: object, **_options: object) -> None:
        seen.append(self)
        raise _Seen

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", caught)
    with pytest.raises(_Seen):
        module.main()
    return seen[0]


def nameless(parser: argparse.ArgumentParser, command: str) -> Iterator[str]:
    """The options of a parser and of its commands that have no help, and the commands that have none."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helped = {choice.dest for choice in action._choices_actions if choice.help}
            for name, below in action.choices.items():
                if name not in helped:
                    yield f"{command} {name}"
                yield from nameless(below, f"{command} {name}")
        elif not (action.help or "").strip() or action.help == argparse.SUPPRESS:
            yield f"{command} {'/'.join(action.option_strings) or action.dest}"


def test_the_programs_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in PROGRAMS}
    assert {"robust_model/cli/main.py", "generator/cli/main.py", "clip_model/cli.py", "app/__main__.py"} <= names


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_option_has_a_help_text(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H5: no option without a word, in any program."""
    assert list(nameless(parser_of(path, monkeypatch), path.stem)) == []
