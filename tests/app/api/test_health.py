"""Whoever runs the server sees whether it is up, and figures; strangers see no more than that."""

import re
from collections.abc import Callable

import pytest

from tests.app.api.conftest import Program
from tests.app.api.orders import FROG
from tests.app.web.conftest import Site


def test_it_is_up_and_ready(site: Site) -> None:
    client = site.client()
    assert client.get("/healthz").json() == {"status": "up"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert client.request("HEAD", "/healthz").status == 200


def test_metrics_count_jobs(site: Site, program: Program) -> None:
    """In the text format of Prometheus; nothing of whose they are, or of what."""

    def value(text: str, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    ran = 'crossmax_jobs_run_total{kind="class",state="done"}'
    before = site.client().get("/metrics").text
    job = program.ended(program.post("/class", {"recipe": FROG, "title": "secret title"}))
    answer = site.client().get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert value(answer.text, ran) == value(before, ran) + 1
    assert value(answer.text, 'crossmax_job_seconds_total{kind="class"}') > 0
    assert value(answer.text, 'crossmax_jobs{kind="class",state="done"}') >= 1
    for line in answer.text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [0-9.e+-]+', line), line
    assert not any(told in answer.text for told in (program.owner, job["id"], "secret title", str(site.data)))


@pytest.mark.slow
def test_on_a_network_figures_ask_for_the_token(start: Callable[..., Site]) -> None:
    """S13: programs bring it as a header; what is open without it says nothing."""
    site = start(host="0.0.0.0")
    token = site.served.address.partition("token=")[2]
    stranger, known = site.client(), site.client(Authorization=f"Bearer {token}")
    assert stranger.get("/healthz").json() == {"status": "up"}
    assert stranger.get("/readyz").json() == {"status": "ready"}
    for path in ("/metrics", "/api/v1/models", "/api/v1/openapi.json"):
        assert stranger.get(path).status == 401
        assert known.get(path).status == 200
        assert site.client(Authorization=f"Bearer {token}x").get(path).status == 401
        assert site.client(Authorization=f"Basic {token}").get(path).status == 401
        assert known.get(path, headers={"Origin": "http://evil.example"}).status == 403
    assert "error" in stranger.get("/api/v1/models").json()
