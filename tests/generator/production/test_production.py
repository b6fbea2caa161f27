import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.distance import l2, linf
from foundation.images.files import load_image, quantise, read_metadata, to_tensor
from foundation.protocols import Classifier
from generator.optimisers.loop import DivergedError, Step
from generator.production.production import INDEX_KEY, output_paths, predict, produce
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.victims.victims import classifier_victim
from tests.generator.standins import BreaksAfter, Colours, LayeredColours, NoisyColours, Words, rng


def recipe(**fields: Any) -> Recipe:
    defaults: dict[str, Any] = {
        "models": ("colours",),
        "classes": ("red",),
        "size": (16, 24),
        "resolutions": "1..4,8",
        "steps": 5,
        "learning_rate": 0.3,
    }
    return Recipe(**(defaults | fields))


def attack(**fields: Any) -> Recipe:
    return recipe(**({"task": "attack", "norm": "linf", "eps": 8 / 255, "learning_rate": 3.0} | fields))


def photo() -> Tensor:
    return quantise(torch.rand(1, 3, 18, 30, generator=rng()))


def make(made: Recipe, folder: Path, model: Classifier | None = None, **keywords: Any) -> Any:
    outputs = output_paths(folder / "x.png", made.images)
    return produce(made, {"colours": model or LayeredColours()}, outputs=outputs, **keywords)


class TestNames:
    def test_one_and_several(self, tmp_path: Path) -> None:
        one, two = output_paths(tmp_path / "x.png", 1), output_paths(tmp_path / "x.png", 2)
        assert [p.name for p in one.images] == ["x.png"] and one.record.name == "x.json"
        assert [p.name for p in two.images] == ["x-1.png", "x-2.png"] and two.record.name == "x.json"

    def test_a_folder(self, tmp_path: Path) -> None:
        assert output_paths(tmp_path / "new", 1).images == (tmp_path / "new" / "image.png",)

    def test_another_format_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(StudioError, match=r"ends in \.png, not 'x.jpg'"):
            output_paths(tmp_path / "x.jpg", 1)


class TestFiles:
    def test_the_picture_carries_a_recipe_that_makes_it_again(self, tmp_path: Path) -> None:
        first = make(recipe(), tmp_path / "a", NoisyColours())
        path = first.outputs.images[0]
        assert Recipe.from_png(path) == first.recipe
        again = make(Recipe.from_png(path), tmp_path / "b", NoisyColours())
        assert again.outputs.images[0].read_bytes() == path.read_bytes()

    def test_record(self, tmp_path: Path) -> None:
        result = make(recipe(images=2), tmp_path)
        record = json.loads((tmp_path / "x.json").read_text())
        assert record == json.loads(json.dumps(result.record.to_json()))
        assert record["recipe"] == json.loads(result.recipe.to_json())
        assert (record["stopped"], record["error"], record["steps_asked"]) == (False, None, 5)
        assert record["losses"].keys() == {"negative logit", "log-sum-exp", "total"}
        assert np.shape(record["losses"]["total"]) == (5, 2)
        assert [facts["file"] for facts in record["images"]] == ["x-1.png", "x-2.png"]
        assert [facts["seed"] for facts in record["images"]] == [0, 1]
        assert record["device"] == "cpu" and record["versions"]["torch"] == torch.__version__
        assert sorted(p.name for p in tmp_path.iterdir()) == ["x-1.png", "x-2.png", "x.json"]

    def test_images_of_a_batch_say_which_they_are(self, tmp_path: Path) -> None:
        paths = make(recipe(images=2), tmp_path).outputs.images
        assert [read_metadata(path)[INDEX_KEY] for path in paths] == ["1 of 2", "2 of 2"]
        assert INDEX_KEY not in read_metadata(make(recipe(), tmp_path).outputs.images[0])

    def test_measures_the_saved_file(self, tmp_path: Path) -> None:
        model = LayeredColours()
        result = make(attack(images=2), tmp_path, model, pictures=Pictures(photo()))
        for path, facts in zip(result.outputs.images, result.record.to_json()["images"], strict=True):
            saved = to_tensor(load_image(path))
            assert facts["linf"] == linf(saved, photo()).item() <= 8 / 255 + 1e-6
            assert facts["l2"] == l2(saved, photo()).item() > 0
            assert facts["after"]["colours"] == predict(model, saved).to_json()
            assert facts["before"]["colours"] == predict(model, photo()).to_json()

    @pytest.mark.parametrize(("norm", "eps"), [("linf", 2.5 / 255), ("l2", 0.3)])
    def test_rounding_to_8_bits_keeps_the_budget(self, norm: str, eps: float, tmp_path: Path) -> None:
        facts = make(attack(norm=norm, eps=eps), tmp_path, pictures=Pictures(photo())).record.to_json()["images"][0]
        assert 0 < facts[norm] <= eps + 1e-6

    def test_before_of_a_class_picture_is_its_start(self, tmp_path: Path) -> None:
        facts = make(recipe(steps=20), tmp_path).record.to_json()["images"][0]
        assert facts["before"]["colours"]["top"][0]["probability"] < 0.6
        assert facts["after"]["colours"]["top"][0]["class"] == "red"
        assert facts["success"] == {"colours": True}
        assert "linf" not in facts

    def test_success_of_leaving(self, tmp_path: Path) -> None:
        free = {"norm": "none", "eps": 0.0, "objective": "leave", "classes": (), "learning_rate": 0.3}
        facts = make(attack(**free, steps=20), tmp_path, pictures=Pictures(photo())).record.to_json()["images"][0]
        assert facts["success"] == {"colours": True}
        held = attack(objective="leave", classes=("red",), eps=1 / 255, steps=1)
        red = quantise(torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 18, 30))
        assert make(held, tmp_path, pictures=Pictures(red)).record.to_json()["images"][0]["success"] == {
            "colours": False
        }


