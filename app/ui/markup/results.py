"""The result of a finished job as markup. Pure functions of a snapshot and the media addresses."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.ui.markup import charts, markup
from app.ui.markup.media import Media
from foundation.jobs.store.model import JobSnapshot, JobStatus
from generator.classes.names import Names
from generator.production.unit_answers import in_words
from generator.transfer.outcome import Meaning, Outcome, Question, outcome_of
from generator.victims.verdicts import Verdict

SMALL_SIDE = 96
TOP = 5
COLOURS: Mapping[Outcome, str] = {Outcome.SUCCESS: "cx-fell", Outcome.FAILURE: "cx-held"}
"""How outcomes look, wherever they stand."""


def image_view(job: JobSnapshot, media: Media) -> str:
    """The pictures of a class, each with its download, and what they were made from."""
    result = job.result or {}
    images = result.get("images", [])
    stem = file_stem(job.title)
    if not images:
        return markup.notice("There is no picture in this result.", tone="warn")
    crisp = _crisp(result)
    pixels = markup.true_size(size_of(result))
    if len(images) == 1:
        url = media.url(Path(job.folder) / images[0]["file"])
        shown = f'<div class="cx-canvas">{markup.picture(url, job.title, pixelated=crisp)}</div>'
        actions = f'<div class="cx-row">{markup.download_link(url, f"{stem}.png")}{pixels}</div>'
    else:
        tiles = "".join(_tile(job, media, stem, i, image, crisp) for i, image in enumerate(images))
        shown = f'<div class="cx-sheet">{tiles}</div>'
        actions = f'<div class="cx-row">{pixels}</div>'
    return shown + actions + runaway_words(result) + taken_words(result) + early_end(job)


def runaway_words(result: Mapping[str, Any]) -> str:
    """A notice on pictures that ran away, and what became of them. Empty where none did."""
    said = [str(one["sentence"]) for one in result.get("ran_away", ())]
    return markup.notice(" ".join(said), tone="warn") if said else ""


def taken_words(result: Mapping[str, Any]) -> str:
    """A notice on classes that were given by a synonym: what the models took it for. Empty where there are none."""
    pairs = {pair for taken in result.get("taken_for", {}).values() for pair in taken.items()}
    said = [f"\u201c{written}\u201d was taken for the class \u201c{own}\u201d." for written, own in sorted(pairs)]
    return markup.notice(" ".join(said)) if said else ""


def image_more(job: JobSnapshot, titles: Mapping[str, str]) -> str:
    """What models see in the picture, and its recipe."""
    result = job.result or {}
    images = result.get("images", [])
    said = [of_unit(image, result, titles) + seen(image, titles) for image in images]
    if len(images) > 1:  # whose answers these are has to be said
        heads = [f"What the models see in picture {number}" for number in range(1, len(images) + 1)]
        said = [
            markup.details(head, one, opened=not place)
            for place, (head, one) in enumerate(zip(heads, said, strict=True))
            if one
        ]
    return "".join(said) + recipe_fold(result)


def _tile(job: JobSnapshot, media: Media, stem: str, index: int, image: Mapping[str, Any], crisp: bool) -> str:
    url = media.url(Path(job.folder) / image["file"])
    name = f"{stem}-{index + 1}.png"
    link = markup.download_link(url, name, "Download")
    alt = f"{job.title}, picture {index + 1}"
    return (
        f"<figure>{markup.picture(url, alt, pixelated=crisp)}"
        f"<figcaption><span>picture {index + 1}</span>{link}</figcaption></figure>"
    )


def attack_view(job: JobSnapshot, media: Media, distances: Mapping[str, float | None] | None = None) -> str:
    """Before and after, and how large the change is; `distances` has what is known beside its two norms."""
    result = job.result or {}
    images = result.get("images", [])
    if not images:
        return markup.notice("There is no picture in this result.", tone="warn")
    folder = Path(job.folder)
    image = images[0]
    after = media.url(folder / image["file"])
    before = media.url(folder / image["source"])
    crisp = _crisp(result)
    link = markup.download_link(after, f"{file_stem(job.title)}.png")
    return markup.join(
        [
            markup.compare(before, after, pixelated=crisp),
            f'<div class="cx-row">{link}{markup.true_size(size_of(result))}</div>',
            taken_words(result),
            early_end(job),
            markup.facts(distance_facts(image, result.get("recipe", {})) + likeness_facts(distances or {})),
        ]
    )


def attack_more(job: JobSnapshot, media: Media, titles: Mapping[str, str]) -> str:
    """What every model says, the change made visible, and the recipe."""
    result = job.result or {}
    images = result.get("images", [])
    if not images:
        return ""
    return verdicts(images[0], result, titles) + change_view(job, media) + recipe_fold(result)


def change_view(job: JobSnapshot, media: Media) -> str:
    """The photo, the attacked picture and the change between them, magnified, with its factor."""
    result = job.result or {}
    image: Mapping[str, Any] = next(iter(result.get("images", ())), {})
    change = image.get("perturbation")
    if not change:
        return ""
    crisp = _crisp(result)
    folder = Path(job.folder)
    factor = charts.number(float(change["factor"]))
    cells = [
        (image["source"], "The image before the attack", "before"),
        (image["file"], "The attacked image", "after"),
        (change["file"], "The change, magnified", f"the change, {factor} times as strong"),
    ]
    figures = "".join(
        f"<figure>{markup.picture(media.url(folder / name), alt, pixelated=crisp)}"
        f"<figcaption>{markup.text(words)}</figcaption></figure>"
        for name, alt, words in cells
    )
    return f'<div class="cx-thirds">{figures}</div>'


def distance_facts(image: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The measured size of the change, with the budget it was given."""
    linf, l2 = float(image.get("linf", 0.0)), float(image.get("l2", 0.0))
    items = [("largest change of a value", f"{255 * linf:.1f}/255"), ("length of the change (L2)", f"{l2:.2f}")]
    eps = float(recipe.get("eps", 0.0))
    if recipe.get("norm") == "linf":
        items.append(("budget", f"{255 * eps:.4g}/255 per value"))
    elif recipe.get("norm") == "l2":
        items.append(("budget", f"L2 of {eps:.4g}"))
    else:
        items.append(("budget", "none"))
    return items


