"""Every command, with every flag that names a path, given every kind of path that cannot be what it should.

The flags are collected from the parsers themselves, so that a new one is tried as soon as it is there.
"""

import argparse
import errno
import functools
import importlib
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

import app.__main__ as app_main
import clip_model.cli as clip_cli
import crossmax_studio.assistants.command as assistants
import generator.cli.main as generator_cli
import robust_model.cli.main as robust_cli
from foundation.command_line.program import answered
from foundation.files import places
from foundation.files.places import optional_path, path_text, result_file, result_folder, user_path
from robust_model.training.presets import PRESETS
from robust_model.zoo.catalogue import open_catalogue
from tests.examples import TIMES
from tests.sources import ROOT

READ, WRITTEN = (user_path, path_text), (result_file, result_folder, optional_path)
LONG = "x" * 300
NAMELESS = ("", LONG, f"a/{LONG}/b", "a\0b", "a\ud800b")
"""What no flag for a path takes."""
NOT_READ = {
    "missing": "nowhere/at/all",
    "below a file": "file/x",
    "unreadable": "/proc/self/mem",  # for root, too: its first bytes cannot be read
    "a folder": "empty",
    "a link in a circle": "circle",
    "UTF-16": "utf16.json",
    "bytes": "bytes",
}
NOT_WRITTEN = {
    "below a file": "file/x",
    "far below a file": "file/x/y",
    "read-only": "/proc/x",  # for root, too
    "a link in a circle": "circle",
}
MAY_FAIL_ALONE = {"photos": ("UTF-16", "bytes", "unreadable"), "attacked": ("UTF-16", "bytes", "unreadable")}
"""One of many photos that is none costs that photo alone, and is told in the report."""
OTHERS_FIRST = {"calibrate", "tiny_imagenet"}
"""What is read when the models that are named beside it are known to be there: those are told first."""


class Command(NamedTuple):
    """A command of a program: its words, its parser, and how it is run."""

    words: tuple[str, ...]
    parser: argparse.ArgumentParser
    run: Callable[[Sequence[str]], int]

    @property
    def name(self) -> str:
        return self.parser.prog.removeprefix("python -m ")


class Loud:
    """Stands for models and jobs: what uses it has begun to work, and nobody should."""

    def __call__(self, *_args: Any, **_options: Any) -> Any:
        raise AssertionError("the work began")

    run = say = __call__


def leaves(
    parser: argparse.ArgumentParser, run: Callable[[Sequence[str]], int], words: tuple[str, ...] = ()
) -> Iterator[Command]:
    """The commands of a parser, at any depth."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        for word, below in group.choices.items():
            yield from leaves(below, run, (*words, word))
    if not groups:
        yield Command(words, parser, run)


def run_generator(argv: Sequence[str]) -> int:
    return generator_cli.main(argv, load_model=Loud(), list_models=list, foreground=Loud())


PROGRAMS_OF_OURS = (generator_cli, robust_cli, clip_cli, app_main, assistants)
COMMANDS = [
    *leaves(generator_cli.build_parser(), run_generator),
    *leaves(robust_cli.build_parser(), lambda argv: robust_cli.main(argv, foreground=Loud())),
    *leaves(clip_cli.build_parser(), lambda argv: clip_cli.main(argv, foreground=Loud(), open_models=open_catalogue)),
    *leaves(app_main.build_parser(), app_main.main),
    *leaves(assistants.build_parser(), lambda argv: assistants.main(argv, "test")),
]
FLAGS = [(c, action) for c in COMMANDS for action in c.parser._actions if action.type in READ + WRITTEN]
NEEDED = {
    "generator text": ["a frog"],
    "generator class": ["--class", "ship", "--model", "m"],
    "generator attack": ["--model", "m", "--objective", "leave"],
    "generator batch": ["--model", "m", "--objective", "leave"],
    "generator transfer": ["--surrogate", "m", "--victim", "m", "--objective", "leave"],
    "generator units": ["--grid", "layer"],
    "generator grid text": ["a frog", "--x=seed=1", "--y=steps=2"],
    "generator grid class": ["--class", "ship", "--model", "m", "--x=seed=1", "--y=steps=2"],
    "robust_model model-info": ["--name", "n", "--authors", "a", "--architecture", "x"],
    "robust_model train": ["--data", "synthetic:8"],
    "app": ["--no-browser"],
}
GOOD = {"photo": "photo.png", "photos": "photos", "picture": "photo.png", "out": "new", "tiny_imagenet": "empty"}


@pytest.fixture(scope="module", autouse=True)
def parsers() -> Iterator[None]:
    """Each program's parser is made once, which takes longer than all that is done with it here."""
    with pytest.MonkeyPatch.context() as patch:
        for module in PROGRAMS_OF_OURS:
            patch.setattr(module, "build_parser", functools.cache(module.build_parser))
        yield


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a file, a folder, a link in a circle, and texts that are none."""
    Image.new("RGB", (16, 16), "green").save(tmp_path / "photo.png")
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (16, 16), "green").save(tmp_path / "photos/a.png")
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "utf16.json").write_bytes('[{"kind": "pgd"}]'.encode("utf-16"))
    (tmp_path / "bytes").write_bytes(bytes(range(128, 256)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSMAX_STUDIO_DATA", str(tmp_path / "data"))
    return tmp_path


def arguments(command: Command, wanted: argparse.Action, value: str) -> list[str]:
    """A command line that names `value` where `wanted` is, and else what is needed."""
    words = list(command.words)
    for group in command.parser._mutually_exclusive_groups:
        if group.required and wanted not in group._group_actions:
            words += ["--preset", sorted(PRESETS)[0]]
    words += ["--victim", "m"] if wanted.dest == "attacked" else NEEDED.get(command.name, [])
    positional = []
    for action in command.parser._actions:
        if action is wanted and action.option_strings:
            words += [f"{action.option_strings[-1]}={value}"]
        elif not action.option_strings and (action is wanted or action.nargs not in ("?", "*")):
            positional += [value if action is wanted else GOOD.get(action.dest, "m")]
            positional += ["n"] if action.dest == "models" else []
        elif action.option_strings and action.required and action.dest in GOOD:
            words += [action.option_strings[-1], GOOD[action.dest]]
    return [*words, "--", *positional] if positional else words


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != "data")


def refused(code: int, said: pytest.CaptureFixture[str], what: str) -> str:
    """Assert that a command was refused in one sentence, and return it."""
    printed = said.readouterr()
    assert code == 2, f"{what}: {code}, {printed}"
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].endswith((".", "--help")), f"{what}: {printed.err}"
    assert printed.out == "" and len(lines[0]) < 1000, f"{what}: {printed}"
    return lines[0]


def values(action: argparse.Action) -> dict[str, str]:
    """The paths that a flag must refuse, by the kind of fault."""
    nameless = {repr(text[:9]): text for text in NAMELESS if text or action.type is not optional_path}
    if action.type in READ:
        return {**nameless, **NOT_READ}
    folder = action.type is not result_file
    return {**nameless, **NOT_WRITTEN, **({"a file": "file"} if folder else {"a folder": "empty"})}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="takes what Linux has for paths")
@pytest.mark.parametrize(
    ("command", "action"), [pytest.param(c, a, id=f"{c.name}-{a.option_strings or a.dest}") for c, a in FLAGS]
)
def test_paths_that_cannot_be_are_refused(
    command: Command, action: argparse.Action, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F10, F11: exit code 2, one sentence, nothing left behind, before any model is loaded or job begun."""
    before = everything(place)
    for fault, value in values(action).items():
        if fault in MAY_FAIL_ALONE.get(action.dest, ()):
            continue
        what = f"{command.name} {action.dest}: {fault}"
        sentence = refused(command.run(arguments(command, action, value)), capsys, what)
        shown = value[:20].split("\0")[0].split("\ud800")[0]
        assert shown in sentence or action.dest in OTHERS_FIRST, f"{what}: {sentence}"
        assert everything(place) == before, what


