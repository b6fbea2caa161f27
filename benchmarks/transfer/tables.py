"""The tables of docs/transfer.md: which methods, surrogates, victims, goals and budgets each of them has."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.transfer.methods import METHODS, NOISE
from benchmarks.transfer.running import Attack, Work
from generator.victims.survival import SAVED

LITES = ("lite0", "lite1", "lite2")
IMAGENET = (*LITES, "crossmax-imagenet64")
CIFAR10 = ("undefended-cifar10", "crossmax-plain-cifar10", "crossmax-cifar10")
OTHERS = ("crossmax-tiny64", *CIFAR10, "tiny-clip")
EVERYONE = (*IMAGENET, *OTHERS)
SURVIVALS = (SAVED, "jpeg-75", "jpeg-50", "half", "crop-90", "blur-1", "screenshot")
_FEW = ("transferable", "layers", "pixels", "mi-fgsm", "ti-di-mi")
_PAIRS = ("transferable", "pixels", "mi-fgsm")


@dataclass(frozen=True)
class Table:
    """A table: every set of surrogates (names joined by +) attacks by every method, and every victim is asked.

    Attributes:
        says: what it is, as its heading.
        levels: the budget, of 255.
        against: the method that all others are tested against.
    """

    says: str
    surrogates: tuple[str, ...] = ("lite0",)
    methods: tuple[str, ...] = (*METHODS, NOISE)
    victims: tuple[str, ...] = EVERYONE
    targeted: bool = False
    levels: int = 8
    survivals: tuple[str, ...] = (SAVED,)
    against: str = "transferable"

    def work(self, passes: int) -> Work:
        """What is to be done for it."""
        attacks = [
            Attack(tuple(together.split("+")), method, self.targeted, self.levels, passes)
            for together in self.surrogates
            for method in self.methods
            if not (method == NOISE and self.targeted)
        ]
        return Work(attacks, self.victims, self.survivals)


TABLES: Mapping[str, Table] = {
    "methods": Table("Every method, from Lite0, 8/255"),
    "survival": Table(
        "What survives, from Lite0, 8/255",
        methods=("transferable", "transferable, pixels", *_FEW[1:], "survival", NOISE),
        victims=LITES,
        survivals=SURVIVALS,
    ),
    "pairs": Table("All pairs, 8/255", surrogates=EVERYONE, methods=_PAIRS),
    "targeted": Table(
        "To a random class, from Lite0, 8/255",
        targeted=True,
        victims=IMAGENET,
        methods=tuple(METHODS),
    ),
    "methods-16": Table("Every method, from Lite0, 16/255", levels=16),
    "targeted-16": Table(
        "To a random class, from Lite0, 16/255",
        targeted=True,
        levels=16,
        victims=IMAGENET,
        methods=tuple(METHODS),
    ),
    "methods-4": Table("Every method, from Lite0, 4/255", levels=4, victims=IMAGENET),
}
"""Every table by its name on the command line, in the order in which they are worth having."""
