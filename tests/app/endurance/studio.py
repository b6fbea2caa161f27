"""A studio as a program that is killed again and again: real kinds of jobs on the shipped models.

`SERVICE` is the job service without the page, which starts within a second and orders its own jobs; `APP` is
`python -m app`. Both are forked from one process that has imported all that they need (`tests.forking`).
"""

import contextlib
import hashlib
import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from PIL import Image

from app.records.params import AttackParams, EvaluateParams, ImageParams, LabelledPicture, TextParams, Wish
from app.visitors.data_dir import DataDir
from foundation.limits import Limits
from generator.recipes.presets import from_preset
from robust_model.evaluation.record.config import EvalConfig
from tests.forking import COMPILER, Forking, Program

OWNER = "0123456789abcdef0123456789abcdef"
IMPORTED = (
    *("foundation.torchvision_cure", "torch", "app.server", "app.evaluation.service", "app.handlers.registry"),
    *("app.handlers.costs", "app.handlers.measurements", "app.handlers.units", "app.costs.calibration", "app.upkeep"),
    *("app.model_list", "robust_model.zoo.catalogue", "alembic.operations", "sqlalchemy.orm"),
    *("torchvision.models", "open_clip", COMPILER),  # what the first job of a kind imports, and so each child
)
APP = """
import sys
from app.__main__ import main
main(sys.argv[1:])
"""
SERVICE = """
import dataclasses, hashlib, itertools, json, sys, time
from pathlib import Path
from app.costs.timings import Timings
from app.handlers.costs import cost_of
from app.handlers.pictures import Workshop
from app.handlers.registry import make_handlers
from app.visitors.data_dir import DataDir
from foundation.errors import StudioError
from foundation.jobs import JobRequest, JobService
from foundation.limits import Limits
from robust_model.zoo.catalogue import open_catalogue

root, orders, asked = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])

def say(**words):
    print(json.dumps(words), flush=True)

def settled(job):  # what it says of itself is on the disk
    return job.status.finished and "make room" not in job.message

def tell():
    for job in service.list(limit=200):
        if settled(job) and job.id not in told:
            told.add(job.id)
            folder = Path(job.folder)
            files = {
                str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(folder.rglob("*")) if path.suffix == ".png" or path.name == "report.json"
            }
            result = hashlib.sha256(json.dumps(job.result, sort_keys=True).encode()).hexdigest()
            say(ended=job.id, kind=job.kind, status=job.status, error=job.error, result=result, files=files)

limits = Limits(free_bytes=0, pause_seconds=0.5)  # both lanes move
told = set()
try:
    data = DataDir(root, limits)
    data.create()
    catalogue = open_catalogue((data.models,), data.downloads, strangers=True)
    shop = Workshop(catalogue, data, Timings(data.timings), lambda: None)
    service = JobService(
        root, make_handlers(shop), database=asked["database"], limits=limits, uploads=data.uploads, checkpoint_s=0.1,
        cost=lambda request: cost_of(request, data.uploads, shop.timings),
    )
except (StudioError, OSError) as error:
    say(refused=str(error))
    raise SystemExit(0)

def let_run(most):
    while sum(not job.status.finished for job in service.list(limit=200)) >= most:
        tell()
        time.sleep(0.02)
    tell()

say(up=list(service.problems))
for kind, params in itertools.cycle(orders) if asked["waiting"] else orders:
    if asked["waiting"]:
        let_run(asked["waiting"])
    if "recipe" in params:
        params = {**params, "recipe": {**params["recipe"], "seed": time.monotonic_ns() % 2**31}}
    try:
        say(submitted=service.submit(JobRequest(kind, params, owner=asked["owner"])), kind=kind)
    except StudioError as error:
        say(refused=str(error))
        time.sleep(0.05)
    tell()
let_run(1)
"""


def rounds(few: int) -> int:
    """How often something is to happen: `few` times, or as often as `CROSSMAX_ENDURANCE` says."""
    return int(os.environ.get("CROSSMAX_ENDURANCE", few))


def until_refused(lines: TextIO) -> list[str]:
    """What a studio says up to its next refusal, which comes with the next order while it has nowhere to keep it."""
    said = []
    for line in lines:
        said.append(line)
        if "refused" in json.loads(line):
            break
    return said