def test_no_flag_is_missed() -> None:
    """The collection is not empty, and holds what is known to be there."""
    known = {(command.name, action.dest) for command, action in FLAGS}
    assert {("generator text", "video"), ("robust_model evaluate", "json_file"), ("clip_model train", "out")} <= known
    assert {
        ("robust_model analyse sweep", "out"),
        ("app", "data_dir"),
        ("app mcp", "folder"),
        ("generator batch", "labels"),
    } <= known
    assert len(FLAGS) > 60


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
def test_full_and_closed_disks_are_found_before_the_work(
    number: int, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """F10, F11: every place for a result is tried, by --estimate, too."""

    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(places, "_try_file", refuse)
    before = everything(place)
    for command, action in FLAGS:
        if action.type in (result_file, result_folder):
            more = ["--estimate"] if command.name == "robust_model evaluate" else []
            words = arguments(command, action, "results/here")
            code = command.run([*words[: len(command.words)], *more, *words[len(command.words) :]])
            assert "results/here" in refused(code, capsys, f"{command.name} {action.dest}")
    for out in ("picture.png", "folder"):
        argv = ["text", "a frog", "--model", "m", "--out", out, "--size", "16"]
        assert out in refused(run_generator(argv), capsys, out)
    assert everything(place) == before


@pytest.mark.slow
@pytest.mark.skipif(TIMES == 1, reason="takes minutes: before a release (scripts/prerelease.py)")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_commands_refuse_as_programs(command: Command, place: Path) -> None:
    """F10, F14: each as a process of its own: an over-long name, an output in ASCII, a reader that has left."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "HF_HUB_OFFLINE": "1"}
    program = [sys.executable, "-m", command.name.split()[0], *command.words]
    wanted = [action for action in command.parser._actions if action.type in READ + WRITTEN]
    for action in wanted[:1]:
        words = arguments(command, action, LONG)
        found = subprocess.run(
            [*program, *words[len(command.words) :]], cwd=place, env=environment, capture_output=True
        )
        assert found.returncode == 2 and found.stderr.count(b"\n") == 1, found
    process = subprocess.Popen(
        [*program, "--help"], cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process.stderr as errors:
        assert errors.read() == b""
    assert process.wait() == 0


PROGRAMS = sorted(
    path.relative_to(ROOT)
    for folder in ("benchmarks", "scripts")
    for path in (ROOT / folder).rglob("*.py")
    if "add_argument" in path.read_text("utf-8") and "__main__" in path.read_text("utf-8")
)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_benchmarks_and_scripts_refuse_alike(
    program: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """F10, F11: what has flags for paths refuses what cannot be written, before it measures."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    if program.parts[0] == "benchmarks":
        main = importlib.import_module(".".join(program.with_suffix("").parts)).main
    else:
        main = runpy.run_path(str(ROOT / program))["main"]
    flags = [flag for flag in ("--json", "--out") if f'"{flag}"' in (ROOT / program).read_text("utf-8")]
    for flag in flags:
        for value in ("file/x", "/proc/x", LONG, ""):
            monkeypatch.setattr(sys, "argv", [str(program), f"{flag}={value}"])
            refused(answered(lambda: main() or 0), capsys, f"{program} {flag} {value[:9]}")
