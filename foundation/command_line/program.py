"""What every command of ours shares: its streams, how it refuses, and the last net under it.

A command's `main` runs inside `answered`, which turns all that a user can cause into a sentence and an exit code. Each
`__main__` (and each script) runs that `main` through `run_program`, which sets up the standard streams once and says of
anything else that it is a fault of ours.
"""

import argparse
import contextlib
import errno
import io
import logging
import os
import select
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from foundation.errors import StudioError
from foundation.files.places import (
    path_text,
    result_file,
    result_folder,
    result_pictures,
    user_path,
    writable_file,
    writable_folder,
)
from foundation.files.text_files import is_stream, printable, reason, shown
from foundation.memory import OUT_OF_MEMORY, is_out_of_memory

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

EXIT_BUG, EXIT_ERROR, EXIT_INTERRUPTED = 1, 2, 130
INTERRUPTED = "Interrupted; what was not saved by then is lost."
OUR_FAULT = (
    "This is a fault of CrossMax Studio, not of yours. Please report it where you got the program from, with the lines "
    "above and the command that you gave."
)
COMMANDS = {
    "app": "crossmax-studio",
    "generator": "crossmax-generator",
    "robust_model": "crossmax-robust-model",
    "clip_model": "crossmax-clip-model",
}
"""What the packages' programs are called where they are installed (pyproject.toml makes these commands)."""
_ENCODING = "A text is not in the encoding that was expected ({error}): save the files that you named as UTF-8."


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence, as a StudioError, and tries the places for results; so do its subcommands."""

    def error(self, message: str) -> NoReturn:
        """Raise StudioError."""
        raise StudioError(f"{message[:1].upper()}{message[1:].rstrip('.')}. Try: {self.prog} --help")

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse as usual; then StudioError for a result that could not be written, or would replace what is read."""
        found, rest = super().parse_known_args(args, namespace)
        self._try_places(found)
        return found, rest

    def _try_places(self, found: argparse.Namespace) -> None:
        places: dict[Path, str] = {}
        for action in self._actions:
            given = getattr(found, action.dest, None)
            if not isinstance(given, Path):
                continue
            picture = action.type is result_pictures
            if action.type is result_folder or (picture and not given.suffix):
                writable_folder(given, _named(action))
            if action.type is result_file or (picture and given.suffix and not given.is_dir()):
                writable_file(given, _named(action))
                other = places.setdefault(_real(given), _named(action))
                if other != _named(action) and not is_stream(given):
                    raise StudioError(f"The {other} and the {_named(action)} are the same file: name two.")
        for action in self._actions:
            if action.type in (user_path, path_text):
                given = getattr(found, action.dest, None)
                for path in map(Path, given if isinstance(given, list) else [] if given is None else [given]):
                    result = places.get(_real(path), "")
                    if result and not is_stream(path):
                        raise StudioError(f"The {result} would overwrite '{shown(path)}', which is read: name another.")


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve raises RuntimeError for links in a circle


def _named(action: argparse.Action) -> str:
    """What sentences call the place that a flag names."""
    return f"place of {action.option_strings[-1]}" if action.option_strings else f"place {action.dest.upper()}"


def called(package: str) -> str:
    """How whoever called this program calls that of a package: by the installed command, or by `python -m`.

    Where the commands are installed away from `python` (by pipx or uv), the latter would find nothing.
    """
    installed = Path(sys.argv[0]).stem in COMMANDS.values()
    return COMMANDS[package] if installed else f"python -m {package}"


def answered(work: Callable[[], int], *, label: str = "") -> int:
    """Do the work of a command and return its exit code; what a user can cause ends in a sentence, after `label`.

    The sentences of most refusals are made where they arise, as StudioError; this is the net below them, for files and
    memory alone. Other errors are faults of ours and pass.
    """
    try:
        return work()
    except StudioError as error:
        return _refused(label, str(error))
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return EXIT_INTERRUPTED
    except OSError as error:
        return _refused(label, sentence(error))
    except UnicodeError as error:
        return _refused(label, _ENCODING.format(error=error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _refused(label, OUT_OF_MEMORY)


def sentence(error: OSError) -> str:
    """What a person is told of an error of the system that nobody has put into words before."""
    if isinstance(error.filename, str | bytes):
        return f"'{shown(os.fsdecode(error.filename))}' cannot be used: {reason(error)}."
    said = (str(error) or type(error).__name__).splitlines()[0]
    return f"The system refused something ({said}): check the disk and the network, then try again."


def _refused(label: str, text: str) -> int:
    print(printable(f"{label}{text}"), file=sys.stderr)
    return EXIT_ERROR


def run_program(main: Callable[[], int]) -> int:
    """Run a command as a program and return its exit code, with standard streams that take every text.

    What an encoding does not know is written as \\xNN, \\uNNNN or \\UNNNNNNNN. A stream whose reader has left
    (`| head -1`), or that is closed, takes the rest without a word: results are saved nevertheless.
    """
    outputs = _set_up_streams()
    try:
        code = main()
    except SystemExit as ended:  # of --help and --version
        code = ended.code if isinstance(ended.code, int) else EXIT_ERROR if ended.code else 0
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        code = EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 -- the last net: a fault of ours is shown whole, and how to report it
        traceback.print_exc()
        print(OUR_FAULT, file=sys.stderr)
        code = EXIT_BUG
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    failed = next((output.failed for output in outputs if output.failed is not None), None)
    if failed is not None and failed.errno != errno.EPIPE:
        print(f"The output could not be written: {reason(failed)}.", file=sys.stderr, flush=True)
        return code or EXIT_ERROR
    return code


def leave(code: int) -> int:
    """Return the exit code of a program that has closed all that it had open; where threads still compute, end it here.

    Python ends such threads wherever they are once it is asked for something, which PyTorch's answer by aborting the
    process ("terminate called without an active exception"): it would look as if the program had failed.
    """
    if threading.active_count() > 1:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    return code


class _Output(io.FileIO):
    """The file below a standard stream: after its first failure it takes everything and writes nothing."""

    failed: OSError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write, and wait where a stream that does not block takes nothing for now."""
        size = memoryview(data).nbytes
        if self.failed is not None:
            return size
        try:
            while (written := super().write(data)) is None:
                select.select([], [self], [])
        except OSError as error:
            self.failed = error
            return size
        return written


def _set_up_streams() -> list[_Output]:
    """Replace the standard streams by ones that take every text; returns what can tell whether output was lost."""
    outputs: list[_Output] = []
    sys.stdout, sys.stderr = (_patient(stream, outputs) for stream in (sys.stdout, sys.stderr))
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 -- no file of ours gets its number
    return outputs


def _patient(stream: TextIO | None, outputs: list[_Output]) -> TextIO:
    if stream is None:  # it was closed (`>&-`)
        return open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: PTH123 -- until the end
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # not the interpreter's own: whoever has put it there decides
    with contextlib.suppress(OSError):
        stream.flush()
    raw = getattr(stream.buffer, "raw", stream.buffer)  # the buffer itself, where there is none (python -u)
    if type(raw) is not io.FileIO:  # a console of Windows, which takes letters and not bytes
        stream.reconfigure(errors="backslashreplace")
        return stream
    output = _Output(raw.fileno(), "wb", closefd=False)
    outputs.append(output)
    return io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=stream.encoding,
        errors="backslashreplace",
        newline=None,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
