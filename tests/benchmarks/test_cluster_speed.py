"""One worker and two of a cluster: what is measured, on workers that are threads of this process."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import cluster_speed
from foundation.files.shipped import ASSETS
from tests.toy_cluster import ThreadBackend


@pytest.mark.slow
def test_both_jobs_are_done_by_one_worker_and_by_two(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hired: list[int] = []

    def backend(_address: str, *, device: str, workers: int) -> ThreadBackend:
        assert device == "cpu"
        hired.append(workers)
        return ThreadBackend(workers)

    monkeypatch.setattr(cluster_speed, "RayBackend", backend)
    monkeypatch.setattr(cluster_speed, "processes", ThreadPoolExecutor)
    monkeypatch.setattr(cluster_speed, "CEILING_SECONDS", 0.05)
    monkeypatch.setattr(cluster_speed, "PHOTO", ASSETS / "examples" / "ship.png")
    told = tmp_path / "speed.json"
    small = ["--surrogate", "undefended-cifar10", "--model", "undefended-cifar10", "--parts", "2", "--batch", "2"]
    arguments = ["cluster_speed", *small, "--steps", "1", "--repeats", "1", "--json", str(told)]
    monkeypatch.setattr("sys.argv", arguments)
    assert cluster_speed.main() == 0
    assert hired == [1, 2, 1, 2], "for either job"
    found = json.loads(told.read_text())
    for name in "evaluation", "folder":
        result = found["results"][name]
        assert result["ratio"] > 0 and result["one"]["min_s"] <= result["one"]["median_s"] <= result["one"]["max_s"]
    assert found["ceiling"] > 0
    said = capsys.readouterr().out
    assert "one worker" in said and "folder" in said
