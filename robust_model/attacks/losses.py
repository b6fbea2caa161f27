"""The losses that attacks maximise: logits [B, C] and labels [B] (and targets [B]) to one number per image, [B].

Sources: DLR and targeted DLR, Croce & Hein 2020 (arXiv 2003.01690), equations 6 and 7; the margin, Carlini & Wagner
2017. DLR does not change when the logits are shifted or scaled, so huge or tiny logits do not hide its gradient.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from foundation.errors import StudioError
from generator.objectives.classes import best_other

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

_TINY = 1e-12  # keeps DLR finite where all logits are equal


def _of(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None]).squeeze(1)


def cross_entropy(logits: Tensor, labels: Tensor, _targets: Tensor) -> Tensor:
    """-log softmax(z)_y."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor, _targets: Tensor) -> Tensor:
    """max over i != y of z_i, minus z_y: above zero exactly where the answer is wrong."""
    return best_other(logits, F.one_hot(labels, logits.shape[1]).bool()) - _of(logits, labels)


def targeted_margin(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """z_t - z_y."""
    return _of(logits, targets) - _of(logits, labels)


def dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The margin over (z_1st - z_3rd), the spread of the three largest logits. Needs three classes."""
    ordered = logits.topk(3, dim=1).values
    return margin(logits, labels, targets) / (ordered[:, 0] - ordered[:, 2] + _TINY)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """(z_t - z_y) over (z_1st - (z_3rd + z_4th) / 2). Needs four classes."""
    ordered = logits.topk(4, dim=1).values
    spread = ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2
    return targeted_margin(logits, labels, targets) / (spread + _TINY)


LOSSES: dict[str, Loss] = {
    "ce": cross_entropy,
    "margin": margin,
    "targeted": targeted_margin,
    "dlr": dlr,
    "targeted-dlr": targeted_dlr,
}
TARGETED = frozenset({"targeted", "targeted-dlr"})
CROSS_ENTROPY = "ce"
"""The loss that float32 can saturate: the others are differences of logits."""
_CLASSES_NEEDED = {"dlr": 3, "targeted-dlr": 4}


def check_classes(loss: str, classes: int) -> None:
    """A StudioError where the loss called `loss` is not defined for so few classes."""
    needed = _CLASSES_NEEDED.get(loss, 2)
    if classes < needed:
        raise StudioError(
            f"The loss '{loss}' needs at least {needed} classes, and the model has {classes}: "
            "use the loss 'margin' or 'ce'."
        )


def attack_loss(logits: Tensor, labels: Tensor, loss: str, targets: Tensor) -> Tensor:
    """The loss called `loss` [B], which the attack maximises, from logits [B, C]."""
    return LOSSES[loss](logits, labels, targets)
