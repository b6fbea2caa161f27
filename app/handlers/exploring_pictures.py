"""What can be seen of an attack: values and PNG files for the page, made in the job from the saved files.

Added to the findings (see `app.records.findings`): heat, lines, saliency, views and video.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from app.records.findings import (
    AnswerPair,
    Crossing,
    HeatMap,
    Line,
    LinePoint,
    ReadoutFound,
    SaliencyMaps,
    StackViews,
    VideoFound,
)
from foundation.errors import StudioError
from foundation.images.animation import save_video
from foundation.images.files import load_image, save_png, to_tensor
from foundation.jobs import JobContext
from foundation.progress import Progress
from generator.classes.names import Names
from generator.optimisers.loop import Step
from generator.transfer.outcome import meaning_of
from generator.transfer.table import Case
from generator.victims.line import along
from generator.victims.saliency import saliency
from generator.victims.verdicts import ReadoutAnswer, Verdict
from generator.victims.victims import ClassifierVictim, Victim
from robust_model.networks.ensemble import SelfEnsemble

logger = logging.getLogger(__name__)

MOST_VICTIMS = 4
"""Victims whose gradients and lines are drawn."""
MOST_CLASSES = 12
"""Columns of a heat map."""
LINE = tuple(round(-0.5 + 0.1 * index, 6) for index in range(26))
"""Where on the line the victims are asked: from before the photo (0) to twice the change (2)."""
LINE_HALVINGS = 5
"""How often the stretch in which an answer changes is halved: to 0.003 of the change, finer than anybody sees."""
MOST_FRAMES = 48
FRAME_SIDE = 384
FRAMES_PER_SECOND = 12
VIDEO_NAME = "path.mp4"


@dataclass
class Frames:
    """Pictures on the way of an attack, scaled down: some of its steps, evenly taken, the last always among them."""

    kept: list[Tensor] = field(default_factory=list)
    first: tuple[int, int] | None = None
    """The size that the steps' pictures had before they were scaled down; None before there are any."""

    def add(self, step: Step) -> None:
        """Keep the picture of this step, if it is one of those to keep."""
        stride = -(-step.steps // MOST_FRAMES)
        if step.index % stride == 0 or step.index == step.steps:
            shown = step.shown()[:1]
            self.first = (shown.shape[2], shown.shape[3])
            self.kept.append(_small(shown).cpu())


def _small(images: Tensor, size: Sequence[int] | None = None) -> Tensor:
    """Images [B, 3, H, W] scaled down to at most `FRAME_SIDE` pixels a side, or to a `size` (height, width)."""
    factor = FRAME_SIDE / max(images.shape[2:])
    if size is None:
        size = images.shape[2:] if factor >= 1 else [max(1, round(side * factor)) for side in images.shape[2:]]
    if list(size) == list(images.shape[2:]):
        return images
    return functional.interpolate(images, size=list(size), mode="bilinear", align_corners=False, antialias=True)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is drawn, and where to.

    Attributes:
        case: the photo and its attacked picture.
        victims: who looks on, those attacked with first.
        frames: of the way.
        folder: where the files go.
    """

    case: Case
    victims: Sequence[Victim]
    frames: Frames
    folder: Path

    def pair(self) -> dict[str, Tensor]:
        """The photo and the attacked picture, each [1, 3, H, W], as they were saved."""
        files = {"before": self.case.photo, "after": self.case.attacked}
        return {name: to_tensor(load_image(path)) for name, path in files.items()}


def draw_all(context: JobContext, subject: Subject, keep: Callable[[str, object], None]) -> None:
    """Draw everything that can be seen, one after the other; `keep` is called with each by its name."""
    parts: list[tuple[str, Callable[[JobContext, Subject], object]]] = [
        ("heat", heat_maps),
        ("lines", lines),
        ("saliency", saliencies),
        ("views", stack_views),
        ("video", video),
    ]
    for done, (name, draw) in enumerate(parts):
        if context.stop_requested:
            return
        context.progress(Progress(done, len(parts), f"Drawing: {name}", unit="items"))
        keep(name, draw(context, subject))


# ---------------------------------------------------------------------- read-outs


def heat_maps(_context: JobContext, subject: Subject) -> tuple[HeatMap, ...]:
    """What every read-out of the layered victims says, before and after."""
    pair = subject.pair()
    found = []
    for victim in subject.victims:
        said = {name: victim.look(image)[0] for name, image in pair.items()}
        readouts = said["before"].readouts
        if not readouts:
            continue
        columns = _columns(list(said.values()), victim.labels)
        cells = {name: tuple(_cells(answer, columns) for answer in one.readouts) for name, one in said.items()}
        found.append(
            HeatMap(
                victim=victim.name,
                classes=tuple(victim.labels[index] for index in columns),
                readouts=tuple(answer.name for answer in readouts),
                before=cells["before"],
                after=cells["after"],
                answers=AnswerPair(before=said["before"].label, after=said["after"].label),
            )
        )
    return tuple(found)


def _columns(verdicts: Sequence[Verdict], labels: Sequence[str]) -> list[int]:
    """The classes that some read-out, or the answer, finds most probable; all of few."""
    if len(labels) <= MOST_CLASSES:
        return list(range(len(labels)))
    most = [0.0] * len(labels)
    for verdict in verdicts:
        rows = [answer.probabilities for answer in verdict.readouts if answer.probabilities]
        rows.append(tuple(2 * verdict.shares.get(label, 0.0) for label in labels))  # the answer counts most
        most = [max(values) for values in zip(most, *rows, strict=True)]
    return sorted(sorted(range(len(labels)), key=lambda index: -most[index])[:MOST_CLASSES])


def _cells(answer: ReadoutAnswer, columns: Sequence[int]) -> ReadoutFound:
    shares = tuple(answer.probabilities[index] if answer.probabilities else None for index in columns)
    return ReadoutFound(label=answer.label, confidence=answer.confidence, shares=shares)


# ---------------------------------------------------------------------- lines


def lines(context: JobContext, subject: Subject) -> tuple[Line, ...]:
    """What some victims say on the line from the photo to the picture, and beyond."""
    pair = subject.pair()
    found = []
    for victim in subject.victims[:MOST_VICTIMS]:
        if context.stop_requested:
            break
        line = along(victim, pair["before"], pair["after"], LINE, halvings=LINE_HALVINGS)
        at = {point.t: point.verdict for point in line.points}
        was = at[0.0].label
        now = _towards(victim, subject.case, at[1.0], was, [point.verdict for point in line.points])
        points = tuple(
            LinePoint(
                t=point.t,
                label=point.verdict.label,
                was=point.verdict.share_of([was]),
                now=point.verdict.share_of([now]) if now else None,
            )
            for point in line.points
        )
        crossings = tuple(Crossing(t=one.t, before=one.before, after=one.after) for one in line.crossings)
        found.append(Line(victim=victim.name, was=was, now=now, points=points, crossings=crossings))
    return tuple(found)


def _towards(victim: Victim, case: Case, after: Verdict, was: str, every: Sequence[Verdict]) -> str:
    """The answer that the line leads to: a target, or what is said at the picture or anywhere; "" if always one."""
    wanted = meaning_of(case.question, victim.labels, Names()).wanted
    named = [*wanted, after.label, *(verdict.label for verdict in every)]
    return next((label for label in named if label and label != was), "")


# ---------------------------------------------------------------------- gradients and views


def saliencies(context: JobContext, subject: Subject) -> tuple[SaliencyMaps, ...]:
    """What in the photo and in the picture moves the answer that each victim gave to the photo."""
    pair = {name: image.to(context.device) for name, image in subject.pair().items()}
    found: list[SaliencyMaps] = []
    for number, victim in enumerate(subject.victims[:MOST_VICTIMS], start=1):
        files: dict[str, str] = {}
        why_not = ""
        label = victim.look(pair["before"])[0].label
        try:
            for name, image in pair.items():
                file = f"saliency-{number}-{name}.png"
                save_png(saliency(victim, image, label).shown(), subject.folder / file)
                files[name] = file
        except StudioError as error:  # a model without gradients
            why_not = str(error)
        found.append(SaliencyMaps(victim=victim.name, label=label, why_not=why_not, **files))
    return tuple(found)


def stack_views(context: JobContext, subject: Subject) -> tuple[StackViews, ...]:
    """The views at several resolutions that multi-resolution victims see, with the same random numbers for both."""
    pair = {name: image.to(context.device) for name, image in subject.pair().items()}
    found = []
    number = 0
    for victim in subject.victims:
        model = victim.classifier if isinstance(victim, ClassifierVictim) else None
        if not isinstance(model, SelfEnsemble) or len(model.config.stack.resolutions) < 2:
            continue
        number += 1
        resolutions = model.config.stack.resolutions
        seen: dict[str, tuple[str, ...]] = {}
        for name, image in pair.items():
            with torch.no_grad():
                stack = model.with_seed(0).views(image)[0].unflatten(0, (len(resolutions), 3))
            files = tuple(f"view-{number}-{resolution}-{name}.png" for resolution in resolutions)
            for file, view in zip(files, stack, strict=True):
                save_png(view[None].clamp(0, 1), subject.folder / file)
            seen[name] = files
        found.append(StackViews(victim=victim.name, resolutions=resolutions, **seen))
    return tuple(found)


# ---------------------------------------------------------------------- the way there


def video(_context: JobContext, subject: Subject) -> VideoFound | None:
    """Save the way as a video, the picture and beside it its change, magnified; None where that is not possible."""
    if not subject.frames.kept:
        return None
    start = _small(_small(subject.pair()["before"], subject.frames.first))  # the way that they came
    frames = [start, *subject.frames.kept]
    largest = max((frame - start).abs().max().item() for frame in frames)
    factor = 0.5 / largest if largest > 0 else 1.0
    beside = (torch.cat([frame, (0.5 + factor * (frame - start)).clamp(0, 1)], dim=3) for frame in frames)
    try:
        save_video(beside, subject.folder / VIDEO_NAME, frames_per_second=FRAMES_PER_SECOND)
    except StudioError:  # the picture itself is there
        logger.warning("the video in %s cannot be made", subject.folder, exc_info=True)
        return None
    return VideoFound(file=VIDEO_NAME, factor=factor, frames=len(frames))
