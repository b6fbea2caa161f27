"""Whether a vision-language model is asked about an attack, what, and what that may cost."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.handlers.describing import Offer, requests_for
from app.records.params import MOST_SAMPLES, DescribeWish
from app.ui.attack.folder import Brought, FolderInput, attack_count
from app.ui.attack.models import check
from app.ui.markup import gallery, markup
from app.ui.widgets.forms import FormError, whole
from app.ui.wiring.guard import QUICK, Updates, guarded
from app.ui.wiring.services import Studio
from foundation.command_line.settings import validated
from foundation.errors import StudioError
from generator.classes.names import Names
from generator.vlm.scoring import parse_keywords
from generator.vlm.settings import FILE_NAME, PREFIX

Values = Mapping[Any, Any]
"""Component -> what it holds."""

USUAL = DescribeWish()
NO_MODEL = "words in common only"
NOT_SET_UP = (
    f"Whoever runs this server can add one: with {PREFIX}URL, {PREFIX}MODEL and, where it needs one, {PREFIX}KEY in "
    f"the server's environment, or url, model and key in {FILE_NAME} in its data directory."
)


class DescribingInput:
    """The widgets that ask a vision-language model, where the server is set up for one.

    Args:
        studio: what the page works with.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def build(self) -> None:
        """Create the widgets; ``arrive`` shows them where there is somebody to ask."""
        self.ask = gr.Checkbox(
            value=False, label="Ask a vision-language model, too", visible=False, elem_id="attack-vlm"
        )
        self.line = gr.HTML(_hint(NOT_SET_UP), elem_id="attack-vlm-line", apply_default_css=False)
        with gr.Column(visible=False, elem_classes="cx-group") as self.area:
            self.samples = gr.Number(
                USUAL.samples,
                label="Answers to each picture",
                info=f"From 1 to {MOST_SAMPLES}: the same model answers differently each time.",
                elem_id="attack-vlm-samples",
            )
            self.question = gr.Textbox(
                USUAL.question, label="Question", lines=2, max_lines=6, elem_id="attack-vlm-question"
            )
            self.keywords = gr.Textbox(
                label="Keywords of the target",
                info="One on each line, other ways to say it after |, as in dog|puppy. Empty: the words of the target.",
                lines=2,
                max_lines=6,
                elem_id="attack-vlm-keywords",
            )
            self.similarity = gr.Dropdown(
                self._encoders(),
                value="",
                label="Compare texts by",
                info="A CLIP model that was not attacked is the more impartial one.",
                elem_id="attack-vlm-similarity",
            )
            self.judge = gr.Checkbox(
                value=False,
                label="Also have a model judge how similar the texts are",
                elem_id="attack-vlm-judge",
            )

    @property
    def components(self) -> list[Any]:
        """The widgets that ``read`` asks."""
        return [self.ask, self.samples, self.question, self.keywords, self.similarity, self.judge]

    @property
    def arrivals(self) -> list[Any]:
        """What ``arrive`` changes."""
        return [self.ask, self.line, self.area, self.similarity]

    def arrive(self) -> Updates:
        """Ask again whether there is somebody to ask, and which models there are."""
        offer, why = self._offer()
        first = USUAL.samples
        return {
            self.ask: gr.Checkbox(value=False, visible=offer is not None, label=_label(offer)),
            self.line: _cost_lines(offer, first, judge=False, photos=0) if offer else _hint(why),
            self.area: gr.Column(visible=False),
            self.similarity: gr.Dropdown(choices=self._encoders(), value=""),
        }

    def wire(self, guard: Any, notice: Any, folder: FolderInput, models: Any) -> None:
        """Connect the events; ``folder`` has the photos that may be attacked together, ``models`` those attacked."""

        def follow(
            ask: bool, samples: float | None, judge: bool, brought: Brought, alone: bool, chosen: list[str] | None
        ) -> Updates:
            offer, why = self._offer()
            if offer is None:
                return {self.ask: gr.Checkbox(value=False, visible=False), self.line: _hint(why)}
            number = self._samples(samples) if ask else USUAL.samples
            attacks = len(brought.photos) * attack_count(len(chosen or ()), alone=alone)
            lines = _cost_lines(offer, number, judge=judge, photos=attacks)
            return {self.line: lines, self.area: gr.Column(visible=ask)}

        inputs = [self.ask, self.samples, self.judge, folder.brought, folder.alone, models]
        outputs = [notice, self.ask, self.line, self.area]
        for widget in (self.ask, self.samples, self.judge, folder.alone):
            widget.input(guard(follow), inputs, outputs, **QUICK)
        models.change(guarded(notice, keep=True)(follow), inputs, outputs, **QUICK)
        folder.changed.connect(guard(follow), inputs, outputs)

    def read(self, values: Values) -> DescribeWish | None:
        """What is asked; None for nothing. StudioError for what cannot be asked."""
        if not values[self.ask]:
            return None
        offer, why = self._offer()
        if offer is None:
            raise FormError(why)
        samples = self._samples(values[self.samples])
        question = str(values[self.question] or "").strip()
        if not question:
            raise FormError("Write the question that the vision-language model is asked.")
        keywords = [line.strip() for line in str(values[self.keywords] or "").splitlines() if line.strip()]
        parse_keywords(keywords, Names())
        similarity = str(values[self.similarity] or "")
        if similarity:
            check(self.studio, similarity)
        wish = {
            "question": question,
            "samples": samples,
            "keywords": keywords,
            "similarity": similarity,
            "judge": bool(values[self.judge]),
        }
        return validated(DescribeWish, wish)

    @staticmethod
    def _samples(value: Any) -> int:
        return whole(value, "Answers to each picture", 1, MOST_SAMPLES)

    def _offer(self) -> tuple[Offer | None, str]:
        """What may be known of the endpoint, or why there is none."""
        try:
            return self.studio.vlm(), NOT_SET_UP
        except StudioError as error:  # it holds no value of any setting
            return None, str(error)

    def _encoders(self) -> list[tuple[str, str]]:
        infos = self.studio.encoders()
        return [(NO_MODEL, ""), *((gallery.encoder_title(info), info.name) for info in infos)]


def _label(offer: Offer | None) -> str:
    return f"Ask {offer.model}, too" if offer else "Ask a vision-language model, too"


def _cost_lines(offer: Offer, samples: int, *, judge: bool, photos: int) -> str:
    """Who is asked, that pictures leave for it, how many requests that takes, and at most what it costs."""
    judged = f", and {offer.judge} judges the texts" if judge else ""
    who = (
        f"{offer.model} is asked what it sees in the photo and in the attacked picture, which are sent to it{judged}. "
        "It was set up by whoever runs this server."
    )
    cost = [f"For one photo: {_cost(offer, requests_for(samples, judge=judge))}."]
    if photos:
        cost.append(f"For the folder: {_cost(offer, requests_for(samples, judge=judge, photos=photos))}.")
    caps = f"{offer.max_requests:,} requests and {offer.max_tokens:,} tokens"
    caps += "" if offer.max_cost is None else f", or {offer.max_cost:g} in money"
    return _hint(who) + _hint(f"{' '.join(cost)} It ends at the server's cap of {caps}.")


def _cost(offer: Offer, requests: int) -> str:
    found = offer.estimate(requests)
    money = "" if found.money is None else f", {found.money:.2g} in money"
    return f"at most {requests:,} requests, about {found.tokens:,} tokens{money}"


def _hint(words: str) -> str:
    return f'<p class="cx-hint">{markup.text(words)}</p>'
