"""A vision-language model asked in the job of an attack: its answers, its failures, and the key, which is nowhere."""

import dataclasses
import json
import logging
import os
import signal
import threading
import time

import pytest
from PIL import Image

from app.handlers.describing import offer_of, read_descriptions, requests_for
from app.handlers.registry import make_handlers
from app.visitors.data_dir import DataDir
from foundation.errors import StudioError
from foundation.images.files import load_image, pixel_digest
from foundation.jobs import JobRequest, JobService, JobStatus, run_foreground
from generator.recipes.recipe import Recipe
from generator.vlm import asking
from generator.vlm.asking import SpareTime
from generator.vlm.settings import NOT_CONFIGURED
from tests.app.standins import workshop
from tests.generator.vlm.server import KEY, answer, echo, echo_error, hang_up, look, serving, silence, status


@pytest.fixture
def endpoint():
    with serving() as served:
        yield served


@pytest.fixture
def data(tmp_path):
    data = DataDir(tmp_path / "data")
    data.create()
    return data


@pytest.fixture
def digest(data):
    picture = Image.new("RGB", (30, 20), (150, 120, 110))
    data.uploads.keep(picture, "local")
    return pixel_digest(picture)


def handlers(data, read):
    return make_handlers(dataclasses.replace(workshop(data), read_vlm=read))


def params(digest, **wish):
    recipe = Recipe(
        task="attack", norm="linf", eps=60 / 255, classes=("green",), models=("colours",), resolutions="1,2", steps=3,
        learning_rate=0.5, views="identity",
    )  # fmt: skip
    described = {"keywords": ["frog"], "samples": 2, **wish}
    return {"recipe": json.loads(recipe.to_json()), "source": digest, "explore": {}, "describe": described}


def attack(data, endpoint, digest, folder, **wish):
    request = JobRequest("attack", params(digest, **wish))
    return run_foreground(request, handlers(data, endpoint.settings), folder, None)


@pytest.mark.slow
def test_the_saved_files_are_described_before_and_after(data, endpoint, digest, tmp_path):
    endpoint.default = look
    result = attack(data, endpoint, digest, tmp_path / "out", judge=True)
    assert "descriptions_error" not in result
    sent = [seen.picture.tobytes() for seen in endpoint.seen if seen.uri]
    files = [load_image(tmp_path / "out" / name).tobytes() for name in ("source.png", "image-1.png")]
    assert sent == [pixels for pixels in files for _ in range(2)]
    # Equal texts are judged once.
    assert len(endpoint.seen) == 4 + 2 and requests_for(2, judge=True) == 8
    found = read_descriptions(tmp_path / "out")
    (entry,) = found.described
    assert found.complete and entry.targets == ("green",) and entry.target_words == ("frog",)
    assert [one.text for one in entry.clean] == ["a red bus"] * 2
    assert [one.judge for one in entry.attacked] == [0.4] * 2
    assert "a red bus" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["descriptions"]["complete"]


def test_answers_are_there_one_by_one(data, endpoint, digest, tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "SpareTime", lambda: SpareTime(share=1e6))  # they are kept, whatever that takes
    endpoint.default = look
    seen = []

    def watch(snapshot):
        if snapshot.message.startswith("Asking"):
            found = read_descriptions(tmp_path / "out")
            described = () if found is None else found.described
            seen.append(sum(len(one.clean) + len(one.attacked) for one in described))
            assert found is None or not found.complete

    run_foreground(JobRequest("attack", params(digest)), handlers(data, endpoint.settings), tmp_path / "out", watch)
    assert {0, 1, 2, 3} <= set(seen) and seen == sorted(seen)
    assert read_descriptions(tmp_path / "out").complete


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (status(500), "attempt 3, the last"),
        (status(401), "does not accept the key"),
        (hang_up, "did not answer"),
        (status(429, Retry_After="9999"), "try again later"),
    ],
    ids=["500", "401", "hangs up", "429"],
)
def test_a_failing_endpoint_is_a_sentence_and_loses_nothing(data, endpoint, digest, tmp_path, behaviour, words):
    endpoint.behaviours, endpoint.default = [answer("a red bus")], behaviour
    result = attack(data, endpoint, digest, tmp_path / "out", samples=4)
    (entry,) = read_descriptions(tmp_path / "out").described
    assert entry.clean[0].text == "a red bus" and words in entry.clean[1].error
    assert result["images"] and (tmp_path / "out" / "image-1.png").is_file()
    assert words in result["descriptions_error"]


