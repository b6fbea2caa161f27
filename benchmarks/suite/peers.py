"""Other packages that do the same work, where they are installed: none is needed, and none comes with the program."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor

from benchmarks.suite.measuring import Run, Side
from foundation import torchvision_cure  # noqa: F401 -- before those that import torchvision


@dataclass(frozen=True)
class Peer:
    """A package of PyPI: the version that was tried, what it is compared in, and what `pip install` takes for it."""

    version: str
    what: str
    install: str


PEERS = {
    "imstack": Peer("0.1.8", "a picture as a sum of layers that double", "imstack==0.1.8"),
    "torchattacks": Peer("3.5.1", "PGD", "--no-deps torchattacks==3.5.1"),
    "foolbox": Peer("3.3.4", "PGD", "foolbox==3.3.4"),
    "pyautoattack": Peer("0.2.0", "AutoAttack, by its authors", "pyautoattack==0.2.0"),
    "torch-lucent": Peer(
        "0.1.8", "pictures of classes", "--no-deps torch-lucent==0.1.8 kornia==0.4.1 decorator ipython traitlets"
    ),
}
"""By their names on PyPI. What pip brings along with two of them does not go with the pinned ones: torchattacks asks
for an old requests, and lucent for tools of its tests; neither needs them for this."""


def installed(name: str) -> str:
    """The version of a package that is here; "" if it is not."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def peer_side(package: str, make: Callable[[], Run], name: str = "") -> Side:
    """The side of a package; where it is not installed, one that says what brings it."""
    missing = "" if installed(package) else f"not installed: pip install {PEERS[package].install}"
    return Side(name or package, "peer", make, missing)


def torchattacks_pgd(model: torch.nn.Module, images: Tensor, labels: Tensor, eps: float, steps: int) -> Run:
    """PGD of torchattacks, with steps of a quarter of the budget."""
    import torchattacks

    attack = torchattacks.PGD(model, eps=eps, alpha=eps / 4, steps=steps)
    return lambda: attack(images, labels)


def foolbox_pgd(model: torch.nn.Module, images: Tensor, labels: Tensor, eps: float, steps: int) -> Run:
    """PGD of foolbox, with steps of a quarter of the budget."""
    import foolbox

    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=str(images.device))
    attack = foolbox.attacks.LinfPGD(abs_stepsize=eps / 4, steps=steps)
    return lambda: attack(wrapped, images, labels, epsilons=[eps])


def imstack_step(layers: int, base: int, gradient: Tensor, lr: float) -> Run:
    """A step of plain descent on a picture of imstack: layers of `base`, 2 `base`, ... cells, bilinear."""
    from imstack.core import ImStack

    side = gradient.shape[-1]
    stack = ImStack(n_layers=layers, base_size=base, scale=2, out_size=side, device=gradient.device)
    optimiser = torch.optim.SGD(stack.layers, lr=lr)

    def step() -> None:
        optimiser.zero_grad()
        stack().backward(gradient)
        optimiser.step()

    return step


def lucent_picture(network: torch.nn.Module, side: int, target: int, steps: int) -> Run:
    """A picture of a class by lucent, as it makes one unless told otherwise, but for its size and steps."""
    from lucent.optvis import param, render

    def run() -> None:
        render.render_vis(
            network, f"labels:{target}", lambda: param.image(side), thresholds=(steps,), progress=False,
            show_image=False,
        )  # fmt: skip

    return run
