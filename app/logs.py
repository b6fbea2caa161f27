"""What the program says of itself while it runs: lines for people, or JSON for programs, on standard error.

What an error says may repeat a prompt, a name of a file, an address with a password or a key of somebody's, and so may
the parameters of a statement that a database refused. So by default a log has where an error was and of what kind it
is, and not its words (`log_details`): of jobs it has their ids, kinds and ends, never their titles.
"""

import datetime
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Literal, TextIO, TypeAlias

from pydantic import JsonValue

Format = Literal["text", "json"]
Details = Literal["hidden", "shown"]
Level = Literal["debug", "info", "warning", "error"]
OURS = ("app", "crossmax", "foundation")
"""Whose lines are chosen by the level; others say much, and are heard from warnings on."""
FACTS = "facts"
"""What a record has under this name becomes fields of its JSON."""

ErrorInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def set_up_logs(
    written: Format = "text", details: Details = "hidden", level: Level = "info", stream: TextIO | None = None
) -> logging.Handler:
    """Send what is logged to a stream (standard error), in this form; the handler that does."""
    handler = _Lines(stream or sys.stderr)
    handler.setFormatter((JsonLines if written == "json" else TextLines)(shown=details == "shown"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    return handler


class _Lines(logging.StreamHandler[TextIO]):
    """Lines to a stream. One that cannot be written is lost without a word: logging's own complaint, on standard
    error, would repeat the values that the line was made of."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing."""


class TextLines(logging.Formatter):
    """A line for people, and below it where an error was.

    Args:
        shown: whether what errors say is there, too.
    """

    def __init__(self, *, shown: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._shown = shown

    def format(self, record: logging.LogRecord) -> str:
        """A line; what another formatter has kept of the error is passed over, and nothing is kept for the next."""
        record.exc_text = None
        try:
            return super().format(record)
        finally:
            record.exc_text = None

    def formatException(self, ei: ErrorInfo) -> str:
        """The traceback, without what the errors say unless that is asked for."""
        error = ei[1]
        if error is None or self._shown:
            return super().formatException(ei)
        return "\n".join(line for one in _chain(error) for line in (type(one).__name__, *_frames(one)))


class JsonLines(logging.Formatter):
    """A JSON object a line: time, level, logger, message, the facts of a job, and the errors with where they were."""

    def __init__(self, *, shown: bool) -> None:
        super().__init__()
        self._shown = shown

    def format(self, record: logging.LogRecord) -> str:
        """A line."""
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        found: dict[str, JsonValue] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts = getattr(record, FACTS, None)
        if isinstance(facts, dict):
            found |= facts
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            found["errors"] = [self._error(one) for one in _chain(error)]
        return json.dumps(found)

    def _error(self, error: BaseException) -> JsonValue:
        told: dict[str, JsonValue] = {"type": type(error).__name__, "at": list(_frames(error))}
        return {**told, "says": str(error)} if self._shown else told


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came of, the first first."""
    found, one = [error], error
    while (before := one.__cause__ or (None if one.__suppress_context__ else one.__context__)) and before not in found:
        found.append(before)
        one = before
    return reversed(found)


def _frames(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} {frame.name}"
