"""Every attack by its kind, and the configuration of any of them: one in JSON is read by what its `kind` names here."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from typing import Annotated, Any, TypeAlias

import torch
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema
from torch import Tensor

from robust_model.attacks.apgd import APGD
from robust_model.attacks.autoattack import AUTOATTACK
from robust_model.attacks.base import AttackBase, AttackKind, AttackOutcome, Defence, Judge
from robust_model.attacks.pgd import PGD
from robust_model.attacks.square import SQUARE
from robust_model.networks.noise import Noise

ATTACKS: dict[str, AttackKind] = {"pgd": PGD, "apgd": APGD, "square": SQUARE, "autoattack": AUTOATTACK}
"""Every attack by the `kind` of its configuration."""


@lru_cache(maxsize=8)
def _any_of(configs: tuple[type[AttackBase], ...]) -> TypeAdapter[AttackBase]:
    """What reads any of these configurations, by its kind."""
    one: Any = configs[0] if len(configs) == 1 else Annotated[reduce(or_, configs), Field(discriminator="kind")]
    return TypeAdapter(one)


def _adapter() -> TypeAdapter[AttackBase]:
    return _any_of(tuple(kind.config for kind in ATTACKS.values()))


@dataclass(frozen=True)
class _ByKind:
    """Says that a value is the configuration of an attack; the registry is asked whenever one is judged."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Judge a value as the union of all configurations would."""
        return core_schema.no_info_plain_validator_function(self._judged)

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe it as that union."""
        return handler(_adapter().core_schema)

    def _judged(self, value: Any) -> AttackBase:
        return _adapter().validate_python(value)


AnyAttack: TypeAlias = Annotated[AttackBase, _ByKind()]
"""The configuration of an attack of any kind."""


def run_attack(
    defence: Defence,
    images: Tensor,
    labels: Tensor,
    config: AnyAttack,
    *,
    rng: torch.Generator,
    noise: Noise,
    judge: Judge,
    before: AttackOutcome | None = None,
) -> Iterator[AttackOutcome]:
    """Attack clean images [B, 3, H, W] with labels [B] as `config` says (see `AttackFunction`)."""
    attack = ATTACKS[config.kind].run
    return attack(defence, images, labels, config, rng=rng, noise=noise, judge=judge, before=before)


def attack_words(name: str) -> str:
    """What an attack of this name does, as a sentence; empty for a name that says so itself."""
    return next((words for kind in ATTACKS.values() if (words := kind.words(name))), "")
