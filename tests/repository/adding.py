"""What tests of adding share: an entry that comes and goes, and where it is then found."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import torch
from torch import nn

from app.costs.estimates import Rates, cost_of
from app.ui.attack.tab import AttackTab
from app.ui.classes.tab import ClassTab
from app.ui.text.tab import TextTab
from foundation.catalogue.catalogue import Catalogue
from foundation.jobs import Terminal
from generator.cli import main as cli
from generator.recipes.fields import cli_fields
from generator.recipes.recipe import Recipe
from tests.browser.standins import StandInMeasurements, make_studio
from tests.generator.standins import Words
from tests.toy_models import Toys

SMALL = {"size": (12, 16), "resolutions": "1..4", "steps": 2, "seed": 1}
QUICK = ["--resolutions", "1..4", "--steps", "2", "--device", "cpu", "--quiet"]
FLAGS = ["--size", "12", "16", *QUICK]
ATTACK: dict[str, Any] = {
    "task": "attack",
    "norm": "linf",
    "eps": 0.1,
    "models": ("colours",),
    "classes": ("red",),
    "resolutions": "1..4",
    "size": (12, 16),
    "steps": 2,
}


class Colours(nn.Module):
    """Logits are the mean colour, scaled."""

    class_names = ("red", "green", "blue")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 20 * images.mean((2, 3))


MODELS: dict[str, Any] = {"colours": Colours(), "words": Words(vocabulary="a red blue")}


@contextlib.contextmanager
def added(registry: Any, entry: Any, name: str = "toy") -> Iterator[None]:
    """One entry more, and afterwards none."""
    assert name not in registry
    registry[name] = entry
    try:
        yield
    finally:
        del registry[name]


def choices(task: str, field: str) -> tuple[str, ...]:
    return next(one.choices for one in cli_fields(task) if one.name == field)


def help_of(field: str, task: str = "attack") -> str:
    return next(one.help for one in cli_fields(task) if one.name == field)


def seconds(**fields: Any) -> float:
    """What a step of an attack costs on a photo."""
    return cost_of(Recipe(**{**ATTACK, **fields}), Rates(), (120, 160)).per_step


def run(*argv: str, **more: Any) -> int:
    """The generator's command line, with the models above and more classifiers."""
    classifiers = {"colours": MODELS["colours"], **more}
    catalogue = Catalogue([Toys(classifiers), Toys({"words": MODELS["words"]}, "encoder")])
    return cli.main([*argv], load_model=catalogue.load, list_models=catalogue.known, foreground=Terminal())


def attack_tab(studio: Any) -> AttackTab:
    return AttackTab(studio, gr.BrowserState({}))


def text_tab(studio: Any) -> TextTab:
    return TextTab(studio, gr.BrowserState({}))


def class_tab(studio: Any) -> ClassTab:
    return ClassTab(studio, gr.BrowserState({}))


def built(make: Callable[[Any], Any], folder: Path) -> tuple[Any, list[Any]]:
    """A tab of the page, and its widgets."""

    async def build() -> tuple[Any, list[Any]]:
        with gr.Blocks(analytics_enabled=False) as blocks:
            tab = make(make_studio(SimpleNamespace(), folder, StandInMeasurements()))  # type: ignore[arg-type]
            tab.build()
        return tab, list(blocks.blocks.values())

    return asyncio.run(build())  # where no event loop runs, Gradio makes some that it never closes


def in_a_menu(make: Callable[[Any], Any], folder: Path, beside: str, title: str = "toy") -> bool:
    """Whether a menu that has the entry `beside` has the toy, too."""
    kinds = (gr.Dropdown, gr.Radio, gr.CheckboxGroup)
    return any(
        {beside, "toy"} <= {value for _, value in one.choices}
        and title in {shown for shown, value in one.choices if value == "toy"}
        for one in built(make, folder)[1]
        if isinstance(one, kinds)
    )


def held(widgets: list[Any], **changes: Any) -> dict[Any, Any]:
    """What widgets of a tab hold at first, with some of them changed by their ids on the page."""
    values = {one: one.value for one in widgets}
    by_id = {getattr(one, "elem_id", None): one for one in widgets}
    return values | {by_id[name.replace("_", "-")]: value for name, value in changes.items()}
