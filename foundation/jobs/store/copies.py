"""A job's copy of its record, ``job.json`` in its folder: what the jobs of older versions are taken over from.

It is written when a job is submitted, when it has ended and when its owner changes it, so that a database that is
lost can be made anew of the folders. While there is a database, that is right; only a job's end, which is written here
first, may be newer here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from pathlib import Path

from foundation.files.text_files import replace_whole
from foundation.jobs.store.model import RECORD_VERSION, JobRecord, as_json
from foundation.jobs.store.records import columns, record_type

logger = logging.getLogger(__name__)

RECORD_NAME = "job.json"


def write_copy(folder: Path, record: JobRecord) -> None:
    """Replace the copy in a job's folder, which is never made. Raises ``OSError``."""
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    replace_whole(folder / RECORD_NAME, json.dumps(as_json(fields), indent=1, allow_nan=False).encode())


def read_copy(folder: Path, problems: list[str]) -> JobRecord | None:
    """The record in a job's folder; None, with a sentence in ``problems``, where there is none that can be read.

    One that is damaged is set aside, so that this is said once.
    """
    path = folder / RECORD_NAME
    aside = path.with_name(RECORD_NAME + ".corrupt")
    try:
        record = record_type().validate_json(path.read_bytes(), strict=True)
        if record.version > RECORD_VERSION:
            problems.append(f"Job {folder.name} was saved by a newer version and is left as it is.")
            return None
        if record.id != folder.name:
            raise ValueError(f"its record names another job: {record.id!r}")
        columns(record)
    except FileNotFoundError:
        if not aside.exists():  # otherwise an earlier start has reported it
            problems.append(f"The folder {folder} has no {RECORD_NAME}; it is left as it is.")
        return None
    except ValueError:  # pydantic's ValidationError is one
        logger.warning("unreadable record %s", path, exc_info=True)
        with contextlib.suppress(OSError):
            path.replace(aside)
        problems.append(
            f"The record of job {folder.name} cannot be read and was set aside as {aside.name}; "
            "the job's other files are kept."
        )
        return None
    except OSError as error:
        problems.append(f"The record of job {folder.name} cannot be read ({error.strerror or error}).")
        return None
    return record
