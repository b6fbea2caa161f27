"""Browsers and programs of users who log in, over raw HTTP."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

from tests.app.accounts.people import PASSWORD
from tests.app.web.conftest import Site
from tests.hostile import Answer, Hostile

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ORDER = {"recipe": {"models": ["crossmax-cifar10"], "classes": ["frog"], "size": [32, 32], "steps": 2}}


def post(client: Hostile, path: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
    return client.request("POST", path, urlencode(fields).encode(), {**FORM, **(headers or {})})


def log_in(site: Site, name: str, password: str = PASSWORD, address: str = "127.0.0.1") -> Hostile:
    """Somebody's browser."""
    answer = post(site.client(address), "/login", name=name, password=password)
    assert answer.status == 303, answer.text
    cookie = re.search(rf"crossmax-login-{site.port}=[^;]+", answer.headers["set-cookie"])
    assert cookie is not None
    return site.client(address, Cookie=cookie[0])


def token_of(client: Hostile) -> str:
    found = re.search(r"<code>(cxs_[0-9a-f]+)</code>", post(client, "/account", act="token").text)
    assert found is not None
    return found[1]


def program(site: Site, name: str) -> Hostile:
    """Somebody's program, with a token."""
    return site.client(Authorization=f"Bearer {token_of(log_in(site, name))}")


def order(client: Hostile) -> Any:
    """A job that a program has submitted, once it has ended."""
    given = {"Content-Type": "application/json"}
    answer = client.request("POST", "/api/v1/class", json.dumps(ORDER).encode(), given)
    assert answer.status == 202, answer.text
    return client.get(f"/api/v1/jobs/{answer.json()['id']}/wait?seconds=20").json()


def arrived(site: Site, client: Hostile, session: str) -> str:
    """What the page shows somebody who opens it."""
    return json.dumps(client.call(site.body("arrive", session)).json())


def media(said: str) -> str:
    """The address of a picture of a result, as the page says it."""
    found = re.search(r"media/data/jobs/[^\\\"' ]+", unescape(said))
    assert found is not None
    return f"/{found[0]}"
