"""Any valid recipe, drawn by hypothesis, and one that tests of recipes share."""

from typing import Any

from hypothesis import strategies as st

from generator.recipes.prompts import Prompt
from generator.recipes.recipe import Recipe
from tests.generator.recipes.written import write_prompts

names = st.text(min_size=1, max_size=8).map(str.strip).filter(bool)


weights = st.floats(0.001, 10)
lines = st.lists(
    st.builds(Prompt, st.text('ab |:\\"', max_size=5).map("x".__add__).map(str.strip), weights), min_size=1
)


DIGESTS = st.sampled_from(["", "0" * 64, "1f" * 32])


@st.composite
def text_fields(draw: st.DrawFn, models: int, classes: list[str], norm: str, images: int) -> dict[str, Any]:
    """The fields of a picture of a text."""
    score = draw(st.sampled_from(["cosine", "spherical", "contrastive"]))
    digest = st.text("0123456789abcdef", min_size=64, max_size=64)
    target, style = draw(st.just("") | digest), draw(st.just("") | digest)
    worded = score == "contrastive" or not (target or style) or draw(st.booleans())
    prompt = write_prompts(draw(lines)) if worded else ""
    weight = st.floats(0.1, 10) | st.floats(-10, -0.1)
    return {
        "prompt": prompt,
        "negative": draw(st.just("") | lines.map(write_prompts)),
        "prompt_to": write_prompts(draw(lines)) if prompt and images > 1 and draw(st.booleans()) else "",
        "score": score,
        "against": write_prompts(draw(lines)) if score == "contrastive" else "",
        "model_weights": tuple(draw(st.lists(weights, min_size=models, max_size=models))),
        "class_weight": draw(st.floats(0.1, 100)) if classes else 0.0,
        "target": target,
        "target_weight": draw(weight),
        "style": style,
        "style_weight": draw(weight),
        "mask": draw(st.just("") | digest),
        "margin": draw(st.floats(0, 0.4)) if norm == "none" else 0.0,
        "tile": draw(st.booleans()),
    }


@st.composite
def attack_fields(draw: st.DrawFn, models: int, optimiser: str) -> dict[str, Any]:
    """The fields of an attack that pictures of a class do not have, as they can be beside any classes."""
    target = draw(st.just("") | st.text("0123456789abcdef", min_size=64, max_size=64))
    prompt, captions = (
        draw(st.just("") | lines.map(write_prompts)),
        draw(st.sampled_from(["", "a frog", "a frog | a ship"])),
    )
    keep = draw(st.sampled_from(["last", "best"]))
    return {
        "prompt": prompt,
        "captions": captions,
        "keep": keep,
        "enough": draw(st.floats(0, 1, exclude_max=True)) if keep == "best" else 0.0,
        "caption_weight": draw(st.floats(0.1, 10)),
        "target": target,
        "target_views": draw(st.sampled_from(["", "crop:0.5-0.9"])) if target else "",
        "model_weights": tuple(draw(st.lists(weights, min_size=models, max_size=models))),
        "perturbation": "pixel" if optimiser == "apgd" else draw(st.sampled_from(["layers", "pixel"])),
        "step_schedule": draw(st.sampled_from(["constant", "cosine"]))
        if optimiser in ("pgd", "mi-fgsm")
        else "constant",
        "planned_steps": draw(st.sampled_from([0, 100_000])),
    }


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Any valid recipe."""
    task = draw(st.sampled_from(["class", "attack", "text"]))
    objective = draw(st.sampled_from(["logit", "cross_entropy", "margin", *(["leave"] if task == "attack" else [])]))
    few = int(objective != "leave" and task != "text")
    classes = draw(st.lists(names, min_size=few, max_size=4, unique=True))
    models = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    share = st.floats(0, 1e6, exclude_min=True)
    weighted = bool(classes) and draw(st.booleans())
    revision = st.text("0123456789abcdef", max_size=64)
    norm = draw(st.sampled_from(["none", "linf", "l2"])) if task != "class" else "none"
    largest = {"none": 0.0, "linf": 1.0, "l2": 1e6}[norm]
    projected = ["pgd", "mi-fgsm", *(["apgd"] if norm != "none" else [])]
    optimiser = draw(st.sampled_from(["sgd", "adam", *(projected if task == "attack" else [])]))
    images = draw(st.integers(1, 64))
    text = draw(text_fields(len(models), classes, norm, images)) if task == "text" else {}
    if task == "attack":
        text = draw(attack_fields(len(models), optimiser))
    return Recipe(
        task=task,
        objective=objective,
        classes=tuple(classes),
        weights=tuple(draw(st.lists(share, min_size=len(classes), max_size=len(classes)))) if weighted else (),
        models=tuple(models),
        revisions=tuple(draw(st.lists(revision, min_size=len(models), max_size=len(models)))),
        size=draw(st.tuples(st.integers(8, 4096), st.integers(8, 4096))),
        resolutions=draw(names),
        form=draw(st.sampled_from(["auto", "layered", *(["image_space"] if optimiser in ("sgd", "adam") else [])])),
        tolerance=draw(st.floats(0, 1, exclude_max=True)),
        balance=draw(st.floats(0, 2)),
        optimiser=optimiser,
        momentum=draw(st.floats(0, 1, exclude_max=True)) if optimiser in ("sgd", "mi-fgsm") else 0.0,
        learning_rate=draw(st.floats(0, exclude_min=True, allow_infinity=False)),
        normalise=draw(st.booleans()),
        steps=draw(st.integers(1, 100_000)),
        views=draw(names),
        views_per_step=draw(st.integers(1, 1024)),
        start_std=draw(st.floats(0, 10)),
        images=images,
        seed=draw(st.integers(0, 2**53 - images)),
        norm=norm,
        eps=draw(st.floats(0, largest, exclude_min=True)) if largest else 0.0,
        source=draw(DIGESTS),
        **text,
    )


EXAMPLE = Recipe(
    task="attack", classes=("frog", "ship"), weights=(0.7, 0.3), norm="linf", eps=8 / 255, size=(24, 40), seed=7
)
