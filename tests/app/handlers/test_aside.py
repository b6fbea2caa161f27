"""The page's questions to models run in a few threads of their own."""

import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.handlers import measurements
from app.handlers.measurements import THREADS, Aside


def test_forty_clicks_meet_models_in_a_few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread that runs a kernel keeps its working memory: so they must not be those of the server."""
    seen, together = set[int](), threading.Barrier(40)

    def ask(*_args: object) -> dict[str, str]:
        seen.add(threading.get_ident())
        return {"m": "cat"}

    monkeypatch.setattr(measurements, "ask", ask)
    found = measurements.Measurements(None, None, list, "cpu")  # type: ignore[arg-type]

    def click(_number: int) -> object:
        together.wait(30)
        return found.opinions(Path("a.png"))

    with ThreadPoolExecutor(40) as clicks:
        assert list(clicks.map(click, range(40))) == [{"m": "cat"}] * 40
    assert 1 <= len(seen) <= THREADS


def test_errors_and_context_come_through() -> None:
    who = contextvars.ContextVar("who", default="nobody")
    who.set("me")
    aside = Aside(1)
    assert aside(who.get) == "me" and aside(int, "ff", base=16) == 255
    with pytest.raises(ZeroDivisionError):
        aside(lambda: 1 / 0)
