"""What the signs of gradient masking are read from, and what they are measured by.

A difference counts if an exact test puts it beyond chance (p < `ALPHA`) and it concerns at least `EFFECT` of the images
that are right when clean.
"""

from collections.abc import Callable
from dataclasses import dataclass

from robust_model.attacks import ATTACKS, AttackKind
from robust_model.evaluation.record.schema import AttackReport, EvaluationReport, Verdict
from robust_model.evaluation.record.values import Numbers

ALPHA = 0.01
"""The level of every test."""
EFFECT = 0.02
"""The smallest difference that counts, as a share of the images that are right when clean."""
CHANCE = 0.01
"""The share of images for which a gradient may vanish by accident."""
UPHILL = 0.9
"""The share of images on which a smooth defence's gradient leads uphill (see `diagnostics`)."""
LARGE_EPS = 0.5
"""The L-inf budget that makes every image constant grey, so that no defence can stand."""

Result = tuple[Verdict, str, Numbers]


@dataclass(frozen=True)
class Facts:
    """What the signs are read from: the report, and which images each attack broke.

    `images`: positions of the images that were right when clean and met every attack. `broken`: of these, by attack;
    of a cumulative attack (which meets only what those before it left standing), what it broke itself.
    """

    report: EvaluationReport
    images: frozenset[int]
    broken: dict[str, frozenset[int]]

    @property
    def attacks(self) -> list[AttackReport]:
        """The report's attacks, those with results per image."""
        return [a for a in self.report.attacks if a.name in self.broken]

    def of_kinds(self, which: Callable[[AttackKind], bool]) -> list[AttackReport]:
        """The attacks of some kinds."""
        return [a for a in self.attacks if which(ATTACKS[a.config.kind])]

    def matters(self, difference: int, p: float) -> bool:
        """Whether a difference of so many images, with this p, is beyond chance and large enough."""
        return p < ALPHA and difference >= EFFECT * len(self.images)


def read_facts(report: EvaluationReport) -> Facts:
    """What the signs need of a report, complete or not."""
    rows = report.per_image
    images = frozenset(i for i, right in enumerate(rows.clean) if right and rows.counted[i])
    broken: dict[str, frozenset[int]] = {}
    before: frozenset[int] = frozenset()
    for attack in report.attacks:
        standing = rows.standing.get(attack.name)
        if standing is None:
            continue
        fallen = frozenset(i for i in images if not standing[i])
        broken[attack.name] = fallen - before if attack.cumulative else fallen
        before |= fallen
    return Facts(report, images, broken)


def share(count: int, total: int) -> str:
    """A count of images in words."""
    return f"{count} of {total} images ({count / max(1, total):.1%})"


def untested(needs: str) -> Result:
    """No verdict, and what one needs."""
    return "not tested", needs, {}


def verdict_of(yes: bool) -> Verdict:
    """The verdict of a test that was made."""
    return "found" if yes else "not found"
