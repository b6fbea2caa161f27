"""Streams, refusals and the last net that all commands share."""

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.command_line.program import EXIT_BUG, OUR_FAULT, Parser, answered
from foundation.errors import StudioError

ROOT = Path(__file__).parents[3]


def raising(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


def decoding() -> int:
    return len(b"\xff\xfe".decode("utf-8"))


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        (lambda: 7, 7, ""),
        (raising(StudioError("It is blue.")), 2, "It is blue."),
        (raising(StudioError("caf\udce9")), 2, r"caf\xe9"),
        (raising(FileNotFoundError(errno.ENOENT, "x", "a/b")), 2, "'a/b' cannot be used: it is not there"),
        (raising(OSError(errno.ENAMETOOLONG, "x", "a" * 999)), 2, "cannot be used: the name is too long"),
        (raising(PermissionError(errno.EACCES, "x", b"a\xe9")), 2, r"'a\xe9' cannot be used: its permissions"),
        (raising(OSError(errno.ENOSPC, "x", "out.json")), 2, "'out.json' cannot be used: the disk is full"),
        (raising(ConnectionError("reset\nby peer")), 2, "The system refused something (reset): check the disk"),
        (decoding, 2, "A text is not in the encoding that was expected"),
        (raising(MemoryError()), 2, "Memory ran out"),
        (raising(RuntimeError("can't allocate memory: you tried")), 2, "Memory ran out"),
        (raising(KeyboardInterrupt()), 130, "Interrupted; what was not saved by then is lost."),
    ],
)  # fmt: skip
def test_what_a_user_can_cause_is_one_sentence(
    work: Callable[[], int], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """F10: the last net: files with their names, encodings, memory."""
    assert answered(work, label="error: " if code == 2 else "") == code
    printed = capsys.readouterr()
    assert said in printed.err and printed.out == "" and printed.err.count("\n") == (1 if said else 0)


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), RuntimeError("x"), ValueError("x")])
def test_faults_of_ours_pass(error: Exception) -> None:
    with pytest.raises(type(error)):
        answered(raising(error))


def test_parsers_refuse_in_one_sentence() -> None:
    parser = Parser(prog="python -m x")
    command = parser.add_subparsers().add_parser("y")
    command.add_argument("--z", type=int)
    with pytest.raises(StudioError, match=r"^Argument --z: invalid int value: 'a'\. Try: python -m x y --help$"):
        parser.parse_args(["y", "--z", "a"])
    assert isinstance(command, argparse.ArgumentParser)


def run(code: str, *, encoding: str = "", unbuffered: bool = False, **streams: object) -> subprocess.Popen[bytes]:
    head = "import sys; from foundation.command_line.program import run_program\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    if encoding:
        environment["PYTHONIOENCODING"] = encoding
    return subprocess.Popen(
        [sys.executable, "-c", head + code], cwd=ROOT, env=environment,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},  # type: ignore[call-overload]
    )  # fmt: skip


SAYS = "def main():\n    print('frog \\U0001f438 caf\\udce9'); print('\\U0001f438', file=sys.stderr); return 0\n"
ENDS = "sys.exit(run_program(main))"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "latin-1:strict"])
def test_what_an_encoding_does_not_know_is_escaped(encoding: str) -> None:
    """F14: a text that a terminal cannot show is no error."""
    process = run(SAYS + ENDS, encoding=encoding)
    out, err = process.communicate()
    assert process.returncode == 0
    frog = "\U0001f438" if encoding == "utf-8" else r"\U0001f438"
    assert out.decode("utf-8") == f"frog {frog} caf\\udce9\n" and err.decode("utf-8") == f"{frog}\n"


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_reader_that_leaves_is_no_error_and_ends_no_work(tmp_path: Path, unbuffered: bool) -> None:
    """F14: `| head -1` leaves stderr empty, and what comes after it is done nevertheless."""
    done = tmp_path / "done"
    lines = "def main():\n    for i in range(20_000): print('line', i)\n    sys.stdout.flush()\n"
    process = run(f"{lines}    open({str(done)!r}, 'w').close(); return 0\n{ENDS}", unbuffered=unbuffered)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"line 0\n"
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 0 and done.exists()
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device here")
def test_output_that_is_lost_is_told() -> None:
    """F14: a full disk behind `>` is no traceback, and no success."""
    with Path("/dev/full").open("wb") as full:
        process = run(SAYS + ENDS, stdout=full)
        _, err = process.communicate()
    assert process.returncode == 2 and b"The output could not be written: the disk is full" in err
    assert b"Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="streams of POSIX")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str, tmp_path: Path) -> None:
    """F14: no stream can be taken for granted; no file gets the number of one."""
    code = f"from foundation.command_line.program import run_program\n{SAYS}" + (
        f"def more():\n    with open({str(tmp_path / 'file')!r}, 'w') as file:\n"
        "        assert file.fileno() > 2\n        return main()\nsys.exit(run_program(more))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CODE": f"import sys\n{code}", "PYTHON": sys.executable}
    found = subprocess.run(["sh", "-c", f'"$PYTHON" -c "$CODE" {closed}'], env=environment, capture_output=True)
    assert found.returncode == 0 and b"Traceback" not in found.stderr


def test_faults_of_ours_are_shown_whole_with_how_to_report_them() -> None:
    """F10: a real fault still shows as such."""
    process = run("def main():\n    return {}['key']\n" + ENDS)
    out, err = process.communicate()
    assert process.returncode == EXIT_BUG and out == b""
    assert b"KeyError: 'key'" in err and err.decode().strip().endswith(OUR_FAULT)


def test_the_exit_of_argparse_passes() -> None:
    process = run("import argparse\nmain = lambda: argparse.ArgumentParser().parse_args(['--help'])\n" + ENDS)
    out, err = process.communicate()
    assert process.returncode == 0 and b"usage" in out and err == b""
