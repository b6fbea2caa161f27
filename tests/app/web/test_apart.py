"""A studio for many, over the network: nobody reaches what is another's, and each has a share."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.accounts.accounts import WRONG
from foundation.jobs.service import JobService
from foundation.limits import Limits
from tests.app.accounts.people import ANOTHER, PASSWORD, add
from tests.app.web.conftest import Site
from tests.app.web.door import ORDER, arrived, log_in, media, order, post, program, token_of
from tests.browser.standins import fade


@pytest.mark.slow
def test_nobody_reaches_what_is_anothers(many: Site) -> None:
    """Neither by the list, nor by the job, its files, their addresses on the page, nor by ending it."""
    anna, ben = program(many, "anna"), program(many, "ben")
    job = order(anna)
    assert job["status"] == "done"
    place = f"/api/v1/jobs/{job['id']}"
    assert anna.get("/api/v1/jobs").json()["jobs"][0]["id"] == job["id"]
    assert job["id"] not in ben.get("/api/v1/jobs").text and job["id"] not in ben.get("/api/v1/queue").text
    assert anna.get(f"{place}/files/image-1.png").body.startswith(b"\x89PNG")
    for method, path in (
        ("GET", place),
        ("GET", f"{place}/wait"),
        ("GET", f"{place}/files/image-1.png"),
        ("POST", f"{place}/stop"),
        ("DELETE", place),
    ):
        assert ben.request(method, path).status == 404, path
    assert ben.get(place, headers={"X-Owner": many.jobs.snapshot(job["id"]).owner}).status == 404

    hers, his = log_in(many, "anna"), log_in(many, "ben")
    said = arrived(many, hers, "annas")
    address = media(said)
    assert hers.get(address).status == 200
    assert his.get(address).status == 404 and many.client().get(address).status == 401
    assert job["id"] in said and job["id"] not in arrived(many, his, "bens")
    assert job["id"] not in arrived(many, his, "annas"), "whoever knows what a page is called has nothing of it"
    forged = many.body("arrive", "bens")
    forged["data"] = [{"owner": many.jobs.snapshot(job["id"]).owner}, None]
    assert job["id"] not in his.call(forged).text


def test_clients_and_assistants_act_as_their_user(many: Site) -> None:
    """What they make is on their user's page, and nothing of another's is there for them."""
    from crossmax_studio.assistants.desk import Desk
    from crossmax_studio.client import Studio
    from foundation.errors import StudioError

    place = f"http://127.0.0.1:{many.port}"
    hers = order(program(many, "anna"))["id"]
    with Studio(place, token=token_of(log_in(many, "ben"))) as studio:
        job = studio.wait(studio.class_image("frog", preset="quick", size=[24, 32], steps=2))
        assert job.id in arrived(many, log_in(many, "ben"), "bens") and studio.read(job, "image-1.png")
        desk = Desk(lambda: studio, None)
        said = json.dumps(dict(desk.jobs().facts))
        assert job.id in said and hers not in said
        for reach in (lambda: studio.job(hers), lambda: desk.results(hers, 0.0, save=False), lambda: desk.stop(hers)):
            with pytest.raises(StudioError, match="not yours"):
                reach()
    with Studio(place) as nobody, pytest.raises(StudioError, match="Log in first"):
        nobody.jobs()


def test_what_one_makes_by_a_program_is_there_on_the_page(many: Site) -> None:
    job = order(program(many, "ben"))
    assert job["id"] in arrived(many, log_in(many, "ben", address="127.0.0.5"), "otherdevice")


def test_pictures_are_their_bringers_alone(many: Site, tmp_path: Path) -> None:
    from foundation.images.files import save_png

    save_png(fade(3, 8, (40, 40), 1), tmp_path / "photo.png")
    anna, ben = program(many, "anna"), program(many, "ben")
    kind = {"Content-Type": "application/octet-stream"}
    digest = anna.request("POST", "/api/v1/uploads", (tmp_path / "photo.png").read_bytes(), kind).json()["digest"]
    attack = {"recipe": {"models": ["crossmax-cifar10"], "classes": ["frog"], "steps": 2}, "source": digest}
    given = {"Content-Type": "application/json"}
    refused = ben.request("POST", "/api/v1/attack", json.dumps(attack).encode(), given)
    assert refused.status == 422 and "no longer here" in refused.json()["error"]
    assert anna.request("POST", "/api/v1/attack", json.dumps(attack).encode(), given).status == 202


def test_figures_are_for_owners(many: Site) -> None:
    assert program(many, "anna").get("/metrics").status == log_in(many, "anna").get("/metrics").status == 200
    refused = program(many, "ben").get("/metrics")
    assert refused.status == 403 and "crossmax_jobs" not in refused.text


def test_jobs_take_turns_by_user_and_not_by_address(many: Site) -> None:
    from app.visitors.visitor import job_address

    job = order(program(many, "anna"))
    row = next(one for one in many.jobs._jobs.all() if one.record.id == job["id"])
    assert row.record.address == "" == job_address()


# ---------------------------------------------------------------------- limits


def few(**more: float) -> Limits:
    return dataclasses.replace(Limits(), **more)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_share_is_told_before_it_bites_and_refused_in_words(start: Callable[..., Site]) -> None:
    site = start(few(guest_result_bytes=2_000.0), many=True)
    add(site.jobs.users, "ben")
    ben, page = program(site, "ben"), log_in(site, "ben")
    assert "0 MB of 1 MB of results" in arrived(site, page, "a1")
    order(ben)
    assert "1 MB of 1 MB of results" in page.get("/account").text
    refused = ben.request("POST", "/api/v1/class", json.dumps(ORDER).encode(), {"Content-Type": "application/json"})
    assert refused.status == 507 and re.search("Your results take .* delete some", refused.json()["error"])


@pytest.mark.slow
def test_pictures_brought_have_their_share(start: Callable[..., Site], tmp_path: Path) -> None:
    from foundation.images.files import save_png

    site = start(few(guest_upload_bytes=100.0, owner_upload_bytes=1e9), many=True)
    add(site.jobs.users, "ben")
    add(site.jobs.users, "anna", "owner")
    for number in range(2):
        save_png(fade(3, 8, (40, 40), number), tmp_path / f"{number}.png")
    kind = {"Content-Type": "application/octet-stream"}
    said = {}
    for name in ("ben", "anna"):
        client = program(site, name)
        bodies = [(tmp_path / f"{number}.png").read_bytes() for number in range(2)]
        said[name] = [client.request("POST", "/api/v1/uploads", body, kind) for body in bodies]
    assert [answer.status for answer in said["anna"]] == [201, 201]
    assert [answer.status for answer in said["ben"]] == [201, 507]
    assert "as much as is kept for one visitor" in said["ben"][1].json()["error"]


# ---------------------------------------------------------------------- one's own account


def test_a_password_is_changed_on_the_page(many: Site) -> None:
    add(many.jobs.users, "carl")
    here, there = log_in(many, "carl"), log_in(many, "carl")
    wrong = post(here, "/account", act="password", old="wrong", new=ANOTHER)
    assert wrong.status == 422 and WRONG in wrong.text
    weak = post(here, "/account", act="password", old=PASSWORD, new="short")
    assert weak.status == 422 and "10 to 200" in weak.text
    changed = post(here, "/account", act="password", old=PASSWORD, new=ANOTHER)
    assert changed.status == 200 and "another password" in changed.text
    cookie = changed.headers["set-cookie"].partition(";")[0]
    assert many.client(Cookie=cookie).get("/account").status == 200
    assert here.get("/account").status == there.get("/account").status == 303
    log_in(many, "carl", ANOTHER)


def test_a_token_is_made_and_deleted_on_the_page(many: Site) -> None:
    add(many.jobs.users, "dora")
    page = log_in(many, "dora")
    token = token_of(page)
    own = many.client(Authorization=f"Bearer {token}")
    assert own.get("/api/v1/jobs").status == 200 and token not in page.get("/account").text
    assert "deleted" in post(page, "/account", act="drop").text
    assert own.get("/api/v1/jobs").status == 401


def test_delete_everything_takes_the_token_along_and_leaves_others(many: Site) -> None:
    for name in ("fred", "gina"):
        add(many.jobs.users, name)
    fred, gina = program(many, "fred"), program(many, "gina")
    page = log_in(many, "gina")
    order(fred)
    order(gina)
    body = many.body("forget", "bens")
    assert page.call(body).status == 200
    assert gina.get("/api/v1/jobs").status == 401 and len(fred.get("/api/v1/jobs").json()["jobs"]) == 1
    owner = many.jobs.users.named("gina").owner  # type: ignore[union-attr]
    assert many.jobs.list(owner) == [] and page.get("/account").status == 200


@pytest.mark.slow
def test_whoever_was_removed_is_out_and_what_was_theirs_goes(many: Site) -> None:
    from app.ui.forgetting import forget_visitor
    from app.visitors.uploads import Uploads

    user = add(many.jobs.users, "emil")
    page, own = log_in(many, "emil"), program(many, "emil")
    job = order(own)
    jobs: JobService = many.jobs
    jobs.users.remove(user.id)
    assert jobs.list(user.owner)
    uploads = Uploads(many.data / "uploads")
    for owner in jobs.users.removed():
        forget_visitor(jobs, uploads, owner)
    assert jobs.list(user.owner) == [] and not (many.data / "jobs" / job["id"]).exists()
    assert post(many.client(), "/login", name="emil", password=PASSWORD).status == 401
    import time

    time.sleep(2.1)
    assert page.get("/account").status == 303 and own.get("/api/v1/jobs").status == 401
