"""Programs that keep freed memory beside ones that do not: both run, and what cannot be measured is a sentence."""

import json
import platform
import sys
from pathlib import Path

import pytest

from benchmarks.reused_memory import measuring
from foundation.errors import StudioError

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")


@pytest.mark.slow
def test_both_sides_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(variable, raising=False)
    written = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["reused_memory", "--batch", "16", "--turns", "1", "--json", str(written)])
    assert measuring.main() == 0
    results = json.loads(written.read_text())["results"]
    assert set(results) == set(measuring.MEASURES)
    assert results["faults"]["kept"] < results["faults"]["returned"]
    assert "forward_s" in capsys.readouterr().out


def test_a_side_that_cannot_be_measured_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "reuse_freed", lambda: False)
    with pytest.raises(StudioError, match="glibc only"):
        measuring.side(True, "crossmax-cifar10", 1)
