"""What a browser remembers of the tab *Attack an image*."""

from typing import Any

import gradio as gr

from app.ui.attack.models import check
from app.ui.attack.presets import PUBLISHED_INFO
from app.ui.attack.tab import AttackTab
from app.ui.attack.targets import CAPTION, PICTURE, TEXT
from app.ui.widgets.remembered import Held, RememberedForm
from app.ui.wiring.guard import Updates

A_TEXT = "a photo"
"""Stands for texts that are judged when the attack starts."""


class AttackForm(RememberedForm):
    """Everything but the folder of photos; whether others are asked about the pictures is chosen anew each time."""

    def __init__(self, tab: AttackTab) -> None:
        choice, describing = tab.classes.choice, tab.describing
        asked = [one for one in describing.components if one is not describing.ask]
        super().__init__(
            "attack",
            tab.panel.notice,
            tab.reset,
            [*tab.components, tab.presets.choice, tab.presets.paper, *asked],
            changing=[
                *(tab.surrogates.choice, tab.testing.victims, describing.similarity),
                *(tab.truth.name, choice.chips, choice.menu),
            ],
            pictures={"source": tab.picture, "target": tab.texts.picture},
        )
        self._tab = tab

    @property
    def filled(self) -> list[Any]:
        """What ``fill`` changes."""
        return self._tab.filled

    def fill(self, values: Held, owner: str) -> Updates:
        """See ``RememberedForm``. Texts, and the other picture, may be missing yet."""
        tab = self._tab
        texts = tab.texts
        aims = [aim for aim in values[texts.aims] or () if aim != PICTURE or values[texts.picture.name]]
        held = Held({**values, texts.aims: aims or [TEXT], tab.testing.captions: "", tab.opened: None})
        held |= {texts.prompt: A_TEXT, texts.negative: "", texts.captions: A_TEXT if CAPTION in aims else ""}
        tab.testing.read(held)
        if values[tab.describing.similarity]:
            check(tab.studio, values[tab.describing.similarity])
        recipe = tab.order(held, one_photo=False).recipe
        updates = tab.fill(recipe, owner)
        presets = tab.presets
        usual, paper = presets.usual.get(values[presets.choice]), presets.published.get(values[presets.paper])
        return {
            **updates,
            **texts.shown(values[texts.aims] or ()),
            tab.opened: None,
            presets.choice: gr.Radio(info=usual.description if usual else None),
            presets.paper: gr.Dropdown(info=paper.description if paper else PUBLISHED_INFO),
        }
