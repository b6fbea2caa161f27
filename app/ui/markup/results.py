"""The result of a finished job as markup. Pure functions of a snapshot and the media addresses."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from app.records.pictures import Picture, PictureResult, note_of, result_of
from app.ui.markup import charts, markup
from app.ui.markup.media import Media
from foundation.jobs.store.model import JobSnapshot, JobStatus
from foundation.record import RecordError
from generator.classes.names import Names
from generator.production.unit_answers import in_words
from generator.recipes.recipe import Recipe
from generator.records.answers import Answers, ReadoutSaid, Said
from generator.records.pictures import PictureFacts, PictureRecord
from generator.transfer.outcome import Meaning, Outcome, Question, outcome_of
from generator.transfer.perceptual import DistancesRecord
from generator.victims.verdicts import Verdict

SMALL_SIDE = 96
TOP = 5
COLOURS: Mapping[Outcome, str] = {Outcome.SUCCESS: "cx-fell", Outcome.FAILURE: "cx-held"}
"""How outcomes look, wherever they stand."""


NO_PICTURE = "There is no picture in this result."


def no_picture(job: JobSnapshot) -> str:
    """A notice on a job that ended without a picture, with the reason where there is one."""
    return markup.notice(note_of(job) or NO_PICTURE, tone="warn")


def image_view(job: JobSnapshot, media: Media) -> str:
    """The pictures of a class, each with its download, and what they were made from."""
    result = result_of(job)
    if result is None:
        return no_picture(job)
    stem = file_stem(job.title)
    crisp = _crisp(result)
    pixels = markup.true_size(result.size)
    if len(result.images) == 1:
        url = media.url(Path(job.folder) / result.images[0].file)
        shown = f'<div class="cx-canvas">{markup.picture(url, job.title, pixelated=crisp)}</div>'
        actions = f'<div class="cx-row">{markup.download_link(url, f"{stem}.png")}{pixels}</div>'
    else:
        tiles = "".join(_tile(job, media, stem, i, image, crisp) for i, image in enumerate(result.images))
        shown = f'<div class="cx-sheet">{tiles}</div>'
        actions = f'<div class="cx-row">{pixels}</div>'
    return shown + actions + runaway_words(result) + taken_words(result) + early_end(job, result)


def runaway_words(result: PictureRecord) -> str:
    """A notice on pictures that ran away, and what became of them. Empty where none did."""
    said = [one.sentence for one in result.ran_away]
    return markup.notice(" ".join(said), tone="warn") if said else ""


def taken_words(result: PictureRecord) -> str:
    """A notice on classes that were given by a synonym: what the models took it for. Empty where there are none."""
    pairs = {pair for taken in result.taken_for.values() for pair in taken.items()}
    said = [f"\u201c{written}\u201d was taken for the class \u201c{own}\u201d." for written, own in sorted(pairs)]
    return markup.notice(" ".join(said)) if said else ""


def image_more(job: JobSnapshot, titles: Mapping[str, str]) -> str:
    """What models see in the picture, and its recipe."""
    result = result_of(job)
    if result is None:
        return ""
    said = [of_unit(image, result.recipe, titles) + seen(image.after, titles) for image in result.images]
    if len(said) > 1:  # whose answers these are has to be said
        heads = [f"What the models see in picture {number}" for number in range(1, len(said) + 1)]
        said = [
            markup.details(head, one, opened=not place)
            for place, (head, one) in enumerate(zip(heads, said, strict=True))
            if one
        ]
    return "".join(said) + recipe_fold(result.recipe)


def _tile(job: JobSnapshot, media: Media, stem: str, index: int, image: Picture, crisp: bool) -> str:
    url = media.url(Path(job.folder) / image.file)
    name = f"{stem}-{index + 1}.png"
    link = markup.download_link(url, name, "Download")
    alt = f"{job.title}, picture {index + 1}"
    return (
        f"<figure>{markup.picture(url, alt, pixelated=crisp)}"
        f"<figcaption><span>picture {index + 1}</span>{link}</figcaption></figure>"
    )


def attack_view(job: JobSnapshot, media: Media, distances: DistancesRecord | None = None, answers: str = "") -> str:
    """Before and after, and how large the change is.

    ``distances`` has what is known beside its two norms; ``answers`` is markup of what the models say, in short.
    """
    result = result_of(job)
    if result is None:
        return no_picture(job)
    folder = Path(job.folder)
    image = result.images[0]
    after = media.url(folder / image.file)
    before = media.url(folder / photo_of(image))
    crisp = _crisp(result)
    link = markup.download_link(after, f"{file_stem(job.title)}.png")
    return markup.join(
        [
            markup.compare(before, after, pixelated=crisp),
            answers,
            f'<div class="cx-row">{link}{markup.true_size(result.size)}</div>',
            taken_words(result),
            early_end(job, result),
            markup.facts(distance_facts(image, result.recipe) + likeness_facts(distances)),
        ]
    )


def attack_more(job: JobSnapshot, media: Media, titles: Mapping[str, str]) -> str:
    """What every model says, the change made visible, and the recipe."""
    result = result_of(job)
    if result is None:
        return ""
    shown = change_view(result, Path(job.folder), media)
    return verdicts(result.images[0], result.recipe, titles) + shown + recipe_fold(result.recipe)


def photo_of(image: Picture) -> str:
    """The file of the photo that a picture started from. RecordError where it is not written."""
    if image.source is None:
        raise RecordError("This result cannot be read: it lacks the photo that the picture started from.")
    return image.source


def change_view(result: PictureResult, folder: Path, media: Media) -> str:
    """The photo, the attacked picture and the change between them, magnified, with its factor."""
    image = result.images[0]
    change = image.perturbation
    if change is None:
        return ""
    crisp = _crisp(result)
    cells = [
        (photo_of(image), "The image before the attack", "before"),
        (image.file, "The attacked image", "after"),
        (change.file, "The change, magnified", f"the change, {charts.number(change.factor)} times as strong"),
    ]
    figures = "".join(
        f"<figure>{markup.picture(media.url(folder / name), alt, pixelated=crisp)}"
        f"<figcaption>{markup.text(words)}</figcaption></figure>"
        for name, alt, words in cells
    )
    return f'<div class="cx-thirds">{figures}</div>'


def distance_facts(image: PictureFacts, recipe: Recipe) -> list[tuple[str, str]]:
    """The measured size of the change, with the budget it was given. RecordError where it was not measured."""
    if image.linf is None or image.l2 is None:
        raise RecordError("This result cannot be read: it lacks the size of the change.")
    items = [
        ("largest change of a value", f"{255 * image.linf:.1f}/255"),
        ("length of the change (L2)", f"{image.l2:.2f}"),
    ]
    budgets = {"linf": f"{255 * recipe.eps:.4g}/255 per value", "l2": f"L2 of {recipe.eps:.4g}"}
    return [*items, ("budget", budgets.get(recipe.norm, "none"))]


def likeness_facts(distances: DistancesRecord | None) -> list[tuple[str, str]]:
    """How alike the pictures look, as far as that was measured."""
    if distances is None:
        return []
    named = {
        "likeness (SSIM, 1 is equal)": distances.ssim,
        "distance as people see it (LPIPS)": distances.lpips,
    }
    return [(words, f"{value:.4f}") for words, value in named.items() if value is not None]


def verdicts(
    image: PictureFacts,
    recipe: Recipe,
    titles: Mapping[str, str],
    truth: str = "",
    known: Mapping[str, Outcome] | None = None,
) -> str:
    """What every model says of the image before and after, with the read-outs folded away.

    ``truth`` is the name of what the image shows; without one, what a model says before counts as true. ``known`` are
    outcomes by model that were found out already: nobody is judged twice.
    """
    known = known or {}
    said = [
        _verdict(
            titles.get(name, name),
            before,
            image.after[name],
            recipe,
            truth,
            attacked=name in recipe.models,
            known=known.get(name),
        )
        for name, before in image.before.items()
        if name in image.after
    ]
    return f'<div class="cx-verdicts">{"".join(said)}</div>' if said else ""


def answers_in_short(
    image: PictureFacts,
    recipe: Recipe,
    titles: Mapping[str, str],
    truth: str = "",
    known: Mapping[str, Outcome] | None = None,
) -> str:
    """A line for every model that was attacked: what became of its answer. See ``verdicts``; "" where none answers."""
    targets = () if recipe.leads_away else recipe.classes
    lines = ""
    for name in recipe.models:
        if name not in image.before or name not in image.after:
            continue
        was, now = image.before[name].first, image.after[name].first
        outcome = (known or {}).get(name) or _judged(was, now, Question(truth, targets))
        shares = [rows[0][1] for rows in (_rows(image.before[name], 1), _rows(image.after[name], 1)) if rows]
        sure = " \u2192 ".join(charts.percent(share) for share in shares)
        lines += (
            f"<li><b>{markup.text(titles.get(name, name))}</b> {_outcome(was, now, outcome)} "
            f"<small>{markup.text(sure)}</small></li>"
        )
    return f'<ul class="cx-answer">{lines}</ul>' if lines else ""


def _verdict(
    name: str, before: Said, after: Said, recipe: Recipe, truth: str, *, attacked: bool, known: Outcome | None = None
) -> str:
    was, now = before.first, after.first
    targets = () if recipe.leads_away else recipe.classes
    marks = dict.fromkeys(targets, "target")
    marks.setdefault(was, "was")
    if now != was:
        marks.setdefault(now, "now")
    judged = known or _judged(was, now, Question(truth, targets))
    outcome = _outcome(was, now, judged)
    role = "attacked" if attacked else "only looking on"
    return (
        f'<article class="cx-verdict"><header><h3>{markup.text(name)}</h3><span>{role}</span>{outcome}</header>'
        f'<div class="cx-pair"><div><h4>before</h4>{charts.bars(_rows(before), marks=marks)}</div>'
        f"<div><h4>after</h4>{charts.bars(_rows(after), marks=marks)}</div></div>"
        f"{_readouts({'before': before, 'after': after}, marks)}</article>"
    )


def _judged(was: str, now: str, question: Question) -> Outcome:
    """The outcome for a model that said this before and after, by the rule of the tables."""
    names, said = Names(), (was, now)
    right = names.find(said, question.label) if question.label else ()
    wanted = tuple(label for target in question.targets for label in names.find(said, target))
    before, after = (Verdict(label=label, confidence=None) for label in said)
    return outcome_of(question, Meaning(right, wanted, comparable=True), before, after)


def _outcome(was: str, now: str, outcome: Outcome) -> str:
    """An outcome in the words and the colour that it has everywhere, and what was said."""
    css = COLOURS.get(outcome, "")
    if not outcome.counts:
        return f"<span>{outcome.words}: {markup.text(was)}, now {markup.text(now)}</span>"
    change = f"{markup.text(was)} became {markup.text(now)}" if now != was else f"still {markup.text(was)}"
    return f'<span class="{css}">{outcome.words}: {change}</span>'


def _readouts(columns: Mapping[str, Said], marks: Mapping[str, str]) -> str:
    """The top classes of every read-out, folded away; `columns` are what a model said, under their headings."""
    count = len(next(iter(columns.values())).readouts)
    if count < 2:
        return ""

    def column(title: str, said: Said) -> str:
        rows = "".join(
            f"<div><h4>{markup.text(one.readout)}</h4>{charts.bars(_rows(one), marks=marks)}</div>"
            for one in said.readouts
        )
        return f'<div class="cx-readouts"><h4>{markup.text(title)}</h4>{rows}</div>'

    pair = "".join(column(title, said) for title, said in columns.items())
    return markup.details(f"Each of its {count} read-outs", f'<div class="cx-pair">{pair}</div>')


def _rows(said: Said | ReadoutSaid, most: int = TOP) -> list[tuple[str, float]]:
    """Classes and probabilities; one that is not a number comes from a damaged model, and is drawn as such."""
    return [(one.name, math.nan if one.probability is None else one.probability) for one in said.top[:most]]


def seen(answers: Answers, titles: Mapping[str, str]) -> str:
    """What the models see in a picture."""
    parts = "".join(
        f'<article class="cx-verdict"><header><h3>{markup.text(titles.get(name, name))}</h3><span>sees</span></header>'
        f"{charts.bars(_rows(said))}{_readouts({'sees': said}, {})}</article>"
        for name, said in answers.items()
    )
    return f'<div class="cx-verdicts">{parts}</div>' if parts else ""


def of_unit(image: PictureFacts, recipe: Recipe, titles: Mapping[str, str]) -> str:
    """How strongly a picture excites the unit that it was made for, before and after."""
    found = image.unit or {}
    items = [(f"{recipe.unit} of {titles.get(name, name)}", in_words(one)) for name, one in found.items()]
    return markup.facts(items) if items else ""


def early_end(job: JobSnapshot, result: PictureRecord) -> str:
    """Why a picture ended before its last step, if it did."""
    if result.error:  # the optimisation diverged; the last good picture was kept
        return markup.notice(result.error, tone="warn")
    if job.status is not JobStatus.STOPPED or job.unit != "steps" or job.done >= job.total > 0:
        return ""
    return markup.notice(f"Stopped at step {job.done} of {job.total}. The picture of that moment is kept.")


def recipe_fold(recipe: Recipe) -> str:
    """The recipe, folded away."""
    fields = recipe.model_dump(mode="json")
    return markup.details("Recipe", markup.code_block(json.dumps(fields, indent=2, ensure_ascii=False)))


def _crisp(result: PictureResult) -> bool:
    """Whether the pictures are so small that enlarging should show their pixels."""
    return max(result.size) <= SMALL_SIDE


def file_stem(title: str) -> str:
    """A file name made of a title: letters, digits and hyphens only."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower())
    return "crossmax-" + "-".join(part for part in kept.split("-") if part)[:80]
