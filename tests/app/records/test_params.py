"""What jobs are told, by kind: those of every version are read, and what is missing is refused in words."""

import json
from typing import Any

import pytest

from app.records.params import (
    AttackParams,
    EvaluateParams,
    FolderParams,
    ImageParams,
    JobParams,
    MadeParams,
    TextParams,
    Wish,
)
from foundation.errors import StudioError
from generator.recipes.recipe import Recipe
from tests.foundation.jobs.old_data import old_records

KINDS: dict[str, type[MadeParams]] = {"text": TextParams, "image": ImageParams}
DIGEST = "d" * 64
ATTACK = Recipe(task="attack", models=("net",), objective="leave", norm="linf", eps=0.1)


def told(task: str = "attack", **more: Any) -> dict[str, Any]:
    recipe = ATTACK if task == "attack" else Recipe(task="text", prompt="a frog")
    return {"recipe": recipe.model_dump(mode="json"), **more}


def test_parameters_of_an_old_data_directory_are_read() -> None:
    """Their recipes lack what came since, and nothing says whether the files carry them: all did."""
    records = {record["title"]: record for record in old_records().values()}
    without_photo = records.pop("attack towards ship")  # it failed then, too
    with pytest.raises(StudioError, match="'source'"):
        AttackParams.asked(without_photo["params"])
    for record in records.values():
        asked = KINDS[record["kind"]].asked(record["params"])
        assert asked.with_recipe is True and "with_recipe" not in asked.to_json()
        assert asked.to_json().keys() == record["params"].keys()


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        (ImageParams, {}, "The setting 'recipe' is not valid: it is missing."),
        (TextParams, told(), "This recipe is for the task 'attack', not 'text': submit it as that."),
        (TextParams, {"recipe": {"colour": 1}}, "colour must be 'rgb' or 'decorrelated', not 1."),
        (AttackParams, told(), "The setting 'source' is not valid: it is missing."),
        (AttackParams, told(source=DIGEST, with_recipe=1), "'with_recipe' is true or false, not 1."),
        (AttackParams, told(source=DIGEST, explore={"survivals": 5}), "The setting 'survivals' is not valid"),
        (AttackParams, told(source=DIGEST, describe={"samples": 99}), "it takes numbers from 1 to 10."),
        (FolderParams, told(), "The setting 'folder' is not valid: it is missing."),
        (FolderParams, told(folder={"photos": []}), "The setting 'photos' is not valid"),
        (EvaluateParams, {}, "The setting 'config' is not valid: it is missing."),
        (EvaluateParams, {"config": {"model": "net"}}, "The setting 'data' is not valid"),
        (EvaluateParams, {"config": {"model": "n", "data": "d"}, "images": [{"digest": DIGEST}]}, "'images.0.label'"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_refused_in_words(
    kind: type[JobParams], params: dict[str, Any], words: str
) -> None:
    with pytest.raises(StudioError) as refused:
        kind.asked(params)
    assert words in str(refused.value)


def test_what_is_kept_says_all_that_was_asked() -> None:
    asked = AttackParams(recipe=ATTACK, source=DIGEST, explore=Wish(label="frog"))
    kept = json.loads(json.dumps(asked.to_json()))
    assert kept == {
        **told(source=DIGEST),
        "explore": {"victims": [], "labels": "cifar10", "captions": [], "survivals": [], "label": "frog"},
    }
    assert AttackParams.asked(kept) == asked


@pytest.mark.parametrize("odd", ["", None, 7, ["x"]])
def test_what_is_no_digest_is_that_of_no_picture(odd: object) -> None:
    """The uploads refuse it in words, like one that is gone."""
    assert AttackParams.asked(told(source=odd)).source == ("" if not odd else str(odd))
    assert not TextParams.asked(told("text")).mask
