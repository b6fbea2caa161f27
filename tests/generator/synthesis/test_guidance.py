"""What leads a picture of a text."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from foundation.errors import StudioError
from foundation.images.files import pixel_digest, quantise
from generator.objectives.similarity import slerp
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.guidance import cosines, guide
from generator.synthesis.plan import Plan, plan_of
from generator.synthesis.words import reading_warnings, unknown_words
from tests.generator.standins import Words, rng

IMAGES = torch.rand(2, 3, 14, 17, generator=rng())


def picture(seed: int) -> Tensor:
    return quantise(torch.rand(1, 3, 9, 12, generator=rng(seed)))


def recipe(**fields: Any) -> Recipe:
    return Recipe(**({"task": "text", "prompt": "a frog"} | fields))


def plan(made: Recipe, encoder: Words, pictures: Pictures) -> Plan:
    return plan_of(made, dict.fromkeys(made.models, encoder), pictures)


def losses(encoder: Words, made: Recipe, pictures: Pictures | None = None, images: Tensor = IMAGES) -> dict[str, Any]:
    objective = guide(plan(made, encoder, pictures or Pictures()), encoder)
    return {term.name: (term.weight, term.value) for term in objective.evaluate(images)}


def similarities(encoder: Words, *texts: str) -> Tensor:
    with torch.no_grad():
        return encoder.encode_images(IMAGES) @ encoder.encode_text(texts).T


def test_prompts_and_negatives() -> None:
    encoder = Words()
    made = recipe(prompt="a frog:2 | a leaf:0.5 | fog:-0.1", negative="text | blur:0.6")
    found = losses(encoder, made)
    assert list(found) == ["prompt", "negative"]
    c = similarities(encoder, "a frog", "a leaf", "fog", "text", "blur")
    weight, value = found["prompt"]
    assert weight == pytest.approx(2.5)
    assert torch.allclose(value, 0.8 * (1 - c[:, 0]) + 0.2 * (1 - c[:, 1]), atol=1e-6)
    weight, value = found["negative"]
    assert weight == pytest.approx(-1.0)
    assert torch.allclose(value, 0.1 * (1 - c[:, 2]) + 0.3 * (1 - c[:, 3]) + 0.6 * (1 - c[:, 4]), atol=1e-6)


def test_spherical_terms() -> None:
    encoder = Words()
    found = losses(encoder, recipe(negative="text:1", score="spherical"), Pictures(target=picture(1)))
    c = similarities(encoder, "a frog", "text")
    assert list(found) == ["prompt", "negative", "target"]
    assert torch.allclose(found["prompt"][1], c[:, 0].acos().square() / 2, atol=1e-5)
    assert torch.allclose(found["negative"][1], c[:, 1].acos().square() / 2, atol=1e-5)
    with torch.no_grad():
        near = (encoder.encode_images(IMAGES) @ encoder.encode_images(picture(1)).T)[:, 0]
    assert torch.allclose(found["target"][1], near.acos().square() / 2, atol=1e-5)


def test_negatives_are_rivals_when_contrasted() -> None:
    encoder = Words()
    made = recipe(prompt="a frog | fog:-0.5", negative="text", against="a toad:2", score="contrastive")
    found = losses(encoder, made)
    assert list(found) == ["prompt"]
    logits = encoder.logit_scale * similarities(encoder, "a frog", "fog", "text", "a toad")
    logits += torch.tensor([1, 0.5, 0.3, 2]).log()
    expected = functional.cross_entropy(logits, torch.zeros(2, dtype=torch.long), reduction="none")
    assert torch.allclose(found["prompt"][1], expected, atol=1e-4)


def test_pictures_join_in_and_embeddings_are_made_once() -> None:
    encoder = Words()
    pictures = Pictures(target=picture(1), style=picture(2))
    made = recipe(target_weight=0.5, style_weight=-0.25, score="contrastive", against="b")
    objective = guide(plan(made, encoder, pictures), encoder)
    asked = len(encoder.batches), len(encoder.texts)
    terms = {term.name: term for term in objective.evaluate(IMAGES)}
    objective.evaluate(IMAGES)
    assert (len(encoder.batches), len(encoder.texts)) == (asked[0] + 2, asked[1])
    assert [(name, term.weight) for name, term in terms.items()] == [("prompt", 1), ("target", 0.5), ("style", -0.25)]
    with torch.no_grad():
        near = (encoder.encode_images(IMAGES) @ encoder.encode_images(picture(2)).T)[:, 0]
    assert torch.allclose(terms["style"].value, 1 - near, atol=1e-6)


def test_a_target_needs_no_prompt() -> None:
    pictures = Pictures(target=picture(1))
    assert list(losses(Words(), recipe(prompt="", **pictures.digests()), pictures)) == ["target"]


def test_the_way_between_two_prompts_has_a_direction_for_each_image() -> None:
    encoder = Words()
    made = recipe(prompt="a frog:2", prompt_to="a leaf | rain:-0.5", images=5, negative="text")
    found = losses(encoder, made, images=IMAGES[:1].expand(5, -1, -1, -1))
    assert list(found) == ["prompt", "negative"]
    with torch.no_grad():
        frog, leaf, rain = encoder.encode_text(["a frog", "a leaf", "rain"])
        image = encoder.encode_images(IMAGES[:1])[0]
    way = slerp(frog, functional.normalize(leaf - 0.5 * rain, dim=0), 5)
    assert found["prompt"][0] == 1.0
    assert torch.allclose(found["prompt"][1], 1 - way @ image, atol=1e-5)


def test_digests_of_pictures() -> None:
    pictures = Pictures(source=torch.cat([picture(1)] * 2), target=picture(2), mask=picture(3))
    assert pictures.digests() == {"target": pixel_digest(picture(2)), "mask": pixel_digest(picture(3))}


def test_guides_by_their_role() -> None:
    guides = recipe(prompt="a | b:-1", negative="c", against="d", score="contrastive").guides
    assert {role: [text for text, _ in prompts] for role, prompts in guides.by_role().items()} == {
        "prompt": ["a"],
        "negative": ["b", "c"],
        "against": ["d"],
    }


class TestUnknownWords:
    def test_are_gathered_from_all_prompts(self) -> None:
        made = recipe(prompt="a frog | a xyzzy leaf", negative="blur", against="a toad", score="contrastive")
        models = {"all": Words(), "few": Words(vocabulary="a frog leaf"), "less": Words(vocabulary="a frog blur")}
        assert unknown_words(made.guides, models) == {
            "few": ("xyzzy", "blur", "toad"),
            "less": ("xyzzy", "leaf", "toad"),
        }

    @pytest.mark.parametrize("prompt", ["xyzzy plugh", "frog | xyzzy", "🐸", "лягушка"])
    def test_a_prompt_that_nobody_knows_a_word_of_is_refused(self, prompt: str) -> None:
        with pytest.raises(StudioError, match=r"The model 'few' never saw any of the words in '.*', so nothing"):
            unknown_words(recipe(prompt=prompt).guides, {"few": Words(vocabulary="frog leaf")})

    def test_one_model_that_knows_is_enough(self) -> None:
        models = {"few": Words(vocabulary="frog"), "all": Words()}
        assert unknown_words(recipe(prompt="xyzzy").guides, models) == {"few": ("xyzzy",)}
        with pytest.raises(StudioError, match="The models 'few', 'less' never saw"):
            unknown_words(recipe(prompt="xyzzy").guides, {"few": models["few"], "less": Words(vocabulary="leaf")})

    def test_what_is_unwanted_may_be_unknown(self) -> None:
        made = recipe(prompt="frog", negative="xyzzy")
        assert unknown_words(made.guides, {"few": Words(vocabulary="frog")}) == {"few": ("xyzzy",)}


def test_prompts_that_are_not_read_to_their_end_have_a_warning() -> None:
    @dataclass
    class Count:
        warning: str

    class Short(Words):
        """Reads three words."""

        def count_tokens(self, text: str) -> Count:
            return Count(f"'{text}' is too long." if len(text.split()) > 3 else "")

    made = recipe(prompt="a frog | a frog on a leaf", negative="blur in the corners")
    expected = ("'a frog on a leaf' is too long.", "'blur in the corners' is too long.")
    assert reading_warnings(made.guides, {"all": Words(), "short": Short()}) == {"short": expected}
    assert reading_warnings(recipe().guides, {"short": Short()}) == {}


def test_cosines_to_everything_that_a_recipe_names() -> None:
    encoder, pictures = Words(), Pictures(style=picture(2))
    made = recipe(prompt="a frog:2 | fog:-0.1", negative="text", style_weight=0.5)
    entries = cosines(plan(made, encoder, pictures), encoder, IMAGES)
    assert [(entry["role"], entry["text"], entry["weight"]) for entry in entries] == [
        ("prompt", "a frog", 2.0),
        ("negative", "fog", -0.1),
        ("negative", "text", -0.3),
        ("style", None, 0.5),
    ]
    expected = similarities(encoder, "a frog", "fog", "text").T.tolist()
    for entry, values in zip(entries, expected, strict=False):
        assert entry["cosines"] == pytest.approx(values, abs=1e-6)
