"""What the app holds in memory: at the start, at most during each kind of job, and after a photo of 12 megapixels."""

import time
from pathlib import Path

import pytest
from PIL import Image

from crossmax_studio.client import Studio
from foundation.files.shipped import ASSETS
from tests.app.endurance.studio import OWNER, port_of, start_app
from tests.forking import Forking

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory in use is read from Linux"),
]

START, SMALL_JOBS, LARGE_PHOTO, AFTERWARDS = 0.7e9, 1.9e9, 3.1e9, 1.5e9
"""Bytes: resident at the start; at most during jobs of usual size, and with the photo; and once that job has ended."""
SETTLED_SECONDS = 8.0
"""After so long what was freed has been handed back."""


def held(process: int, field: str) -> int:
    """What Linux says that a process holds now ("VmRSS"), or has held at most ("VmHWM"), in bytes."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return 1024 * int(lines[field].split()[0])


def test_memory_stays_bounded_by_every_kind_of_job(forking: Forking, tmp_path: Path) -> None:
    with Image.open(ASSETS / "photos" / "cat.png") as cat:
        cat.convert("RGB").resize((4000, 3000)).save(tmp_path / "large.jpg")
    app = start_app(forking, tmp_path / "data")
    with app.stdout:
        try:
            with Studio(f"http://127.0.0.1:{port_of(app)}", owner=OWNER) as studio:
                assert held(app.number, "VmRSS") < START
                for job in (
                    studio.text("a goldfish", preset="fast", steps=4),
                    studio.class_image("goldfish", models=["lite0"], preset="balanced", steps=2),
                    studio.evaluate("crossmax-cifar10", data="examples", suites=["quick"], count=8),
                ):
                    assert studio.wait(job).status == "done"
                assert held(app.number, "VmHWM") < SMALL_JOBS
                photo = tmp_path / "large.jpg"
                job = studio.attack(photo, models=["lite0"], preset="standard", classes=["goldfish"], steps=3)
                done = studio.wait(job)
                assert done.status == "done"
                assert held(app.number, "VmHWM") < LARGE_PHOTO
                ends = time.monotonic() + SETTLED_SECONDS
                while held(app.number, "VmRSS") >= AFTERWARDS:
                    assert time.monotonic() < ends, held(app.number, "VmRSS")
                    time.sleep(0.2)
                studio.save(done, tmp_path / "attacked", names=["image-1.png"])
                with Image.open(tmp_path / "attacked" / "image-1.png") as attacked:
                    assert attacked.size == (4000, 3000)
        finally:
            app.kill()
