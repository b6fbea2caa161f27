"""The addresses of /api/v1. Each function is one; its docstring stands in the description."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.estimates import add_estimates
from app.api.files import files_of, send_file
from app.api.grid_order import GridOrder
from app.api.orders import Orders
from app.api.owners import Owner, OwnJobs
from app.api.presets import add_presets
from app.api.refusals import EVERYWHERE, OF_BODIES, refusals
from app.api.values import (
    AttackOrder,
    Choices,
    ClassOrder,
    ContinueOrder,
    Data,
    Describing,
    EditOrder,
    EvaluateOrder,
    Job,
    JobLine,
    Jobs,
    Model,
    Models,
    MoveOrder,
    Queue,
    QueuedJob,
    Suite,
    TextOrder,
)
from app.ui.attack.describing import NOT_SET_UP
from app.ui.wiring.services import Studio
from foundation.catalogue.entry import KINDS, Kind
from foundation.errors import StudioError
from foundation.jobs.store.model import JobRequest, as_json

PREFIX = "/api/v1"
LONGEST_WAIT = 60.0
"""Seconds for which one request waits for a job."""
LOOK_SECONDS = 0.2
OF_ONE_JOB = refusals((404,))
OF_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    **OF_ONE_JOB,
}
OF_ORDERS = refusals((*OF_BODIES, 503))


def make_routes(studio: Studio) -> APIRouter:
    """The addresses of models and jobs."""
    router = APIRouter(prefix=PREFIX, responses=refusals(EVERYWHERE), redirect_slashes=False)
    _add_models(router, studio)
    _add_pictures(router, studio)
    _add_evaluations(router, studio)
    _add_jobs(router, studio)
    add_estimates(router, studio)
    add_presets(router, studio)
    return router


def job_value(studio: Studio, job_id: str, owner: str) -> Job:
    """A job of an owner with all there is. RefusedError (404): there is none of this id."""
    job = OwnJobs(studio, owner).find(job_id)
    files = tuple(files_of(job, studio))
    more = {"params": as_json(job.params), "result": as_json(job.result), "files": files}
    return Job.model_validate(JobLine.facts(job) | more)


def submitted(orders: Orders, request: JobRequest) -> Job:
    """Submit a request; the job. StudioError: it is refused."""
    return job_value(orders.studio, orders.submit(request), orders.owner)


def _add_models(router: APIRouter, studio: Studio) -> None:
    @router.get("/models", tags=["models"])
    def models(kind: Kind | None = None) -> Models:
        """List the models that can be chosen, those that came with the program first."""
        kinds = KINDS if kind is None else (kind,)
        return Models(models=tuple(Model.of(info) for one in kinds for info in studio.models.list(one)))


def _add_pictures(router: APIRouter, studio: Studio) -> None:
    @router.post("/text", status_code=202, tags=["jobs"], responses=OF_ORDERS)
    def text(order: TextOrder, owner: Owner) -> Job:
        """Submit a picture of a text."""
        orders = Orders(studio, owner)
        return submitted(orders, orders.draw_text(order))

    @router.post("/class", status_code=202, tags=["jobs"], responses=OF_ORDERS)
    def class_image(order: ClassOrder, owner: Owner) -> Job:
        """Submit a picture of a class, or of a unit of a network."""
        orders = Orders(studio, owner)
        return submitted(orders, orders.draw_class(order))

    @router.post("/attack", status_code=202, tags=["jobs"], responses=OF_ORDERS)
    def attack(order: AttackOrder, owner: Owner) -> Job:
        """Submit an attack on a photo that was uploaded, or on a folder of them."""
        orders = Orders(studio, owner)
        return submitted(orders, orders.attack(order))

    @router.post("/grids", status_code=202, tags=["jobs"], responses=OF_ORDERS)
    def grid(order: GridOrder, owner: Owner) -> Job:
        """Submit a grid: a picture of a class or of a text for every pair of values of two fields of the recipe."""
        orders = Orders(studio, owner)
        return submitted(orders, orders.draw_grid(order))

    @router.get("/describe", tags=["models"])
    def describing() -> Describing:
        """Say which vision-language model can be asked about attacks here, if any."""
        try:
            offer = studio.vlm()
        except StudioError as error:  # it holds no value of any setting
            return Describing(why_not=str(error))
        return Describing(why_not=NOT_SET_UP) if offer is None else Describing.of(offer)


def _add_evaluations(router: APIRouter, studio: Studio) -> None:
    @router.get("/evaluate", tags=["models"])
    def choices(model: Annotated[str, Query(min_length=1, max_length=200)]) -> Choices:
        """List the data and the suites of attacks on which a model can be evaluated."""
        data = tuple(Data.of(choice) for choice in studio.evaluations.data(model))
        return Choices(data=data, suites=tuple(Suite.of(choice) for choice in studio.evaluations.suites()))

    @router.post("/evaluate", status_code=202, tags=["jobs"], responses=OF_ORDERS)
    def evaluate(order: EvaluateOrder, owner: Owner) -> Job:
        """Submit an evaluation of a model."""
        orders = Orders(studio, owner)
        return submitted(orders, orders.evaluate(order))


def _add_jobs(router: APIRouter, studio: Studio) -> None:
    @router.get("/jobs", tags=["jobs"], responses=OF_ONE_JOB)
    def jobs(
        owner: Owner,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[str, Query(max_length=64, description="The id of a job of yours: list older ones.")] = "",
    ) -> Jobs:
        """List your jobs, the newest first; with the last of a list as `before`, those that come next."""
        found = OwnJobs(studio, owner).list(before)[:limit]
        return Jobs(jobs=tuple(JobLine.model_validate(JobLine.facts(job)) for job in found))

    @router.get("/queue", tags=["jobs"])
    def queue(owner: Owner) -> Queue:
        """Show your jobs that have not ended, in the order of their turns, and how many others there are."""
        view = studio.jobs.queue(owner)
        own = (JobLine.facts(one.job) | {"can_rise": one.can_rise, "can_fall": one.can_fall} for one in view.own)
        return Queue(
            own=tuple(QueuedJob.model_validate(facts) for facts in own),
            others_started=view.others_started,
            others_waiting=view.others_waiting,
        )

    @router.get("/jobs/{job_id}", tags=["jobs"], responses=OF_ONE_JOB)
    def job(job_id: str, owner: Owner) -> Job:
        """Show one of your jobs."""
        return job_value(studio, job_id, owner)

    @router.get("/jobs/{job_id}/wait", tags=["jobs"], responses=OF_ONE_JOB)
    async def wait(
        request: Request, job_id: str, owner: Owner, seconds: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 30.0
    ) -> Job:
        """Show a job once it has ended, or after so many seconds: then ask again."""
        mine, until = OwnJobs(studio, owner), time.monotonic() + seconds
        while not (await run_in_threadpool(mine.find, job_id)).status.finished and time.monotonic() < until:
            await asyncio.sleep(min(LOOK_SECONDS, seconds))
            if await request.is_disconnected():
                break
        return await run_in_threadpool(job_value, studio, job_id, owner)

    @router.post("/jobs/{job_id}/stop", tags=["jobs"], responses=OF_ONE_JOB)
    def stop(job_id: str, owner: Owner) -> Job:
        """Ask a job to end soon and keep what it has; one that waits never runs, one that has ended stays as it is."""
        OwnJobs(studio, owner).find(job_id)
        studio.jobs.stop(job_id, owner)
        return job_value(studio, job_id, owner)

    @router.post("/jobs/{job_id}/move", tags=["jobs"], responses={**refusals(OF_BODIES), **OF_ONE_JOB})
    def move(job_id: str, order: MoveOrder, owner: Owner) -> Job:
        """Move a waiting job up or down among yours; nobody else's turn changes."""
        OwnJobs(studio, owner).find(job_id)
        studio.jobs.move(job_id, owner, up=order.up)
        return job_value(studio, job_id, owner)

    @router.post("/jobs/{job_id}/edit", tags=["jobs"], responses={**refusals(OF_BODIES), **OF_ONE_JOB})
    def edit(job_id: str, order: EditOrder, owner: Owner) -> Job:
        """Change the title or the note of a job, or make it a favourite."""
        OwnJobs(studio, owner).find(job_id)
        studio.jobs.history.change(job_id, owner, **order.model_dump())
        return job_value(studio, job_id, owner)

    @router.post("/jobs/{job_id}/continue", status_code=202, tags=["jobs"], responses={**OF_ORDERS, **OF_ONE_JOB})
    def go_on(job_id: str, order: ContinueOrder, owner: Owner) -> Job:
        """Submit what goes on from where an evaluation, a picture of a text, a grid or an attack on a folder ended."""
        job, orders = OwnJobs(studio, owner).find(job_id), Orders(studio, owner)
        return submitted(orders, orders.go_on(job, order))

    @router.delete("/jobs/{job_id}", status_code=204, tags=["jobs"], responses=OF_ONE_JOB)
    def delete(job_id: str, owner: Owner) -> None:
        """Delete a job with its files, for good: at once, or at its next step if it runs."""
        OwnJobs(studio, owner).find(job_id)
        studio.jobs.discard(job_id, owner)

    @router.get("/jobs/{job_id}/files/{name}", tags=["results"], response_class=Response, responses=OF_FILES)
    def file(job_id: str, name: str, owner: Owner) -> Response:
        """Fetch a file of a job: a picture, its record, a report. The job's `files` are the names."""
        return send_file(OwnJobs(studio, owner).find(job_id), studio, name)
