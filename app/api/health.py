"""For whoever runs the server: whether it is up and ready, and figures of its work in the text format of Prometheus."""

from collections.abc import Iterator, Mapping

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.api.values import KIND_NAMES
from app.ui.wiring.services import Studio
from app.visitors.visitor import current_account
from app.web.answers import RefusedError
from foundation.errors import StudioError
from foundation.files.room import check_free
from foundation.jobs.meter import Figures
from foundation.limits import Limits

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
NO_STORE = {"Cache-Control": "no-store"}


def add_health(router: APIRouter, studio: Studio, limits: Limits) -> None:
    """Add /healthz and /readyz, which say nothing of anybody's work, and /metrics, of everybody's together."""

    def healthz() -> JSONResponse:
        return JSONResponse({"status": "up"}, headers=NO_STORE)

    def readyz() -> JSONResponse:
        why_not = _why_not(studio, limits)
        return JSONResponse({"status": why_not or "ready"}, 503 if why_not else 200, headers=NO_STORE)

    def metrics() -> Response:
        account = current_account()
        if account is not None and account.role != "owner":
            raise RefusedError(403, "The figures of everybody together are for owners of this studio alone.")
        text = "\n".join(_lines(studio.jobs.meter.read())) + "\n"
        return Response(text, media_type=TEXT_FORMAT, headers=NO_STORE)

    router.add_api_route("/healthz", healthz, methods=["GET", "HEAD"], include_in_schema=False)
    router.add_api_route("/readyz", readyz, methods=["GET", "HEAD"], include_in_schema=False)
    router.add_api_route("/metrics", metrics, include_in_schema=False)


def _why_not(studio: Studio, limits: Limits) -> str:
    """Why no job can be taken just now, in a few words; "" if it can."""
    if not studio.jobs.meter.read().accepting:
        return "closing"
    try:
        check_free(studio.uploads.root, limits.free_bytes)
    except StudioError:
        return "the disk is full"
    return ""


def _lines(figures: Figures) -> Iterator[str]:
    """The figures, each with what it is and its kind."""
    yield from _metric("crossmax_jobs", "gauge", "Jobs that are kept, by kind and state.", _labelled(figures.kept))
    waiting = {f'{{device="{_text(device)}"}}': count for device, count in figures.waiting.items()}
    yield from _metric("crossmax_queue_length", "gauge", "Jobs that wait, by device.", waiting)
    yield from _metric(
        "crossmax_queue_work_seconds", "gauge", "What waits will take, about.", {"": figures.waiting_hours * 3600}
    )
    yield from _metric(
        "crossmax_queue_oldest_seconds", "gauge", "How long the oldest job has waited.", {"": figures.oldest_seconds}
    )
    yield from _metric(
        "crossmax_jobs_run_total",
        "counter",
        "Jobs that ran since the start, by how they ended.",
        _labelled(figures.run),
    )
    seconds = {f'{{kind="{_kind(kind)}"}}': value for kind, value in figures.run_seconds.items()}
    yield from _metric("crossmax_job_seconds_total", "counter", "Seconds that they ran.", seconds)


def _metric(name: str, kind: str, words: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values.items():
        yield f"{name}{labels} {value:.10g}"


def _labelled(counts: Mapping[tuple[str, str], int]) -> Mapping[str, float]:
    return {
        f'{{kind="{_kind(kind)}",state="{_text(state)}"}}': count for (kind, state), count in sorted(counts.items())
    }


def _kind(kind: str) -> str:
    return _text(KIND_NAMES.get(kind, kind))


def _text(value: str) -> str:
    """A value of a label, with what would end it escaped."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