def likeness_facts(distances: Mapping[str, float | None]) -> list[tuple[str, str]]:
    """How alike the pictures look, as far as that was measured."""
    names = {"ssim": "likeness (SSIM, 1 is equal)", "lpips": "distance as people see it (LPIPS)"}
    return [(words, f"{value:.4f}") for name, words in names.items() if (value := distances.get(name)) is not None]


def verdicts(
    image: Mapping[str, Any],
    result: Mapping[str, Any],
    titles: Mapping[str, str],
    truth: str = "",
    known: Mapping[str, str] | None = None,
) -> str:
    """What every model says of the image before and after, with the read-outs folded away.

    ``truth`` is the name of what the image shows; without one, what a model says before counts as true. ``known`` are
    outcomes by model that were found out already: nobody is judged twice.
    """
    recipe = result.get("recipe", {})
    attacked = recipe.get("models", ())
    known = known or {}
    said = [
        _verdict(
            titles.get(name, name),
            before,
            image["after"][name],
            recipe,
            truth,
            attacked=name in attacked,
            known=known.get(name, ""),
        )
        for name, before in image.get("before", {}).items()
        if name in image.get("after", {})
    ]
    return f'<div class="cx-verdicts">{"".join(said)}</div>' if said else ""


def _verdict(
    name: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    recipe: Mapping[str, Any],
    truth: str,
    *,
    attacked: bool,
    known: str = "",
) -> str:
    was, now = _first(before), _first(after)
    targets = recipe.get("classes", ()) if recipe.get("objective") != "leave" else ()
    marks = {str(target): "target" for target in targets}
    marks.setdefault(was, "was")
    if now != was:
        marks.setdefault(now, "now")
    judged = Outcome(known) if known else _judged(was, now, Question(truth, tuple(map(str, targets))))
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


def _readouts(columns: Mapping[str, Mapping[str, Any]], marks: Mapping[str, str]) -> str:
    """The top classes of every read-out, folded away; `columns` are what a model said, under their headings."""
    names = [one["readout"] for one in next(iter(columns.values())).get("readouts", ())]
    if len(names) < 2:
        return ""

    def column(title: str, said: Mapping[str, Any]) -> str:
        rows = "".join(
            f"<div><h4>{markup.text(one['readout'])}</h4>{charts.bars(_rows(one), marks=marks)}</div>"
            for one in said.get("readouts", ())
        )
        return f'<div class="cx-readouts"><h4>{markup.text(title)}</h4>{rows}</div>'

    pair = "".join(column(title, said) for title, said in columns.items())
    return markup.details(f"Each of its {len(names)} read-outs", f'<div class="cx-pair">{pair}</div>')


def _rows(said: Mapping[str, Any], most: int = TOP) -> list[tuple[str, float]]:
    """Classes and probabilities; one that is not a number comes from a damaged model, and is drawn as such."""
    return [
        (str(one["class"]), math.nan if one["probability"] is None else float(one["probability"]))
        for one in said.get("top", ())[:most]
    ]


def _first(said: Mapping[str, Any]) -> str:
    return str(said["top"][0]["class"]) if said.get("top") else ""


def seen(image: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """What the models see in a picture."""
    parts = "".join(
        f'<article class="cx-verdict"><header><h3>{markup.text(titles.get(name, name))}</h3><span>sees</span></header>'
        f"{charts.bars(_rows(said))}{_readouts({'sees': said}, {})}</article>"
        for name, said in image.get("after", {}).items()
    )
    return f'<div class="cx-verdicts">{parts}</div>' if parts else ""


def of_unit(image: Mapping[str, Any], result: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """How strongly a picture excites the unit that it was made for, before and after."""
    unit = result.get("recipe", {}).get("unit", "")
    items = [(f"{unit} of {titles.get(name, name)}", in_words(found)) for name, found in image.get("unit", {}).items()]
    return markup.facts(items) if items else ""


def early_end(job: JobSnapshot) -> str:
    """Why a picture ended before its last step, if it did."""
    fault = (job.result or {}).get("error")
    if fault:  # the optimisation diverged; the last good picture was kept
        return markup.notice(str(fault), tone="warn")
    if job.status is not JobStatus.STOPPED or job.unit != "steps" or job.done >= job.total > 0:
        return ""
    return markup.notice(f"Stopped at step {job.done} of {job.total}. The picture of that moment is kept.")


def recipe_fold(result: Mapping[str, Any]) -> str:
    """The recipe, folded away."""
    recipe = result.get("recipe")
    if not recipe:
        return ""
    return markup.details("Recipe", markup.code_block(json.dumps(recipe, indent=2, ensure_ascii=False)))


def _crisp(result: Mapping[str, Any]) -> bool:
    """Whether the pictures are so small that enlarging should show their pixels."""
    return 0 < max(size_of(result), default=0) <= SMALL_SIDE


def size_of(result: Mapping[str, Any]) -> tuple[int, ...]:
    """Height and width of a result's pictures; () where they are not known."""
    return tuple(map(int, result.get("size") or result.get("recipe", {}).get("size") or ()))


def file_stem(title: str) -> str:
    """A file name made of a title: letters, digits and hyphens only."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower())
    return "crossmax-" + "-".join(part for part in kept.split("-") if part)[:80]
