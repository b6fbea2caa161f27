"""Suites keep to their budgets, and attacks that cannot be are refused."""

import pytest

from foundation.errors import StudioError
from robust_model.attacks import PgdConfig
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.suites import SUITES, Budget, suite_attacks
from tests.robust_model.evaluated import EPS, Coin, Known, evaluate_model, images


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("model", [Known(), Coin()])
def test_every_suite_keeps_to_its_budget_and_names_its_attacks_apart(name: str, model: Known | Coin) -> None:
    attacks = suite_attacks((name,), Budget(0.02, 7, 2, 3 if model.random else 1), model)
    assert attacks and all(attack.eps == 0.02 for attack in attacks)
    assert len({attack.name for attack in attacks}) == len(attacks)
    assert SUITES[name].title and SUITES[name].description
    evaluate_config = EvalConfig(model="m", data="d", suites=(name,))
    assert EvalConfig.model_validate_json(evaluate_config.model_dump_json()) == evaluate_config


GOING_ON = PgdConfig(source="defence", loss="margin", eps=EPS, steps=10, restarts=1, continues=True)


def test_attacks_that_cannot_be_are_refused() -> None:
    for changes, words in [
        ({"attacks": (PgdConfig(eps=0.3),)}, "another eps"),
        ({"attacks": (GOING_ON,)}, "put that one before it"),
        ({"attacks": (), "suites": ("nonsense",)}, "no suite 'nonsense'"),
        ({"attacks": (), "suites": ()}, "at least one suite"),
        ({"attacks": (PgdConfig(eps=EPS, source="predictor 7"),)}, "Unknown source"),
    ]:
        with pytest.raises(StudioError, match=words):
            config = EvalConfig(model="linear", data="hand-made", count=0, eps=EPS, batch=2, **changes)
            evaluate_model(config, Known(), data=images())
