"""`attack` and the callables: budgets, success, the model as it was, the same pictures as the command line."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from crossmax_studio import AttackResult, LayerAttack, PixelAttack, Progress, Recipe, StudioError, attack
from foundation.files.shipped import ASSETS
from foundation.images.files import load_image, save_png, to_tensor
from generator.__main__ import run as run_command

Photos = tuple[Tensor, Tensor]
FAST = {"steps": 8, "resolutions": "1..4"}


def test_what_can_be_reached_is_and_what_cannot_is_not(network: nn.Module, photos: Photos) -> None:
    """A lead of 4 levels is overcome by changes of up to 8; one of 40 is not, however the 8 are spent."""
    images, labels = photos
    result = attack(network, images, labels, **FAST)
    assert result.before.tolist() == labels.tolist()
    assert result.success.tolist() == [True, False, True, False]
    assert result.after.tolist() == [1, 0, 0, 1]
    assert float(result.linf.max()) <= 8 / 255 + 1e-6 and not result.stopped
    torch.testing.assert_close(result.linf, (result.images - images).abs().double().amax((1, 2, 3)))
    torch.testing.assert_close(result.images * 255, (result.images * 255).round(), atol=1e-4, rtol=0)


def test_targeted_labels_are_reached_and_not_left(network: nn.Module, photos: Photos) -> None:
    images, labels = photos
    result = attack(network, images, 1 - labels, targeted=True, eps=30 / 255, **FAST)
    assert result.success.all() and result.after.tolist() == (1 - labels).tolist()


def test_no_image_depends_on_the_others(network: nn.Module, photos: Photos) -> None:
    images, labels = photos
    together = attack(network, images, labels, seed=3, **FAST).images
    alone = attack(network, images[2:3], labels[2:3], seed=3, **FAST).images
    assert torch.equal(together[2:3], alone)
    assert not torch.equal(attack(network, images, labels, seed=4, **FAST).images, together)


def test_the_network_is_left_as_it_was(network: nn.Module, photos: Photos) -> None:
    """In training mode, with a layer that is frozen: modes, requests for gradients, weights, statistics, the RNG."""
    network.train()
    head = next(module for module in network.children() if isinstance(module, nn.Linear))
    head.bias.requires_grad_(False)
    next(network.children()).eval()
    modes = [module.training for module in network.modules()]
    asked = [weight.requires_grad for weight in network.parameters()]
    state, rng = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    attack(network, *photos, **FAST)
    assert [module.training for module in network.modules()] == modes
    assert [weight.requires_grad for weight in network.parameters()] == asked
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), rng) and all(weight.grad is None for weight in network.parameters())


def test_a_network_sees_images_of_their_size_alone(photos: Photos) -> None:
    """The views of the preset crop; a network whose weights belong to pixels cannot take a crop as it is."""
    images, labels = photos
    seen: set[torch.Size] = set()
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 10 * 12, 2))
    network.register_forward_pre_hook(lambda _module, given: seen.add(given[0].shape[1:]))
    attack(network, images, labels, **FAST, enough=0.0)
    assert seen == {images.shape[1:]}


@pytest.mark.parametrize("kind", [LayerAttack, PixelAttack])
def test_callables_have_the_form_of_torchattacks(kind: type[LayerAttack], network: nn.Module, photos: Photos) -> None:
    images, labels = photos
    adversarial = kind(network, eps=8 / 255)(images, labels)
    assert adversarial.shape == images.shape and adversarial.dtype == torch.float32
    assert float((adversarial - images).abs().max()) <= 8 / 255 + 1e-6
    network.eval()
    assert network(adversarial).argmax(1).tolist() == [1, 0, 0, 1]
    led = kind(network, eps=30 / 255, targeted=True)
    assert network(led(images, torch.tensor([1, 1, 1, 0]))).argmax(1).tolist() == [1, 1, 1, 0]
    assert repr(led).startswith(f"{kind.__name__}(eps=0.1176, targeted=True")
    assert led.run(images, labels).recipes[0].perturbation == ("layers" if kind is LayerAttack else "pixel")


def test_progress_is_told_and_a_stop_keeps_what_there_is(network: nn.Module, photos: Photos) -> None:
    images, labels = photos
    heard: list[Progress] = []
    options = {**FAST, "enough": 0.0}
    attack(network, images, labels, on_progress=heard.append, **options)
    expected = [Progress(8 * image + step, 32, f"image {image + 1} of 4") for image in range(4) for step in range(1, 9)]
    assert heard == expected
    heard.clear()
    result: AttackResult = attack(
        network,
        images,
        labels,
        on_progress=heard.append,
        should_stop=lambda: len(heard) >= 11,
        **options,
    )
    assert len(heard) == 11 and result.stopped and result.steps == (8, 3, 0, 0)
    assert torch.equal(result.images[2:], images[2:]) and float(result.linf[1]) > 0


class Answers(nn.Module):
    """Gives the same answer to every image."""

    def __init__(self, answer: list[float], shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.answer, self.shape = torch.tensor(answer), shape

    def forward(self, images: Tensor) -> Tensor:
        return self.answer.expand(len(images), -1) + 0 * images.sum()


ONE = torch.full((1, 3, 8, 8), 0.5)
LABEL = torch.tensor([0])


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (ONE[0], LABEL, "images[None]"),
        (ONE[:, :1], LABEL, "[B, 3, H, W]"),
        (ONE[:0], LABEL[:0], "at least one"),
        (ONE * 255, LABEL, "divide 8-bit ones by 255"),
        (ONE - 1, LABEL, "let the model itself normalise"),
        ((ONE * 255).byte(), LABEL, "divide 8-bit ones by 255"),
        (ONE * float("nan"), LABEL, "NaN"),
        (ONE.numpy(), LABEL, "ndarray"),
        (ONE, [0], "not a list"),
        (ONE, LABEL.float(), "whole numbers"),
        (ONE, torch.tensor([0, 1]), "one for each image"),
        (ONE, torch.tensor([2]), "2 classes, 0 to 1, and a label is 2"),
        (ONE, torch.tensor([-1]), "a label is -1"),
        (ONE[..., :4, :4], LABEL, "8"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(images: Tensor, labels: Tensor, says: str, network: nn.Module) -> None:
    with pytest.raises(StudioError) as refused:
        attack(network, images, labels)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        (Answers([float("nan"), 0.0]), {}, "NaN or infinity"),
        (Answers([1.0]), {}, "two logits"),
        (nn.Conv2d(3, 2, 3), {}, "numbers, where"),
        (nn.Linear(7, 2), {}, "cannot take images"),
        (nn.Linear, {}, "not the class Linear"),
        ("no-such-model", {}, "no-such-model"),
        ("tiny-clip", {}, "knows no classes"),
        (Answers([1.0, 0.0]), {"classes": ("1",)}, "'classes' follows from"),
        (Answers([1.0, 0.0]), {"objective": "margin"}, "'objective' follows from"),
        (Answers([1.0, 0.0]), {"eps": -1.0}, "eps"),
        (Answers([1.0, 0.0]), {"stepz": 3}, "stepz"),
        (Answers([1.0, 0.0]), {"preset": "mild"}, "no preset 'mild'"),
    ],
)
def test_what_cannot_be_attacked_is_told(
    model: nn.Module | str, options: dict[str, object], says: str, home: Path
) -> None:
    with pytest.raises(StudioError) as refused:
        attack(model, ONE, LABEL, **options)
    assert says in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("targeted", [False, True])
def test_the_command_line_makes_the_same_picture(targeted: bool, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, name = ASSETS / "examples" / "ship.png", "truck" if targeted else "ship"
    images = to_tensor(load_image(photo))[..., :48, :40]
    save_png(images[0], home / "photo.png")
    aim = [] if targeted else ["--objective", "leave"]
    words = ["attack", "photo.png", "--model", "crossmax-plain-cifar10", "--class", name, "--seed", "5", *aim]
    monkeypatch.setattr(sys, "argv", ["generator", *words, "--steps", "3", "--device", "cpu", "--out", "x.png"])
    assert run_command() == 0
    label = torch.tensor([9 if targeted else 8])
    found = attack("crossmax-plain-cifar10", images, label, targeted=targeted, seed=5, steps=3, device="cpu")
    assert found.recipes == (Recipe.from_png(home / "x.png"),)
    assert torch.equal(found.images, to_tensor(load_image(home / "x.png")))
