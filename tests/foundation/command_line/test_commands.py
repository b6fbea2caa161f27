"""What `python -m generator --help` says before anything is loaded."""

import subprocess
import sys

import pytest

from foundation.command_line.commands import COMMANDS, asks_what_there_is, print_what_there_is
from generator.cli.main import build_parser

HEAVY = ("torch", "numpy", "PIL", "pydantic", "gradio", "timm", "open_clip", "torchvision")


def test_the_short_help_is_that_of_the_whole_parser(capsys: pytest.CaptureFixture[str]) -> None:
    print_what_there_is()
    assert capsys.readouterr().out == build_parser().format_help()


def test_every_command_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_what_there_is()
    said = capsys.readouterr().out
    assert all(f" {name} " in said and words.split(",")[0] in said for name, words in COMMANDS.items())


@pytest.mark.parametrize(
    ("argv", "asks"),
    [(["--help"], True), (["-h"], True), (["-h", "text"], True), ([], False), (["text", "--help"], False)],
)
def test_only_the_programs_own_help_is_short(argv: list[str], asks: bool) -> None:
    assert asks_what_there_is(argv) == asks


@pytest.mark.slow
def test_help_loads_nothing_that_takes_time() -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['generator', '--help']\n"
        "try:\n    runpy.run_module('generator', run_name='__main__')\n"
        "except SystemExit as ended:\n    assert ended.code == 0, ended.code\n"
        f"print('loaded:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "usage: " in done.stdout and done.stdout.endswith("loaded: []\n"), done.stdout[-300:]
