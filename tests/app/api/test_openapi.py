"""The description is true, and whatever is sent to what it describes is answered in words: 4xx, and never a fault."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.web.routes import ALLOWED
from tests.app.api.conftest import Program
from tests.app.api.from_schema import fitting
from tests.app.api.orders import FROG, SAID
from tests.app.web.conftest import Site

MANY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
ORDERS: dict[str, dict[str, Any]] = {
    "/api/v1/class": {"recipe": FROG, "preset": "quick", "title": "x"},
    "/api/v1/text": {"recipe": SAID, "source": "0" * 64},
    "/api/v1/attack": {"recipe": {**FROG, "eps": 0.03}, "source": "0" * 64, "explore": {"victims": [], "labels": "x"}},
    "/api/v1/grids": {
        "recipe": FROG,
        "x": {"field": "seed", "values": "1..2"},
        "y": {"field": "steps", "values": [1, 2]},
    },
    "/api/v1/evaluate": {
        "model": "a",
        "data": "b",
        "suites": ["c"],
        "count": 1,
        "images": [{"digest": "", "label": ""}],
    },
}
ESTIMATED = tuple(ORDERS)
ORDERS |= {
    "/api/v1/presets": {"name": "mine", "settings": {"task": "class", **FROG}},
    "/api/v1/presets/import": {
        "format": "crossmax-studio presets",
        "version": 1,
        "presets": [{"name": "mine", "settings": {"task": "class", **FROG}}],
    },
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["0" * 64, "class", "", "auto"])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def described(site: Site) -> Any:
    answer = site.client().get("/api/v1/openapi.json")
    assert answer.status == 200
    return answer.json()


@pytest.fixture(scope="module")
def description(site: Site) -> Any:
    return described(site)


def operations(description: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def filled(path: str) -> str:
    return path.replace("{job_id}", "0" * 32).replace("{preset_id}", "0" * 32).replace("{name}", "image-1.png")


def test_it_describes_every_address_and_each_of_its_parts(description: Any) -> None:
    found = {(method, filled(path)) for method, path, _ in operations(description)}
    ours = [route for route in ALLOWED if "/api/v1" in route.pattern.pattern]
    for route in ours:
        wanted = {method for method, path in found if route.pattern.fullmatch(path)}
        assert wanted >= set(route.methods), route.pattern.pattern
    for method, path in found:
        assert any(route.pattern.fullmatch(path) and method in route.methods for route in ours), path
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(description)):
        assert name in description["components"]["schemas"]
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for _, path, operation in operations(description):
        assert operation["summary"] and operation["description"], path
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Failure"), (path, status)


def test_what_is_sent_and_answered_is_as_described(description: Any, program: Program) -> None:
    def check(value: Any, name: str) -> None:
        jsonschema.validate(value, {"$ref": f"#/components/schemas/{name}", "components": description["components"]})

    order = {"recipe": FROG, "preset": "quick"}
    check(order, "ClassOrder")
    with pytest.raises(jsonschema.ValidationError):
        check({"recipe": {**FROG, "colour": "nonsense"}}, "ClassOrder")
    check(program.ended(program.post("/class", order)), "Job")
    check(program.get("/jobs").json(), "Jobs")
    check(program.get("/models").json(), "Models")
    check(program.post("/class", {}).json(), "Failure")


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/class", {"with_recipe": 0}),
        ("/class", {"with_recipe": "on"}),
        ("/class", {"recipe": {**FROG, "steps": True}}),
        ("/class", {"recipe": {**FROG, "normalise": 1}}),
        ("/attack", {"recipe": {**FROG, "weights": [True]}}),
        ("/presets", {"settings": {"task": "class", **FROG, "planned_steps": False}}),
        ("/evaluate", {"count": True}),
    ],
)
def test_no_number_passes_for_a_switch_nor_the_other_way(program: Program, path: str, part: dict[str, Any]) -> None:
    answer = program.post(path, {**ORDERS[f"/api/v1{path}"], **part})
    assert answer.status == 422, answer.text


def as_described(answer: Any, description: Any, method: str, path: str) -> None:
    """What was asked, or 4xx with a sentence: either way one of the answers that are described, in its form."""
    assert 200 <= answer.status < 500, answer.text
    operation = description["paths"][path][method.lower()]
    assert str(answer.status) in operation["responses"], (method, path, answer.status, answer.text)
    told = operation["responses"][str(answer.status)].get("content", {}).get("application/json")
    if told is not None:
        jsonschema.validate(answer.json(), {**told["schema"], "components": description["components"]})
    if answer.status >= 400:
        assert set(answer.json()) == {"error"}
        assert answer.json()["error"].strip()
        assert "Traceback" not in answer.text


@st.composite
def mutated(draw: Any, order: dict[str, Any]) -> Any:
    """An order with one of its parts, at any depth, replaced, or with one more."""
    copy = json.loads(json.dumps(order))
    place = copy
    while isinstance(place, dict) and place:
        key = draw(st.sampled_from([*place, "unheard of"]))
        if isinstance(place.get(key), dict) and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(VALUES)
        break
    return copy


@pytest.mark.slow
@pytest.mark.parametrize("path", ORDERS)
@MANY
@given(data=st.data())
def test_whatever_is_ordered_is_answered_in_words(site: Site, description: Any, path: str, data: Any) -> None:
    program, address = Program(site.client()), path.removeprefix("/api/v1")
    if path in ESTIMATED and data.draw(st.booleans()):
        address = f"/estimate{address}"
    body = data.draw(st.binary(max_size=200) | VALUES.map(_json) | mutated(ORDERS[path]).map(_json))
    as_described(ordered(program, address, body or b"-"), description, "POST", f"/api/v1{address}")


@pytest.mark.slow
@pytest.mark.parametrize("path", ORDERS)
@MANY
@given(data=st.data())
def test_whatever_fits_the_description_is_answered_as_it_says(
    site: Site, description: Any, path: str, data: Any
) -> None:
    """Orders made of the description alone, and orders that could be done with parts of such."""
    sound = ORDERS[path]
    body = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    order = data.draw(fitting(body, description))
    if data.draw(st.booleans()):
        recipe = {**sound.get("recipe", {}), **order.get("recipe", {}), "size": [24, 32]}
        order = {**sound, **order, **({"recipe": recipe} if "recipe" in sound else {})}
    answer = ordered(Program(site.client()), path.removeprefix("/api/v1"), order)
    as_described(answer, description, "POST", path)


def ordered(program: Program, address: str, order: Any) -> Any:
    """The answer to an order; a job that was taken is deleted again."""
    answer = program.post(address, order)
    if answer.status == 202:
        assert program.ask("DELETE", f"/jobs/{answer.json()['id']}").status == 204
    return answer


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


@MANY
@given(data=st.data())
def test_whatever_is_asked_is_answered_in_words(site: Site, description: Any, data: Any) -> None:
    """Every address with values in its parts, its query and its headers that nobody means."""
    method, described_path, _ = data.draw(st.sampled_from(list(operations(description))))
    path = described_path
    signs = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#? "), max_size=40)
    for part in ("{job_id}", "{preset_id}", "{name}"):
        path = path.replace(part, data.draw(signs | st.just("0" * 32)))
    query = data.draw(st.sampled_from(["", "?seconds=0&limit=", "?kind=", "?seconds=", "?model=", "?x="]))
    headers = {"Content-Type": data.draw(st.sampled_from(["application/json", "text/plain", "image/png", "x"]))}
    body = data.draw(st.binary(min_size=1, max_size=60)) if method == "POST" else b""
    if query:
        query += data.draw(signs)
    elif path.endswith("/wait"):
        query = "?seconds=0"
    program = Program(site.client(), data.draw(st.just("0123456789abcdef" * 2) | signs))
    answer = program.ask(method, path.removeprefix("/api/v1"), body, headers)
    if answer.status != 405:  # an id or a name that makes it another address
        as_described(answer, description, method, described_path)
