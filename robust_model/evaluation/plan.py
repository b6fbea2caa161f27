"""Which attacks run, in which order, on which images; and how a longer list goes on from a shorter one."""

import torch
from pydantic import BaseModel, ConfigDict

from foundation.errors import StudioError
from foundation.seeds import seed_of
from robust_model.attacks import AnyAttack


class PlannedAttack(BaseModel):
    """An attack's place in an evaluation. `name` is the attack's own, with a number where two would be alike.

    A `cumulative` one meets only the images that all before it left standing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    config: AnyAttack
    cumulative: bool = False

    @property
    def continues(self) -> bool:
        """Whether it starts from the last iterates of the attack before it."""
        return bool(getattr(self.config, "continues", False))


def chains(attacks: tuple[AnyAttack, ...]) -> list[tuple[AnyAttack, ...]]:
    """The attacks in order, each with those that continue it. The first can continue nothing: a StudioError."""
    found: list[list[AnyAttack]] = []
    for attack in attacks:
        if not getattr(attack, "continues", False):
            found.append([attack])
        elif found:
            found[-1].append(attack)
        else:
            raise StudioError(f"The attack '{attack.name}' continues another one; put that one before it.")
    return [tuple(chain) for chain in found]


def extend(plan: tuple[PlannedAttack, ...], attacks: tuple[AnyAttack, ...], cascade: bool) -> tuple[PlannedAttack, ...]:
    """The plan with those of the attacks that it lacks, after its own.

    What is added to a plan that has attacks meets only images that are still standing, and so do all with `cascade` and
    attacks that ask for it (`only_standing`).
    Two suites may share an attack: it is run once. An attack and those that continue it are one whole.
    """
    there = chains(tuple(planned.config for planned in plan))
    added: list[AnyAttack] = []
    for chain in chains(attacks):
        if not any(other[: len(chain)] == chain for other in there):
            there.append(chain)
            added += chain
    names = [planned.name for planned in plan]
    extended = list(plan)
    for attack in added:
        name, number = attack.name, 1
        while name in names:
            number += 1
            name = f"{attack.name} #{number}"
        names.append(name)
        only_standing = cascade or bool(getattr(attack, "only_standing", False))
        cumulative = bool(plan) or (only_standing and bool(extended))
        extended.append(PlannedAttack(name=name, config=attack, cumulative=cumulative))
    return tuple(extended)


def generator_of(*place: object) -> torch.Generator:
    """The generator of one place in an evaluation, such as (seed, batch, attack).

    Every unit of work draws from its own, so that results do not depend on where the work was interrupted.
    """
    return torch.Generator().manual_seed(seed_of("/".join(str(part) for part in place)))
