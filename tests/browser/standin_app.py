"""Starts the page with the real server and job service, but with work that needs no model: for browser tests.

Usage: python standin_app.py DATA_DIR PORT. Prints the page's address once it answers.
"""

import dataclasses
import os
import sys
import threading
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_TEMP_DIR"] = str(Path(sys.argv[1]) / "cache")

from app.handlers.describing import read_offer
from app.server import build_app, serve
from app.visitors.data_dir import DataDir
from app.visitors.uploads import Uploads
from app.web.hosts import Hosts
from foundation.images.files import save_png
from foundation.jobs.service import JobService
from generator.vlm.asking import ReadSettings
from tests.browser.evaluation_standins import evaluate
from tests.browser.folder_standins import MoreAttacks
from tests.browser.grid_standins import Grids
from tests.browser.standins import Attack, StandInMeasurements, Texts, fade, make_images, make_studio, tell_cost
from tests.generator.vlm.server import look, serving


def main() -> None:
    data_dir, port = Path(sys.argv[1]), int(sys.argv[2])
    uploads, examples = Uploads(data_dir / "uploads"), data_dir / "examples"
    examples.mkdir(parents=True, exist_ok=True)
    save_png(fade(3, 8, (48, 64), 1), examples / "stripes.png")
    with serving() as endpoint:
        endpoint.default = look
        run(data_dir, port, uploads, endpoint.settings)


def run(data_dir: Path, port: int, uploads: Uploads, read_vlm: ReadSettings) -> None:
    measurements = StandInMeasurements()
    handlers = {
        "text": Texts(uploads),
        "image": make_images,
        "attack": MoreAttacks(Attack(uploads), uploads, read_vlm),
        "evaluate": evaluate,
        "grid": Grids(DataDir(data_dir)),
    }
    with JobService(data_dir, handlers, cost=tell_cost) as jobs:
        studio = make_studio(jobs, data_dir, measurements)
        studio = dataclasses.replace(studio, vlm=lambda: read_offer(read_vlm))
        page = build_app(studio)
        print(serve(page, studio, hosts=Hosts("127.0.0.1"), port=port, data_dir=data_dir).address, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
