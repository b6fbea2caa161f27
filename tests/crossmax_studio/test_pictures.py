"""`class_image`, `text_image`, the prior as a module, CrossMax, and what importing them costs."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import crossmax_studio
from crossmax_studio import MultiResolutionPrior, StudioError, class_image, crossmax, interface, text_image
from generator.__main__ import run as run_command
from generator.priors.bounds import Free
from generator.priors.making import make_prior
from generator.priors.operators import parse_resolutions

ROOT = Path(__file__).parents[2]


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["generator", *words, "--device", "cpu", "--quiet"])
    assert run_command() == 0


@pytest.mark.slow
def test_a_picture_of_a_class_is_the_file_of_the_command_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(
        monkeypatch,
        *("class", "--model", "crossmax-plain-cifar10", "--class", "ship", "--seed", "2", "--steps", "3"),
        *("--size", "24", "32", "--images", "2", "--out", "theirs.png"),
    )
    options = {"seed": 2, "steps": 3, "size": (24, 32), "images": 2}
    picture = class_image("crossmax-plain-cifar10", "ship", device="cpu", **options)
    picture.save("ours.png")
    for number in (1, 2):
        assert (home / f"ours-{number}.png").read_bytes() == (home / f"theirs-{number}.png").read_bytes()
    assert picture.images.shape == (2, 3, 24, 32) and picture.pil().size == (32, 24) and not picture.stopped


@pytest.mark.slow
def test_a_picture_of_a_text_is_the_file_of_the_command_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(monkeypatch, "text", "a frog", "--seed", "2", "--steps", "2", "--size", "32", "--out", "theirs.png")
    text_image("a frog", seed=2, steps=2, size=32, device="cpu").save("ours.png")
    assert (home / "ours.png").read_bytes() == (home / "theirs.png").read_bytes()


def test_a_network_of_ones_own_is_drawn_and_stopped(network: nn.Module) -> None:
    heard: list[int] = []
    red = class_image(
        network,
        "0",
        preset="quick",
        size=16,
        on_progress=lambda now: heard.append(now.done),
        should_stop=lambda: len(heard) == 10,
    )
    assert red.stopped and red.recipe.steps == 10 == heard[-1]
    means = red.images.mean((0, 2, 3))
    assert means[0] > means[1] + 0.05
    with pytest.raises(StudioError, match="whale"):
        class_image(network, "whale")


def test_a_network_of_one_size_draws_larger_pictures() -> None:
    """It sees 8 pixels a side, and every picture and view scaled to that."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    picture = class_image(network, "1", preset="quick", size=16, steps=3, image_size=8)
    assert picture.images.shape == (1, 3, 16, 16)
    with pytest.raises(StudioError, match="64 x 64"):
        class_image(network, "1", preset="quick", size=16, steps=3)


def test_the_prior_is_the_sum_of_its_layers() -> None:
    """The images of the same layers are those of the prior that pictures are made with; all layers learn."""
    size = (10, 14)
    prior = MultiResolutionPrior(size, "1,3,14", batch=2)
    assert torch.equal(prior(), torch.full((2, 3, *size), 0.5))
    reference = make_prior("layered", Free(), parse_resolutions("1,3,14", size), size, batch=2)
    with torch.no_grad():
        for layer, leaf in zip(prior.parameters(), reference.leaves(), strict=True):
            layer.normal_(generator=torch.Generator().manual_seed(1))
            leaf.copy_(layer)
    torch.testing.assert_close(prior(), reference.render())
    prior().square().sum().backward()
    assert all(layer.grad is not None and bool(layer.grad.abs().sum() > 0) for layer in prior.parameters())


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5)])
def test_the_prior_stays_near_a_photo_whatever_the_layers(norm: str, eps: float) -> None:
    photo = torch.rand(2, 3, 9, 8, generator=torch.Generator().manual_seed(0))
    prior = MultiResolutionPrior(photo=photo, eps=eps, norm=norm)
    torch.testing.assert_close(prior(), photo)
    with torch.no_grad():
        for layer in prior.parameters():
            layer.fill_(50.0)
    change = (prior().detach() - photo).flatten(1)
    length = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert bool((length <= eps + 1e-6).all()) and float(length.max()) > 0.5 * eps


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MultiResolutionPrior(), "need a size"),
        (lambda: MultiResolutionPrior((8, 8), "1..9"), "9"),
        (lambda: MultiResolutionPrior((8, 8), photo=torch.rand(1, 3, 9, 8)), "leave that out"),
        (lambda: MultiResolutionPrior(photo=torch.rand(1, 3, 9, 8), norm="l1"), "no norm 'l1'"),
        (lambda: MultiResolutionPrior(photo=2 + torch.rand(1, 3, 9, 8)), "[0, 1]"),
        (lambda: crossmax(torch.rand(4, 10)), "[B, N, C]"),
        (lambda: text_image("a frog", model="undefended-cifar10"), "reads"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(make: object, says: str, home: Path) -> None:
    assert callable(make)
    with pytest.raises(StudioError) as refused:
        make()
    assert says in str(refused.value)


def test_crossmax_of_three_predictors_by_hand() -> None:
    """Z'' of class 0: 0, -1, -4; of class 1: -3, 0, 0. The medians are -1 and 0."""
    logits = torch.tensor([[[3.0, 0.0], [1.0, 2.0], [0.0, 4.0]]])
    assert crossmax(logits).tolist() == [[-1.0, 0.0]]


def test_what_is_promised_is_there_and_nothing_is_loaded_before_it_is_used() -> None:
    assert sorted(interface.__all__) == sorted(crossmax_studio.__all__) == dir(crossmax_studio)
    for name in crossmax_studio.__all__:
        assert getattr(crossmax_studio, name) is getattr(interface, name)
    with pytest.raises(AttributeError, match="no attribute 'attacks'"):
        crossmax_studio.attacks  # noqa: B018
    code = "import sys, crossmax_studio, generator, robust_model; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
