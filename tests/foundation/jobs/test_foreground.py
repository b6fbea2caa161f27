"""One job on the command line: results, Ctrl-C once, twice and three times, and whose files may go."""

import os
import signal
import threading

import pytest

from foundation.errors import StudioError
from foundation.jobs import Discarded, JobError, JobRequest, JobStatus, run_foreground
from foundation.progress import Progress

REQUEST = JobRequest("work", {"steps": 4})


def counting(context):
    done = 0
    for step in range(1, context.params["steps"] + 1):
        if context.stop_requested:
            break
        context.progress(Progress(step, context.params["steps"], losses={"loss": 1.0 / step}, preview=never))
        done = step
        (context.dir / f"{step}.txt").write_text("x")
    return {"done": done, "losses": (1.0, float("nan"))}


def never():
    raise AssertionError("nobody looks at previews on the command line")


def press(times_by_step):
    """Ctrl-C after the given steps, so many times each."""

    def on_progress(snapshot):
        for _ in range(times_by_step.get(snapshot.done, 0)):
            os.kill(os.getpid(), signal.SIGINT)

    return on_progress


def test_a_job_runs_here_and_reports_every_step(tmp_path):
    seen = []
    folder = tmp_path / "new" / "folder"
    result = run_foreground(REQUEST, {"work": counting}, folder, seen.append)
    assert result == {"done": 4, "losses": [1.0, None]}
    assert [(snapshot.done, snapshot.total, snapshot.status) for snapshot in seen] == [
        (step, 4, JobStatus.RUNNING) for step in range(1, 5)
    ]
    assert seen[-1].curves["loss"] == [(1, 1.0), (2, 0.5), (3, 1.0 / 3), (4, 0.25)]
    assert sorted(path.name for path in folder.iterdir()) == ["1.txt", "2.txt", "3.txt", "4.txt"]


def test_one_interrupt_stops_and_keeps(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    result = run_foreground(REQUEST, {"work": counting}, tmp_path, press({2: 1}))
    assert result["done"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.txt", "2.txt"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("existing", [True, False])
def test_two_interrupts_discard_what_the_job_made(tmp_path, existing):
    folder = tmp_path / "out"
    if existing:
        folder.mkdir()
    with pytest.raises(Discarded):
        run_foreground(REQUEST, {"work": counting}, folder, press({2: 2}))
    assert folder.exists() is existing
    assert not existing or list(folder.iterdir()) == []


def test_a_third_interrupt_is_an_ordinary_one(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_foreground(REQUEST, {"work": counting}, tmp_path, press({1: 3}))
    assert signal.getsignal(signal.SIGINT) is before


def test_other_peoples_files_are_never_at_risk(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(JobError, match="not empty"):
        run_foreground(REQUEST, {"work": counting}, tmp_path)
    with pytest.raises(JobError, match="cannot be used"):
        run_foreground(REQUEST, {"work": counting}, tmp_path / "thesis.txt" / "out")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_errors_pass_and_the_interrupt_is_as_before(tmp_path):
    def failing(context):
        raise error

    before = signal.getsignal(signal.SIGINT)
    for error in (StudioError("Choose another class."), RuntimeError("a bug")):
        with pytest.raises(type(error), match=str(error)):
            run_foreground(REQUEST, {"work": failing}, tmp_path)
    with pytest.raises(JobError, match="choose one of"):
        run_foreground(REQUEST, {}, tmp_path)
    with pytest.raises(TypeError, match="dict"):
        run_foreground(REQUEST, {"work": lambda context: None}, tmp_path)
    assert signal.getsignal(signal.SIGINT) is before


def test_it_works_outside_the_main_thread_too(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(run_foreground(REQUEST, {"work": counting}, tmp_path)))
    thread.start()
    thread.join(20.0)
    assert results[0]["done"] == 4


def test_without_a_folder_its_files_are_gone_and_the_users_are_not(tmp_path):
    places = []

    def handler(context):
        places.append(context.dir)
        (tmp_path / "mine.png").write_text("x")
        return counting(context)

    assert run_foreground(REQUEST, {"work": handler})["done"] == 4
    with pytest.raises(Discarded):
        run_foreground(REQUEST, {"work": handler}, on_progress=press({2: 2}))
    assert not any(place.exists() for place in places)
    assert (tmp_path / "mine.png").exists()


def test_a_discard_after_the_last_report_is_too_late_for_files_of_the_users(tmp_path):
    def handler(context):
        counting(context)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return {"saved": True}

    assert run_foreground(REQUEST, {"work": handler}) == {"saved": True}
    with pytest.raises(Discarded):
        run_foreground(REQUEST, {"work": handler}, tmp_path / "job")
    assert not (tmp_path / "job").exists()


def test_interrupts_are_told_at_once():
    told = []
    with pytest.raises(Discarded):
        run_foreground(REQUEST, {"work": counting}, on_progress=press({2: 2}), on_interrupt=told.append)
    assert told == [False, True]
