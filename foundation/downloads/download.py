"""One file from the network: with progress, cancelled between two reads, resumed where it was cut off, checked.

What has arrived is kept beside the target as ``NAME.part``, with the server's tag of the content in
``NAME.part.tag``; the target itself appears whole and checked, or not at all.
"""

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from foundation.downloads.connection import Connection, DownloadError, Interrupted, NothingLeft, RemoteFile, connect
from foundation.downloads.weights import sha256
from foundation.files.text_files import read_text, write_text
from foundation.progress import Progress, amount
from foundation.protocols import JobContext

_CHUNK = 2**20
_REPORT_INTERVAL_S = 0.2
_POLL_S = 0.1
_SHA256 = re.compile(r"[0-9a-f]{64}")


class DownloadStopped(DownloadError):
    """Someone asked to stop."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, for a server that is silent, and how often to try again without any headway."""

    timeout_s: float = 20.0
    attempts: int = 3
    pause_s: float = 1.0


PATIENCE = Patience()


def download(
    remote: RemoteFile,
    target: Path,
    *,
    label: str,
    context: JobContext | None = None,
    patience: Patience = PATIENCE,
) -> None:
    """Fetch the file, unless the target is there already; `label` names it in sentences.

    Progress is reported in bytes. Cut connections are taken up again by themselves; after an error, the next
    call goes on where this one ended. Whoever fetches the same target meanwhile, in this process or another,
    is waited for. DownloadError says what failed; exceptions of the context pass.
    """
    if urlsplit(remote.url).scheme not in ("http", "https"):
        raise DownloadError(f"{label} cannot be fetched from '{remote.url}': only http and https are known.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(target, label, context):
            if not target.exists():
                _Download(remote, target, label, context, patience).run()
    except OSError as error:  # of the disk: those of the network are dealt with below
        raise DownloadError(f"{label} cannot be stored in '{target.parent}': {error.strerror or error}.") from error


@contextlib.contextmanager
def _exclusive(target: Path, label: str, context: JobContext | None) -> Iterator[None]:
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    while True:
        try:
            lock.acquire(timeout=_POLL_S)
            break
        except Timeout:
            _check(context, 0, 0, f"Waiting for another download of {label}")
    try:
        yield
    finally:
        lock.release()


def _check(context: JobContext | None, done: int, total: int, message: str, *, report: bool = True) -> None:
    """Report, and end here if that is wanted."""
    if context is None:
        return
    stop = context.stop_requested
    if report or stop:
        context.progress(Progress(done, total, message, unit="bytes"))  # raises if the work has been thrown away
    if stop:
        raise DownloadStopped("The download was stopped. What has arrived is kept: the next one goes on from there.")


class _Download:
    def __init__(
        self, remote: RemoteFile, target: Path, label: str, context: JobContext | None, patience: Patience
    ) -> None:
        self.remote, self.target, self.label = remote, target, label
        self.context, self.patience = context, patience
        self.part = target.with_name(f"{target.name}.part")
        self.tag = target.with_name(f"{target.name}.part.tag")
        self.total = 0
        self._reported_at = -_REPORT_INTERVAL_S

    def run(self) -> None:
        most, idle = self._size(), 0
        while True:
            try:
                self._receive()
                break
            except Interrupted as error:
                # Headway is more than there ever was: a server that never lets us go on is left in the end, too.
                idle = 0 if self._size() > most else idle + 1
                most = max(most, self._size())
                if idle >= self.patience.attempts:
                    raise self._failure(error) from error
                self._pause(idle)
        self._verify()
        self.part.replace(self.target)
        self.tag.unlink(missing_ok=True)

    def _failure(self, error: Interrupted) -> DownloadError:
        kept = self._size()
        after = f" after {amount(kept, self.total, 'bytes')}" if kept else ""
        advice = "what has arrived is kept, and the next try goes on from there" if kept else "then try again"
        return DownloadError(
            f"The download of {self.label} failed{after}: {error}. See that you are connected; {advice}."
        )

    def _receive(self) -> None:
        """One connection. Returns when the file is complete; Interrupted if another try may help."""
        offset = self._size()
        try:
            connection = connect(self.remote, offset, label=self.label, timeout_s=self.patience.timeout_s)
        except NothingLeft as error:
            if error.total == offset:
                return
            self._forget()
            raise Interrupted("the server's file has changed") from error
        with connection:
            if connection.start and (connection.start != offset or not self._goes_on(connection)):
                changed = self._known_tag() and connection.tag
                self._forget()
                raise Interrupted(
                    "the server's file has changed" if changed else "the server cannot go on where it was cut off"
                )
            self.total = connection.total
            self._make_room(connection.total - connection.start)
            write_text(self.tag, connection.tag)
            self._copy(connection)
        if self._size() < self.total:
            raise Interrupted("the connection was cut")

    def _goes_on(self, connection: Connection) -> bool:
        """Whether the content is the same as that of which we have the beginning."""
        if self._known_tag() or connection.tag:
            return self._known_tag() == connection.tag
        return bool(self.remote.sha256)  # nothing names the version, but a mixture would be noticed

    def _copy(self, connection: Connection) -> None:
        done = connection.start
        with self.part.open("ab" if done else "wb") as file:
            while chunk := connection.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                self._report(done, f"Downloading {self.label}")
            self._report(done, f"Downloading {self.label}", now=True)

    def _verify(self) -> None:
        def report(done: int) -> None:
            self._report(done, f"Checking {self.label}")

        tag = self._known_tag()
        digest = self.remote.sha256 or (tag if _SHA256.fullmatch(tag) else "")
        if digest and not sha256(self.part, report).startswith(digest.lower()):
            self._forget()
            raise DownloadError(f"{self.label} arrived damaged (its checksum is wrong) and was removed: try again.")

    def _known_tag(self) -> str:
        """The tag of the content of which we have the beginning."""
        return read_text(self.tag, lenient=True) if self.tag.exists() else ""

    def _make_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if needed > free:
            raise DownloadError(
                f"{self.label} needs {needed / 1e6:,.0f} MB more on the disk of '{self.target.parent}', "
                f"where {free / 1e6:,.0f} MB are free: make room there."
            )

    def _pause(self, idle: int) -> None:
        until = time.monotonic() + self.patience.pause_s * 2 ** max(0, idle - 1)
        while True:
            self._report(self._size(), f"Connecting again for {self.label}", now=True)
            if time.monotonic() >= until:
                return
            time.sleep(_POLL_S)

    def _report(self, done: int, message: str, *, now: bool = False) -> None:
        due = now or time.monotonic() - self._reported_at >= _REPORT_INTERVAL_S
        if due:
            self._reported_at = time.monotonic()
        _check(self.context, done, max(done, self.total) if self.total else 0, message, report=due)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)
