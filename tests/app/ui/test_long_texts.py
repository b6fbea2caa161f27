"""S5: no text, of whatever length, keeps the server busy: it is refused first, and no pattern is superlinear."""

import contextlib
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app.ui.text.inputs import TextInputs
from app.ui.widgets.forms import FormError, advanced_fields, from_widget, parse_mixture
from app.ui.wiring.guard import Unreadable, guarded
from foundation.errors import StudioError
from foundation.limits import Limits
from generator.priors.operators import parse_resolutions
from generator.recipes.prompts import parse_prompts
from generator.views.registry import parse_views
from tests.app.ui.text_form import held, text_inputs
from tests.browser.standins import StandInMeasurements, make_studio

LENGTH = 200_000
PARSED = 10_000
"""Where nothing is cut before."""
LONG = [
    "1" + " " * PARSED + "x",
    "a" + " " * PARSED + "x",
    " " * PARSED,
    "1" * PARSED + "x",
    ":" * PARSED,
]
LONG += [
    "a:" * PARSED,
    "(" * PARSED,
    "|" * PARSED,
    "a|" * PARSED,
    "\\" * PARSED,
    "1.." * PARSED,
    "crop:" * PARSED,
    ",1" * PARSED,
]
GENEROUS_SECONDS = 1.0
"""On a busy machine; the patterns that are meant took minutes for four times the length, so many seconds for this."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_studio(SimpleNamespace(), tmp_path_factory.mktemp("studio"), StandInMeasurements())


@pytest.fixture(scope="module")
def inputs(studio: Any) -> TextInputs:
    return text_inputs(studio)


def refuse(function: Any, *arguments: Any) -> None:
    began = time.thread_time()
    with contextlib.suppress(StudioError):
        function(*arguments)
    assert time.thread_time() - began < GENEROUS_SECONDS, (function.__name__, str(arguments[0])[:20])


@pytest.mark.slow
def test_parsers_take_time_by_length_alone() -> None:
    """S5: those of the command line, too, where nothing is cut."""
    size = next(field for field in advanced_fields() if field.name == "size")
    for text in LONG:
        refuse(lambda written: from_widget(size, written), text)
        refuse(lambda written: parse_mixture(written, ("frog", "a")), text)
        refuse(lambda written: parse_resolutions(written, (64, 64)), text)
        refuse(parse_views, text)
        refuse(parse_prompts, text)


def test_sizes_and_mixtures_are_read_as_before() -> None:
    """S5: the patterns are other ones; what they read is the same."""
    size = next(field for field in advanced_fields() if field.name == "size")
    for written, wanted in [
        ("224", (224, 224)), (" 224 x 160 ", (224, 160)), ("224,160", (224, 160)), ("224 160", (224, 160)),
        ("224×160", (224, 160)), ("224*160", (224, 160)), ("224   160", (224, 160)),
    ]:  # fmt: skip
        assert from_widget(size, written) == wanted
    for written in ("", "x", "224 x", "224 x 160 x 3", "1" * 6, "224x160y"):
        with pytest.raises(FormError, match="height x width"):
            from_widget(size, written)
    names = ("frog", "ship", "cat-2", "class 7")
    for written, mixed in [
        ("frog 60, ship 40", (("frog", "ship"), (60.0, 40.0))), ("frog: 0.5, ship=0.5", (("frog", "ship"), (0.5, 0.5))),
        ("frog 60 %, ship -40%", (("frog", "ship"), (60.0, -40.0))), ("cat-2, class 7", (("cat-2", "class 7"), ())),
        ("class 7 3, frog 1", (("class 7", "frog"), (3.0, 1.0))),
    ]:  # fmt: skip
        assert parse_mixture(written, names) == mixed
    for written in ("frog60, ship40", "frog 6-0, ship 40", "frog 60"):
        if written == "frog 60":
            assert parse_mixture(written, names) == (("frog",), ())
            continue
        with pytest.raises(FormError, match="no class called"):
            parse_mixture(written, names)


def test_every_text_field_is_refused_before_it_is_looked_at(inputs: TextInputs) -> None:
    """S5: each text widget of a tab with 200,000 blanks answers at once, with a sentence."""
    notice, looked = object(), []

    def handler(values: Any) -> dict[Any, Any]:
        looked.append(values)
        return {}

    texts = [one for one in inputs.components if isinstance(one, gr.Textbox)]
    assert len(texts) > 4
    for one in texts:
        began = time.thread_time()
        answer = guarded(notice)(handler)(held(inputs, {one: " " * LENGTH}))
        assert time.thread_time() - began < 0.5
        assert "200,000 characters, of which 2,000 can be read" in answer[notice]
    for value in (" " * LENGTH, [" " * LENGTH], ("a", " " * LENGTH)):
        assert "can be read" in guarded(notice)(handler)(value)[notice]
    assert looked == []
    assert guarded(notice)(handler)("x" * Limits().text) == {notice: ""} and len(looked) == 1
    assert guarded(notice)(handler)({"painted": "x" * LENGTH}) == {notice: ""}  # of a painter, which limits it itself


def test_what_cannot_be_read_is_said_where_somebody_did_something() -> None:
    """Fields that are filled in one after another do not always fit in between, which is nobody's doing."""
    notice = object()
    unreadable = Unreadable("Class: what was chosen is no longer in the list.")
    for inputs in ((unreadable,), ({"class": unreadable},)):
        assert "no longer in the list" in guarded(notice)(lambda *_: {})(*inputs)[notice]
        assert guarded(notice, keep=True)(lambda *_: {"x": 1})(*inputs) == {notice: gr.skip()}


def test_handlers_are_guarded() -> None:
    """S5, U15: every function that the page gives to an event goes through the guard."""
    found = []
    for path in sorted((Path(__file__).parents[3] / "app" / "ui").rglob("*.py")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            for event in (".click(", ".input(", ".change(", ".upload(", ".select(", ".tick(", ".submit("):
                called = line.partition(event)[2]
                if called and called[0] not in ")" and "guard" not in called and "def " not in line:
                    found.append(f"{path.name}:{number} {line.strip()}")
    allowed = ("**", "request", "self.studio.jobs", "self.history.change(", "fn=None", "panel.submit", "_submit(")
    assert [entry for entry in found if not any(word in entry for word in allowed)] == []
