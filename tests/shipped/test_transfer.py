"""The transfer table of the shipped models against a slow recomputation from the saved files.

What recomputes it shares nothing with the table but the weights: files are opened by Pillow, the CLIP is open_clip's
with its own tokenizer and preprocessing of Pillow images, and classifiers are asked one picture at a time.
"""

import functools
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from foundation.files.shipped import ASSETS
from generator.classes.labels import TEMPLATES
from tests.forking import COMPILER, Forking
from tests.loading import load_model

pytestmark = pytest.mark.slow

PHOTO = ASSETS / "examples" / "ship.png"
CLASSIFIERS = ("crossmax-cifar10", "crossmax-plain-cifar10", "undefended-cifar10")
RANDOM, DRAWS = "crossmax-plain-cifar10", 24
"""The one that draws random numbers, whose answers are means over a few draws in the table, and over so many here."""
ATTACKS = (*CLASSIFIERS, "tiny-clip")
GENERATOR = """
import generator.__main__
assert generator.__main__.run() == 0
"""
Ask = Callable[[Image.Image], dict[str, float]]


def classifier(name: str) -> Ask:
    model = load_model(name)

    @torch.no_grad()
    def ask(picture: Image.Image) -> dict[str, float]:
        pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
        passes = [model(pixels)[0].softmax(0) for _ in range(DRAWS if name == RANDOM else 1)]
        return dict(zip(model.class_names, torch.stack(passes).mean(0).tolist(), strict=True))

    return ask


def clip(labels: tuple[str, ...]) -> Ask:
    name = f"local-dir:{ASSETS / 'tiny-clip'}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()

    rows = []
    with torch.no_grad():
        for label in labels:
            named = f"{'an' if label[0] in 'aeiou' else 'a'} {label}"
            texts = [template.replace("{a}", named).replace("{name}", label) for template in TEMPLATES]
            rows.append(model.encode_text(tokenizer(texts), normalize=True).mean(0))
    directions = torch.nn.functional.normalize(torch.stack(rows), dim=1)

    @torch.no_grad()
    def ask(picture: Image.Image) -> dict[str, float]:
        seen = model.encode_image(preprocess(picture)[None], normalize=True)
        logits = model.logit_scale.exp() * seen @ directions.T
        return dict(zip(labels, logits[0].softmax(0).tolist(), strict=True))

    return ask


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def recompressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=75)
    return Image.open(file).convert("RGB")


@pytest.fixture(scope="module")
def report(forking: Forking, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("transfer")
    Image.open(PHOTO).convert("RGB").resize((150, 100)).save(folder / "ship.jpg", quality=95)
    words = ["transfer", str(folder / "ship.jpg"), "--out", str(folder / "out"), "--matrix"]
    words += [flag for name in ATTACKS for flag in ("--victim", name)]
    words += ["--class", "truck", "--prompt", "a truck", "--steps", "20", "--eps", "0.1", "--survival", "jpeg-75"]
    forking.need("generator.cli.main", "robust_model.zoo.catalogue", "torchvision.models", "open_clip", COMPILER)
    forking.run(GENERATOR, *words, "--device", "cpu", "--quiet")
    return folder / "out", json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))


def test_the_table_is_what_the_files_say(report: tuple[Path, dict[str, Any]]) -> None:
    folder, found = report
    labels = load_model(CLASSIFIERS[0]).class_names
    asked = {name: classifier(name) for name in CLASSIFIERS} | {"tiny-clip=cifar10": clip(labels)}
    files = {image["attack"]: (folder / image["photo"], folder / image["attacked"]) for image in found["images"]}
    assert set(files) == set(ATTACKS)

    @functools.cache
    def answer(victim: str, path: Path, survival: str) -> dict[str, float]:
        picture = Image.open(path).convert("RGB")
        return asked[victim](recompressed(picture) if survival == "jpeg-75" else picture)

    seen = set()
    for row in found["rows"]:
        photo, attacked = files[row["attack"]]
        assert size(photo) == size(attacked) == (150, 100)
        answers = [answer(row["victim"], photo, "saved"), answer(row["victim"], attacked, row["survival"])]
        near = 0.2 if row["victim"] == RANDOM else 0.02
        for said, ours in zip((row["before"], row["after"]), answers, strict=True):
            label = max(ours, key=ours.__getitem__)
            close = sorted(ours.values())[-1] - sorted(ours.values())[-2] < near
            assert said["label"] == label or close, (row, ours)
            assert said["confidence"] == pytest.approx(ours[said["label"]], abs=near)
        assert row["share_after"] == pytest.approx(answers[1]["truck"], abs=near)
        seen.add((row["attack"], row["victim"], row["survival"]))
    assert len(seen) == len(found["rows"]) == 4 * 4 * 2
    own = [row for row in found["rows"] if row["victim"].split("=")[0] == row["attack"] and row["survival"] == "saved"]
    assert sum(row["outcome"] == "success" for row in own) >= 2, [(r["attack"], r["outcome"]) for r in own]


def test_the_budget_holds_on_every_file(report: tuple[Path, dict[str, Any]]) -> None:
    folder, found = report
    for image in found["images"]:
        photo, attacked = (
            np.asarray(Image.open(folder / image[key]).convert("RGB"), int) for key in ("photo", "attacked")
        )
        assert 0 < np.abs(photo - attacked).max() == round(255 * image["distances"]["linf"])