def test_without_settings_or_with_ones_that_cannot_be_used_it_is_a_sentence(data, endpoint, digest, tmp_path):
    def broken():
        raise StudioError("The settings cannot be used.")

    for number, (read, words) in enumerate(((lambda: None, NOT_CONFIGURED), (broken, "cannot be used"))):
        request = JobRequest("attack", params(digest))
        result = run_foreground(request, handlers(data, read), tmp_path / str(number), None)
        assert words in result["descriptions_error"] and result["images"]
    assert endpoint.seen == []


@pytest.mark.parametrize("wish", [{"url": "http://x/v1"}, {"key": KEY}, {"models": ["x"]}, {"keywords": ["|"]}])
def test_a_browser_names_no_server_no_model_and_no_key(data, endpoint, digest, tmp_path, wish):
    with pytest.raises(StudioError) as caught:
        attack(data, endpoint, digest, tmp_path / "out", **wish)
    assert KEY not in str(caught.value) and endpoint.seen == []
    assert not (tmp_path / "out" / "image-1.png").exists()


def test_an_offer_has_no_key_and_no_address(endpoint):
    settings = endpoint.settings(price_in=1.0, price_out=2.0, max_cost=3.0, judge_model="judge")
    offer = offer_of(settings)
    assert (offer.model, offer.judge, offer.max_cost) == ("eyes", "judge", 3.0)
    cost = offer.estimate(10)
    assert cost.requests == 10 and cost.tokens == 10 * (1600 + 200)
    assert cost.money == pytest.approx(10 * (1600 * 1.0 + 200 * 2.0) / 1e6)
    assert KEY not in repr(offer) and all(KEY not in str(one) for one in offer.estimate.args)
    assert all(one.key is None for one in offer.estimate.args)


def test_stopping_ends_within_a_request_and_keeps_what_was_said(data, endpoint, digest):
    endpoint.behaviours, endpoint.default = [answer("a red bus")], silence
    with JobService(data.root, handlers(data, endpoint.settings)) as jobs:
        job = jobs.submit(JobRequest("attack", params(digest), owner="local"))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if len(endpoint.seen) == 2 and jobs.snapshot(job).message.startswith("Asking eyes"):
                break
            time.sleep(0.02)
        assert jobs.snapshot(job).message.startswith("Asking eyes")
        started = time.monotonic()
        jobs.stop(job, "local")
        ended = jobs.wait(job, 20)
        assert time.monotonic() - started < 5 and ended.status is JobStatus.STOPPED
        (entry,) = read_descriptions(data.root / "jobs" / job).described
        assert [one.text for one in entry.clean] == ["a red bus"] and entry.attacked == ()
        assert ended.result["images"][0]["file"] == "image-1.png"


def test_a_job_that_was_stopped_while_it_attacked_asks_nobody(data, endpoint, digest, tmp_path):
    def watch(snapshot):
        if snapshot.done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    request = JobRequest("attack", params(digest))
    run_foreground(request, handlers(data, endpoint.settings), tmp_path / "out", watch)
    assert endpoint.seen == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviour", [echo, echo_error, answer(KEY), status(500, KEY.encode())], ids=["echo", "error", "answer", "500"]
)
def test_the_key_is_nowhere(data, endpoint, digest, caplog, capfd, behaviour):
    endpoint.default = behaviour
    photos = [{"digest": digest, "name": "a.png"}]
    with caplog.at_level(logging.DEBUG), JobService(data.root, handlers(data, endpoint.settings)) as jobs:
        single = params(digest, samples=1, judge=True)
        many = {**{key: value for key, value in single.items() if key != "source"}, "folder": {"photos": photos}}
        ended = [jobs.wait(jobs.submit(JobRequest("attack", one)), 60) for one in (single, many)]
        shown = json.dumps([one.to_json() for one in ended])
    assert [one.status for one in ended] == [JobStatus.DONE] * 2
    assert len(endpoint.seen) >= 4 and endpoint.seen[0].headers["authorization"] == f"Bearer {KEY}"
    written = [path.read_bytes() for path in data.root.rglob("*") if path.is_file()]
    assert any(content.startswith(b"PK") for content in written)
    logged = [record.getMessage() for record in caplog.records]
    # With all debugging on, httpcore logs the headers of a response, which are the server's to fill.
    logged = [line for line in logged if not line.startswith("receive_response_headers.complete")]
    everything = [*written, shown.encode(), "\n".join(logged).encode(), "".join(capfd.readouterr()).encode()]
    for content in everything:
        assert KEY.encode() not in content and KEY[3:].encode() not in content


def test_a_text_encoder_that_is_not_there_is_a_sentence(data, endpoint, digest, tmp_path):
    result = attack(data, endpoint, digest, tmp_path / "out", similarity="nothing")
    assert "nothing" in result["descriptions_error"] and result["images"] and endpoint.seen == []
