"""The log: prompts and keys never occur in it unless that is asked for; its JSON is one object a line."""

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from app.logs import Details, Format, set_up_logs
from foundation.errors import StudioError
from foundation.jobs import JobContext, JobRequest, JobService

PROMPT, KEY = "a heron in the fog", "sk-0123456789abcdef"
Started = Callable[[Format, Details], io.StringIO]


@pytest.fixture
def logs() -> Started:
    """Start logs into a text that is handed back."""

    def start(written: Format, details: Details) -> io.StringIO:
        text = io.StringIO()
        set_up_logs(written, details, "debug", text)
        return text

    return start


def works(context: JobContext) -> dict[str, str]:
    return {"said": str(context.params["prompt"])}


def refuses(context: JobContext) -> dict[str, str]:
    raise StudioError(f"No model reads {context.params['prompt']} with {KEY}.")


def breaks(context: JobContext) -> dict[str, str]:
    try:
        raise ValueError(f"{context.params['prompt']} {KEY}")
    except ValueError as error:
        raise RuntimeError(f"it came of {context.params['prompt']}") from error


def run_all(folder: Path) -> None:
    """A job that works, one that is refused, one that breaks, and one whose database is away."""
    with JobService(folder, {"works": works, "refuses": refuses, "breaks": breaks}) as jobs:
        for kind in ("works", "refuses", "breaks"):
            request = JobRequest(kind, {"prompt": PROMPT, "key": KEY}, "cpu", KEY, PROMPT, "127.0.0.1")
            jobs.wait(jobs.submit(request), 30)


@pytest.mark.parametrize("written", ["text", "json"])
def test_a_prompt_and_a_key_are_never_in_the_log(tmp_path: Path, logs: Started, written: Format) -> None:
    """At any level: errors have their kind and place, jobs their id, kind and end."""
    text = logs(written, "hidden")
    run_all(tmp_path)
    found = text.getvalue()
    assert PROMPT not in found and KEY not in found and "heron" not in found, found
    assert "RuntimeError" in found and "ValueError" in found and "test_logs.py:" in found and "breaks" in found
    assert found.count("done after") == 1 and found.count("failed after") == 2


def test_what_errors_say_is_shown_where_it_is_asked_for(tmp_path: Path, logs: Started) -> None:
    texts = [logs("text", "shown"), logs("json", "shown"), logs("text", "hidden")]
    run_all(tmp_path)
    told = [text.getvalue() for text in texts]
    assert [f"{PROMPT} {KEY}" in one for one in told] == [True, True, False]  # whichever is written first


def test_json_lines_are_objects_with_the_facts_of_jobs(tmp_path: Path, logs: Started) -> None:
    text = logs("json", "hidden")
    run_all(tmp_path)
    lines = [json.loads(line) for line in text.getvalue().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    ended = {line["kind"]: line for line in lines if "kind" in line}
    assert {kind: line["status"] for kind, line in ended.items()} == {
        "works": "done", "refuses": "failed", "breaks": "failed"
    }  # fmt: skip
    assert all(len(line["job"]) == 32 and line["seconds"] >= 0 for line in ended.values())
    (broken,) = [line for line in lines if "errors" in line]
    assert [error["type"] for error in broken["errors"]] == ["ValueError", "RuntimeError"]
    assert (broken["level"], "says" in broken["errors"][0]) == ("error", False)


@pytest.mark.parametrize("written", ["text", "json"])
def test_a_log_that_cannot_be_written_says_nothing_of_its_lines(
    logs: Started, capsys: pytest.CaptureFixture[str], written: Format
) -> None:
    logs(written, "hidden").close()
    logging.getLogger("app").warning("%s is used", KEY)
    assert capsys.readouterr() == ("", "")