class TestTexts:
    def text(self, **fields: Any) -> Recipe:
        return recipe(**({"task": "text", "models": ("words",), "prompt": "a frog", "classes": ()} | fields))

    def make(self, made: Recipe, folder: Path, model: Words | None = None, **keywords: Any) -> Any:
        outputs = replace(output_paths(folder / "x.png", made.images), overview=folder / "all.png")
        models = {"words": model or Words(), "colours": Colours()}
        return produce(made, models, outputs=outputs, **keywords)

    def test_the_record_has_the_cosines_of_the_saved_file(self, tmp_path: Path) -> None:
        encoder, style = Words(), photo()
        made = self.text(images=2, negative="text", steps=15)
        result = self.make(made, tmp_path, encoder, pictures=Pictures(style=style))
        assert result.record.to_json()["losses"].keys() == {"prompt", "negative", "style", "total"}
        with torch.no_grad():
            frog, text = encoder.encode_text(["a frog", "text"])
            for path, facts in zip(result.outputs.images, result.record.to_json()["images"], strict=True):
                (prompt, negative, of_style) = facts["cosines"]["words"]
                embedding = encoder.encode_images(to_tensor(load_image(path)))[0]
                assert prompt["after"] == pytest.approx((embedding @ frog).item(), abs=1e-6)
                assert negative["after"] == pytest.approx((embedding @ text).item(), abs=1e-6)
                assert (prompt["role"], prompt["text"], prompt["weight"]) == ("prompt", "a frog", 1.0)
                assert (negative["role"], negative["weight"]) == ("negative", -0.3)
                assert (of_style["role"], of_style["text"]) == ("style", None)
                assert prompt["after"] > prompt["before"]
                assert facts["before"] == facts["after"] == facts["success"] == {}
        assert json.loads((tmp_path / "x.json").read_text())["images"] == result.record.to_json()["images"]

    def test_the_picture_repeats_itself(self, tmp_path: Path) -> None:
        mask = torch.zeros(1, 3, 18, 30)
        mask[..., 4:, 7:] = 1
        pictures = Pictures(source=photo(), target=photo().flip(3), mask=mask)
        first = self.make(self.text(prompt_to="a leaf", images=3, tile=True), tmp_path / "a", pictures=pictures)
        path = first.outputs.images[1]
        again = self.make(Recipe.from_png(path), tmp_path / "b", pictures=pictures)
        assert again.outputs.images[1].read_bytes() == path.read_bytes()
        assert "linf" in first.record.to_json()["images"][0]

    def test_an_overview_shows_all_images(self, tmp_path: Path) -> None:
        way = self.make(self.text(prompt_to="a leaf", images=3), tmp_path / "way")
        with Image.open(way.outputs.overview) as overview:
            assert overview.size == (3 * 24 + 2 * 4, 16)
            first = np.asarray(overview)[:, :24]
        assert np.array_equal(first, np.asarray(load_image(way.outputs.images[0])))
        assert Recipe.from_png(way.outputs.overview) == way.recipe
        seeds = self.make(self.text(images=3), tmp_path / "seeds")
        with Image.open(seeds.outputs.overview) as overview:
            assert overview.height > 16 + 8

    def test_unknown_words_and_classifiers(self, tmp_path: Path) -> None:
        made = self.text(models=("words", "colours"), prompt="a xyzzy frog", classes=("red",), class_weight=3.0)
        result = self.make(made.with_changes(steps=20), tmp_path, Words(vocabulary="a frog"))
        facts = result.record.to_json()["images"][0]
        assert result.record.to_json()["unknown_words"] == {"words": ["xyzzy"]}
        assert facts["success"] == {"colours": True} and list(facts["cosines"]) == ["words"]


