"""The shipped CLIP: it fits its promises, reads past words that it doesn't know, and draws what it is told."""

import json
import shutil
from pathlib import Path

import open_clip
import pytest
import torch
from torch import Tensor

from clip_model.export import write_card
from generator.recipes.presets import from_preset
from generator.synthesis.synthesis import synthesise
from robust_model.zoo.catalogue import open_catalogue
from tests.loading import load_model

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "tiny-clip"
VOCABULARY = json.loads((FOLDER / "vocabulary.json").read_text(encoding="utf-8"))
THINGS = [thing["names"][0] for thing in VOCABULARY["things"]]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory):
    return open_catalogue(downloads=tmp_path_factory.mktemp("cache")).load("tiny-clip")


def drawn(clip, prompt: str, **changes: object) -> Tensor:
    synthesis = synthesise(from_preset("text", "fast", prompt=prompt, seed=1, **changes), {"tiny-clip": clip})
    for _ in synthesis.steps:
        pass
    return synthesis.prior.render().detach()


def test_it_is_small_and_its_card_says_what_was_measured() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 25e6
    report = json.loads((FOLDER / "evaluation.json").read_text(encoding="utf-8"))
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "CIFAR-10 (JPEG)" in card
    for found in report["data"].values():
        assert f"{found['top1']:.1%}" in card
    assert all(name in card for name in ("goldfish", "school bus", "frog"))


def test_its_card_is_what_the_facts_beside_it_make(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(FOLDER, tmp_path / "tiny-clip"))
    write_card(copy)
    assert (copy / "README.md").read_bytes() == (FOLDER / "README.md").read_bytes()


def test_open_clip_itself_loads_it() -> None:
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{FOLDER}")
    assert preprocess.transforms[0].size == 64
    with torch.no_grad():
        tokens = open_clip.get_tokenizer(f"local-dir:{FOLDER}")(["a goldfish"])
        assert model.eval().encode_text(tokens, normalize=True).norm() == pytest.approx(1, abs=1e-5)


def test_words_it_never_saw_are_named_and_do_not_disturb(clip) -> None:
    assert clip.unknown_words("a majestic goldfish by Rembrandt") == ("majestic", "by", "Rembrandt")
    plain = clip.encode_text(["a goldfish", "a school bus", "pizza"])
    strange = clip.encode_text(["a majestic goldfish", "a gloomy school bus", "rembrandt pizza"])
    assert (plain * strange).sum(1).min() > 0.9
    assert (strange @ plain.T).argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("thing", ["goldfish", "school bus", "pizza", "lemon"])
def test_a_picture_is_nearest_to_its_prompt_among_all_things(clip, thing: str) -> None:
    texts = clip.encode_text([f"a photo of a {name}" for name in THINGS])
    order = (clip.encode_images(drawn(clip, f"a {thing}")) @ texts.T)[0].argsort(descending=True).tolist()
    assert THINGS[order[0]] == thing


def test_colours_in_a_prompt_show(clip) -> None:
    red, blue = (drawn(clip, f"a {colour} sports car").mean(dim=(0, 2, 3)) for colour in ("red", "blue"))
    assert red[0] - red[2] > blue[0] - blue[2] + 0.1


def test_a_classifier_that_had_no_part_in_it_recognises_the_pictures(clip) -> None:
    judge, seen = load_model("crossmax-cifar10"), {}
    for name in ("airplane", "frog", "ship", "horse"):
        seen[name] = judge.class_names[int(judge(drawn(clip, f"a {name}")).argmax())]
    assert sum(name == said for name, said in seen.items()) >= 3, seen