def orders(data: Path) -> str:
    """A picture of a text and of a class, an attack, one with a transfer, and an evaluation, all of them small."""
    kept = DataDir(data, Limits(free_bytes=0))
    kept.create()
    photo = kept.uploads.keep(Image.linear_gradient("L").resize((32, 32)).convert("RGB"), OWNER).digest
    small = {"size": (32, 32), "steps": 4}
    text = from_preset("text", "fast", prompt="a frog", models=("tiny-clip",), **small)
    drawn = from_preset("class", "quick", classes=("frog",), models=("undefended-cifar10",), **small)
    attacked = from_preset(
        "attack", "standard", from_photo=True, classes=("ship",), models=("undefended-cifar10",), eps=8 / 255, steps=4
    )
    wish = Wish(victims=("crossmax-cifar10",), survivals=("jpeg-75",))
    evaluation = EvalConfig(model="undefended-cifar10", data="own", suites=("quick",), count=2)
    images = tuple(LabelledPicture(digest=photo, label=label) for label in ("ship", "frog"))
    asked = [
        ("text", TextParams(recipe=text)),
        ("image", ImageParams(recipe=drawn)),
        ("attack", AttackParams(recipe=attacked, source=photo)),
        ("evaluate", EvaluateParams(config=evaluation, images=images)),
        ("attack", AttackParams(recipe=attacked, source=photo, explore=wish)),
    ]
    return json.dumps([(kind, params.to_json()) for kind, params in asked])


@dataclass(frozen=True)
class Ended:
    """How a job had ended: in which state, with what result, and which bytes in its files."""

    kind: str
    status: str
    error: str | None
    result: str
    files: dict[str, str]


@dataclass
class Witness:
    """Runs the service on a data directory, and remembers all that it said: that must stay so."""

    forking: Forking
    data: Path
    database: str = ""
    submitted: set[str] = field(default_factory=set)
    ended: dict[str, Ended] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._orders = orders(self.data)

    def start(self, waiting: int = 6) -> Program:
        """The service, which keeps so many jobs in its queue; with 0 it orders one of each, and ends."""
        asked = {"database": self.database, "waiting": waiting, "owner": OWNER}
        return self.forking.start(SERVICE, str(self.data), self._orders, json.dumps(asked))

    def hear(self, lines: Iterable[str]) -> int:
        """Take in what a program said; how many jobs had ended that had not before.

        A line that a kill cut short says nothing.
        """
        before = len(self.ended)
        for line in lines:
            if line.endswith("\n"):
                self._hear(json.loads(line))
        return len(self.ended) - before

    def _hear(self, said: dict[str, object]) -> None:
        if "ended" in said:
            job = str(said.pop("ended"))
            now = Ended(**said)  # type: ignore[arg-type]
            assert self.ended.setdefault(job, now) == now, "what has ended changes no more"
        elif "submitted" in said:
            self.submitted.add(str(said["submitted"]))
        elif "refused" in said:
            self.refusals.append(str(said["refused"]))
        else:
            assert said == {"up": []}, "a start has nothing to complain about"

    def check(self) -> None:
        """All that has ended is in its folder, byte by byte."""
        for job, ended in self.ended.items():
            for name, digest in ended.files.items():
                assert hashlib.sha256((self.data / "jobs" / job / name).read_bytes()).hexdigest() == digest

    def kinds(self, status: str) -> Counter[str]:
        """How many jobs of each kind have ended in a state."""
        return Counter(one.kind for one in self.ended.values() if one.status == status)


def start_app(forking: Forking, data: Path, database: str = "") -> Program:
    """The whole app, on a port that it chooses."""
    options = ["--port", "0", "--data-dir", str(data), "--device", "cpu", "--no-browser"]
    return forking.start(APP, *options, *(("--database", database) if database else ()))


def port_of(app: Program) -> int:
    """The port of an app, once it is up."""
    line = app.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
    assert found is not None, line
    return int(found[1])


def integrity(data: Path) -> str:
    """What SQLite says of the database, looking at all of it."""
    with contextlib.closing(sqlite3.connect(data / "studio.db")) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