class TestStopping:
    def test_keeps_what_there_is(self, tmp_path: Path) -> None:
        seen: list[int] = []
        result = make(
            recipe(steps=100),
            tmp_path,
            on_step=lambda step: seen.append(step.index),
            should_stop=lambda: len(seen) == 3,
        )
        assert result.stopped and result.record.to_json()["stopped"]
        assert seen == [1, 2, 3]
        assert result.recipe.steps == 3 and result.record.to_json()["steps_asked"] == 100
        again = make(result.recipe, tmp_path / "again")
        assert again.outputs.images[0].read_bytes() == result.outputs.images[0].read_bytes()

    def test_an_exception_of_the_caller_saves_nothing(self, tmp_path: Path) -> None:
        class Discarded(Exception):
            pass

        def throw(_step: Step) -> None:
            raise Discarded

        with pytest.raises(Discarded):
            make(recipe(), tmp_path, on_step=throw)
        assert list(tmp_path.iterdir()) == []

    def test_divergence_saves_the_last_good_picture_and_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(DivergedError, match="learning rate"):
            make(recipe(views_per_step=1, views="identity"), tmp_path, BreaksAfter(3), on_done=pytest.fail)
        record = json.loads((tmp_path / "x.json").read_text())
        assert "learning rate" in record["error"]
        assert Recipe.from_png(tmp_path / "x.png").steps == 2
        assert len(record["losses"]["total"]) == 3
        assert record["images"][0]["success"] == {"colours": False}
        assert record["images"][0]["after"]["colours"]["top"][0]["probability"] is None

    def test_divergence_at_the_start_saves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(DivergedError):
            make(recipe(), tmp_path, BreaksAfter(0))
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="cannot be made"):
        make(recipe(steps=1), tmp_path / "file")


def test_the_number_of_names_must_fit(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="one file for each of 2"):
        produce(recipe(images=2), {"colours": Colours()}, outputs=output_paths(tmp_path / "x.png", 1))


def test_two_who_ask_hear_the_same() -> None:
    """U10: one quantity by one rule, for random models too, whatever was asked before."""
    for model in (NoisyColours(), Colours(), LayeredColours()):
        model(photo())
        said = predict(model, photo()).to_json()
        victim = classifier_victim("a victim", model)
        victim.look(torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1)))
        (verdict,) = victim.look(photo())
        assert [(one["class"], one["probability"]) for one in said["top"]] == [
            (guess.label, guess.confidence) for guess in verdict.top[: len(said["top"])]
        ]
        assert (said["draws"], said["agreement"]) == (verdict.draws, verdict.agreement)
        assert [one["top"][0]["class"] for one in said["readouts"]] == [one.label for one in verdict.readouts]


def test_predict_averages_draws() -> None:
    red = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 6, 8)
    said = predict(LayeredColours(), red, draws=2).to_json()
    assert said["top"][0]["class"] == "red" and len(said["top"]) == 4
    assert sum(entry["probability"] for entry in said["top"]) == pytest.approx(1)
    assert (said["agreement"], said["draws"]) == (1.0, 2)
    # the early read-out has its classes in reverse order
    assert [(r["readout"], r["top"][0]["class"]) for r in said["readouts"]] == [("early", "grey"), ("final", "red")]
    assert [len(r["top"]) for r in said["readouts"]] == [4, 4]
    assert predict(Colours(), red).readouts == ()

    class Undecided(NoisyColours):
        def with_seed(self, seed: int) -> "Undecided":
            return type(self)(seed)

        def forward(self, images: Tensor) -> Tensor:
            draw = torch.randint(2, (1,), generator=self.rng).item()
            return torch.tensor([[3.0, 2.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])[int(draw)][None]

    said = predict(Undecided(), red, draws=200).to_json()
    share = said["agreement"]
    assert said["top"][0]["class"] in ("red", "green") and 0.35 < share < 0.65
