"""Starts the page with the real server and job service, but with work that needs no model: for browser tests.

Usage: python standin_app.py DATA_DIR PORT [NAME:ROLE...]. Prints the page's address once it answers. With names, these
are users with accounts.
"""

import dataclasses
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_TEMP_DIR"] = str(Path(sys.argv[1]) / "cache")

from app.accounts.accounts import Accounts
from app.handlers.describing import read_offer
from app.server import build_app, serve
from app.visitors.data_dir import DataDir
from app.visitors.uploads import Uploads
from app.web.hosts import Hosts
from foundation.images.files import save_png
from foundation.jobs.service import JobService
from foundation.limits import Limits
from generator.vlm.asking import ReadSettings
from tests.app.accounts.people import SECRET, add, quick
from tests.browser.evaluation_standins import evaluate
from tests.browser.folder_standins import MoreAttacks
from tests.browser.grid_standins import Grids
from tests.browser.standins import Attack, StandInMeasurements, Texts, fade, make_images, make_studio, tell_cost
from tests.generator.vlm.server import look, serving

FEW = Limits(guest_jobs=2, login_tries_per_address=1000)
"""So that a test meets a limit soon."""


def main() -> None:
    data_dir, port, people = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    uploads, examples = Uploads(data_dir / "uploads"), data_dir / "examples"
    examples.mkdir(parents=True, exist_ok=True)
    save_png(fade(3, 8, (48, 64), 1), examples / "stripes.png")
    with serving() as endpoint:
        endpoint.default = look
        run(data_dir, port, uploads, endpoint.settings, people)


def run(data_dir: Path, port: int, uploads: Uploads, read_vlm: ReadSettings, people: Sequence[str]) -> None:
    measurements = StandInMeasurements()
    handlers = {
        "text": Texts(uploads),
        "image": make_images,
        "attack": MoreAttacks(Attack(uploads), uploads, read_vlm),
        "evaluate": evaluate,
        "grid": Grids(DataDir(data_dir)),
    }
    accounts: Accounts | None = None
    share = lambda owner: None if accounts is None else accounts.allowance(owner)  # noqa: E731
    with JobService(data_dir, handlers, cost=tell_cost, allowance=share) as jobs:
        if people:
            accounts = Accounts(jobs.users, SECRET, FEW, passwords=quick())
        for name, _, role in (one.partition(":") for one in people):
            add(jobs.users, name, "owner" if role == "owner" else "guest")
        studio = make_studio(jobs, data_dir, measurements)
        studio = dataclasses.replace(studio, accounts=accounts)
        studio = dataclasses.replace(studio, vlm=lambda: read_offer(read_vlm))
        page = build_app(studio)
        print(serve(page, studio, hosts=Hosts("127.0.0.1"), port=port, data_dir=data_dir).address, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
