"""What a foreground job shows: a live line, sparse lines, notes, and what it says."""

import io
import os
import signal
import sys
from types import SimpleNamespace

import pytest

from foundation.jobs.terminal import CLEAR, STOPPING, ProgressLine, Terminal, describe, duration
from foundation.progress import Progress


class Screen(io.StringIO):
    def isatty(self):
        return True


def snapshot(done, total, message="", eta_s=None, /, unit="steps", **curves):
    curves = {name: [(done, value)] for name, value in curves.items()}
    return SimpleNamespace(done=done, total=total, unit=unit, message=message, eta_s=eta_s, curves=curves)


def line(stream, *times, **options):
    clock = iter(times)
    return ProgressLine(stream, clock=lambda: next(clock), **options)


def test_a_line_says_what_is_known():
    assert describe(snapshot(0, 0, "Loading"), 1.0) == "Loading"
    assert describe(snapshot(0, 80, "Preparing"), 1.0) == "Preparing"
    assert describe(snapshot(4, 80), 1.0) == "4/80 (5%)"
    assert describe(snapshot(4, 80, "Optimising", 61.4, total=1.5, logit=2.0), 1.0) == (
        "4/80 (5%), loss 1.500, 1 min 1 s left: Optimising"
    )
    assert describe(snapshot(80, 80, "Rate 0.1", 0.0, loss=0.25), 7322.0) == (
        "80/80 (100%), loss 0.250, in 2 h 2 min: Rate 0.1"
    )
    assert describe(snapshot(5_000_000, 8_000_000, "Step", 3.0, unit="bytes"), 1.0) == "5 of 8 MB (62%), 3 s left: Step"
    assert describe(snapshot(5_000_000, 0, "Step", unit="bytes"), 1.0) == "Step: 5 MB"
    assert describe(snapshot(2, 8, "Downloading", unit="items"), 1.0) == "2/8 (25%): Downloading"
    assert [duration(seconds) for seconds in (0.4, 59.6, 3600)] == ["0 s", "1 min 0 s", "1 h 0 min"]


def test_a_terminal_gets_one_line_that_is_rewritten(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    shown = line(screen, 0.0, 1.0, 1.05, 2.0, 2.01)
    for done in (1, 2, 3, 4):  # the second comes too soon; the last one never does
        shown.show(snapshot(done, 4, "a long message that would wrap"))
    shown.close()
    assert screen.getvalue().split(CLEAR) == ["", "1/4 (25%): a long m", "3/4 (75%): a long m", "4/4 (100%), in 2 s:\n"]


def test_a_log_gets_a_line_now_and_then():
    log = io.StringIO()
    shown = line(log, *map(float, range(100)))
    shown.show(snapshot(0, 25, "Loading"))
    for done in range(1, 26):
        shown.show(snapshot(done, 25))
    shown.show(snapshot(25, 25))
    shown.close()
    assert [text.split(" ")[0] for text in log.getvalue().splitlines()] == ["1/25", "11/25", "21/25", "25/25"]
    slow = line(log, 0.0, 9.0, 11.0)
    slow.show(snapshot(0, 25, "Loading"))
    slow.show(snapshot(0, 25, "Still loading"))
    assert log.getvalue().endswith("\nStill loading\n") and "Loading\n" not in log.getvalue()


def test_notes_wait_for_a_write_that_they_interrupt():
    class Interrupted(Screen):
        def write(self, text):
            count = super().write(text)
            if "1/4" in text:
                shown.note("a note")
                assert "a note" not in self.getvalue()
            return count

    screen = Interrupted()
    shown = line(screen, 0.0, 1.0)
    shown.show(snapshot(1, 4))
    assert screen.getvalue() == f"{CLEAR}1/4 (25%){CLEAR}a note\n"
    quiet = line(screen, 0.0, 1.0, enabled=False)
    quiet.show(snapshot(2, 4))
    quiet.note("unheard")
    assert "2/4" not in screen.getvalue() and "unheard" not in screen.getvalue()


@pytest.mark.parametrize("quiet", [False, True])
def test_what_a_job_says_stands_above_its_line(monkeypatch, capsys, quiet):
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    terminal = Terminal()

    def work(context):
        assert context.device == "cpu"
        context.progress(Progress(1, 2, "Working"))
        terminal.say("epoch 1")
        os.kill(os.getpid(), signal.SIGINT)
        context.progress(Progress(2, 2))
        return {"stopped": context.stop_requested}

    assert terminal.run("work", "cpu", work, quiet=quiet) == {"stopped": True}
    assert capsys.readouterr().out == "epoch 1\n"
    first, cleared, note, last = "1/2 (50%): Working", "", f"{STOPPING}\n", "2/2 (100%), in 0 s: Working\n"
    assert screen.getvalue().split(CLEAR) == ([""] if quiet else ["", first, cleared, note, last])


def test_a_discarded_job_has_no_result():
    def work(context):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        context.progress(Progress(1, 2))
        raise AssertionError("went on")

    assert Terminal().run("work", "cpu", work, quiet=True) is None
