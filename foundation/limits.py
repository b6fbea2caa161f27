"""What one visitor, and all of them together, may ask of this server: every limit, in one place.

The parts of the program are handed these numbers and answer in words where one is reached. They bound what a forged
request can cost; whoever uses the page as it is meant meets none of them.
"""

import math
import os
import sys
from dataclasses import dataclass, replace
from typing import Self

MB = 1_000_000
DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Limits:
    """Every limit of the server.

    Requests (``app.web``):
        json_bytes: of a request's body that is no upload.
        json_depth: how deep lists and objects in such a body may lie in each other.
        json_items: values in such a body.
        upload_bytes: of an upload's whole body; the pictures in it are checked when they are read.
        upload_files: files in one upload.
        cache_bytes, cache_seconds: of files on their way that no function of the page has read yet, and how long they
            wait.
        header_bytes: of a request's first line and headers together.
        header_seconds: until a request's headers are here, and a connection without a request is closed.
        body_seconds: until a request's body is here.
        answer_seconds: until a part of an answer is taken.
        idle_seconds: between two requests on a connection.

    Connections and sessions (``app.web``):
        connections: open at once, of all addresses.
        connections_per_address: open at once, of one address; a tab holds two or three.
        streams: answers that stay open (events, heartbeats, progress) at once, of all addresses.
        streams_per_address: the same, of one address.
        files_kept: files that connections leave for jobs, out of those that the process may open.
        log_lines: warnings on connections that are written to the log within ten seconds.
        sessions, sessions_per_address: pages whose state is kept, of all addresses and of one; the one unused for
            longest goes first.
        session_seconds: how long the state of a page is kept that asks for nothing.
        calls_per_address, calls_waiting: calls from one address that are being answered at once, and that wait for
            their turn.

    What is typed (``app.ui``):
        text: characters of a field that are read.
        label_rows: rows of a file of labels.

    Pictures that visitors bring (``app.visitors.uploads``):
        decodings: files that are decoded at once.
        kept_bytes_per_visitor, kept_bytes: of the pictures kept for one visitor, and for all.
        free_bytes: of the disk that stay free; where there are fewer, no picture is kept and no job starts.
        kept_days: after which a picture goes that no job needs.

    Jobs (``foundation.jobs``):
        job_bytes: memory that one job may need, at least; never more than this machine has.
        job_hours: that one job may take, about.
        short_seconds: a job that is expected to take no longer goes before longer ones, between two of their steps.
        pause_seconds: for which short jobs may keep longer ones waiting; then these have as long a turn.
        queued_per_owner, queued_per_address, queued: jobs waiting at once, for one visitor, for one address, for all.
        queued_hours_per_owner, queued_hours_per_address, queued_hours: what these may take together, about.
        listed: jobs in one listing, newest first.
        params_bytes: of a job's parameters as JSON.
        jobs_kept_per_owner: jobs that are kept for one visitor; of more, the oldest go.
        jobs_days: after which a finished job goes.
        export_bytes: of results that are put into one file.

    Accounts (``app.accounts``), where the studio is for many; the limits above hold, too:
        guest_jobs, owner_jobs: jobs that wait at once, of one guest and of one owner.
        guest_hours, owner_hours: for which their jobs may compute within 24 hours.
        guest_upload_bytes, owner_upload_bytes: of pictures that they brought.
        guest_result_bytes, owner_result_bytes: of results; with more of them, no job is taken.
        login_tries_per_name, login_tries_per_address: wrong passwords within ``login_seconds``; then none is looked at.
        login_days: after which one has to log in again.

    Addresses (``app.ui.markup.media``):
        media_seconds: how long the address of a file is good for.

    The end:
        closing_seconds: until open answers are cut off when the server ends.
    """

    json_bytes: int = 1 * MB
    json_depth: int = 32
    json_items: int = 50_000
    upload_bytes: int = 65 * MB
    upload_files: int = 100
    cache_bytes: int = 4_000 * MB
    cache_seconds: float = 3_600.0
    header_bytes: int = 32_768
    header_seconds: float = 10.0
    body_seconds: float = 120.0
    answer_seconds: float = 60.0
    idle_seconds: float = 15.0

    connections: int = 400
    connections_per_address: int = 100
    streams: int = 300
    streams_per_address: int = 80
    files_kept: int = 256
    log_lines: int = 10
    sessions: int = 500
    sessions_per_address: int = 60
    session_seconds: float = 43_200.0
    calls_per_address: int = 12
    calls_waiting: int = 100

    text: int = 2_000
    label_rows: int = 10_000

    decodings: int = 2
    kept_bytes_per_visitor: int = 4_000 * MB
    kept_bytes: int = 20_000 * MB
    free_bytes: int = 1_000 * MB
    kept_days: float = 7.0

    job_bytes: int = 16_000 * MB
    job_hours: float = math.inf
    short_seconds: float = 60.0
    pause_seconds: float = 30.0
    queued_per_owner: int = 20
    queued_per_address: int = 100
    queued: int = 500
    queued_hours_per_owner: float = math.inf
    queued_hours_per_address: float = math.inf
    queued_hours: float = math.inf
    listed: int = 200
    params_bytes: int = 1 << 20
    jobs_kept_per_owner: int = 2_000
    jobs_days: float = math.inf
    export_bytes: int = 2_000 * MB

    guest_jobs: int = 4
    owner_jobs: int = 20
    guest_hours: float = 1.0
    owner_hours: float = math.inf
    guest_upload_bytes: float = 500.0 * MB
    owner_upload_bytes: float = 4_000.0 * MB
    guest_result_bytes: float = 1_000.0 * MB
    owner_result_bytes: float = math.inf
    login_tries_per_name: int = 10
    login_tries_per_address: int = 50
    login_seconds: float = 900.0
    login_days: float = 14.0

    media_seconds: float = 86_400.0

    closing_seconds: float = 1.0

    def here(self, *, local: bool) -> Self:
        """These limits on this machine: no job may need more memory than there is.

        Whoever started the program for themselves (``local``) may take all the time there is, and keeps their results;
        strangers on a network share it.
        """
        changes: dict[str, float] = {}
        if not local:
            changes = {
                "job_hours": 4.0,
                "queued_hours_per_owner": 8.0,
                "queued_hours_per_address": 16.0,
                "queued_hours": 72.0,
                "jobs_kept_per_owner": 200,
                "jobs_days": 30.0,
            }
        return replace(self, job_bytes=min(self.job_bytes, memory_bytes()), **changes)  # type: ignore[arg-type]


def memory_bytes() -> int:
    """The memory of this machine in bytes; as much as can be counted where nobody says."""
    if sys.platform == "win32":
        return sys.maxsize
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
