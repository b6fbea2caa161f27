"""Programs that keep freed memory beside ones that do not: both run, and what cannot be measured is a sentence."""

import json
import platform
import sys
from pathlib import Path

import pytest

from benchmarks.reused_memory import app_jobs, measuring
from foundation.errors import StudioError

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")


@pytest.mark.slow
def test_both_sides_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(variable, raising=False)
    written = tmp_path / "figures.json"
    # Blocks of 32 MiB and less glibc comes to keep by itself: those of 192 images are larger.
    monkeypatch.setattr(sys, "argv", ["reused_memory", "--batch", "192", "--turns", "1", "--json", str(written)])
    assert measuring.main() == 0
    results = json.loads(written.read_text())["results"]
    assert set(results) == set(measuring.MEASURES)
    assert results["faults"]["kept"] < results["faults"]["returned"] / 4
    assert "forward_s" in capsys.readouterr().out


def test_a_side_that_cannot_be_measured_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "reuse_freed", lambda: False)
    with pytest.raises(StudioError, match="glibc only"):
        measuring.side(True, "crossmax-cifar10", 1)


def test_sides_are_compared_by_medians_and_paired_ratios() -> None:
    returned, kept = [{"s": 4.0, "faults": 9.0}, {"s": 6.0, "faults": 7.0}], [{"s": 2.0, "faults": 0.0}] * 2
    found = measuring.compared({"returned": returned, "kept": kept}, ("s", "faults"))
    assert found == {"s": {"returned": 5.0, "kept": 2.0, "ratio": 2.5}, "faults": {"returned": 8.0, "kept": 0.0}}
    assert measuring.rows_of(found)[1:] == [("s", "5", "2", "2.50"), ("faults", "8", "0", "")]


def test_photos_of_a_folder_are_its_first_ones_by_name(tmp_path: Path) -> None:
    for name in ("b/2.JPEG", "a/1.png", "c/3.jpg", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert app_jobs.photos_below(tmp_path, 2) == [tmp_path / "a/1.png", tmp_path / "b/2.JPEG"]
    with pytest.raises(StudioError, match="has 3 photos, and 4 are wanted"):
        app_jobs.photos_below(tmp_path, 4)
