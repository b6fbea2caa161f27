"""Which class a name means: names per model, numbers, loose spelling, synonyms; and what refuses the others."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from foundation.errors import StudioError
from generator.classes.class_names import (
    UnknownClassError,
    class_place,
    folded,
    join_names,
    meaning,
    nearest,
    several_names,
)
from generator.classes.labels import imagenet
from generator.classes.synonyms import imagenet_wordnet_ids, synonyms_of
from generator.recipes.recipe import Recipe
from generator.synthesis.named import named_classes, with_own_names
from generator.synthesis.objective import objective_of
from generator.synthesis.plan import plan_of
from generator.synthesis.synthesis import synthesise

IMAGENET = imagenet().labels
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Fixed(torch.nn.Module):
    """Logits that are the mean brightness times fixed numbers, one for each class."""

    def __init__(self, names: tuple[str, ...], factors: tuple[float, ...]) -> None:
        super().__init__()
        self.class_names = names
        self.factors = torch.tensor(factors)

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3))[:, None] * self.factors


SHARP, ROBUST = Fixed(("tabby", "cougar", "dog"), (3.0, -2.0, 0.5)), Fixed(("cat", "dog"), (5.0, 1.0))
MODELS = {"sharp": SHARP, "robust": ROBUST}


def recipe(*classes: str, **fields: object) -> Recipe:
    return Recipe(models=("sharp", "robust"), classes=classes, size=16, resolutions="1..4", steps=1, **fields)  # type: ignore[arg-type]


def places(made: Recipe) -> Mapping[str, tuple[int, ...]]:
    return named_classes(made, MODELS).places


def test_synonyms_are_those_of_wordnet_and_of_everyday_speech() -> None:
    assert "puma" in synonyms_of("cougar") and synonyms_of("tabby") == ("tabby cat",)
    assert "airplane" not in synonyms_of("plane")  # a carpenter's
    assert synonyms_of("automobile") == ("car", "motorcar") and synonyms_of("xyzzy") == ()
    assert "Cardigan Welsh corgi" in synonyms_of("Cardigan") and synonyms_of("cardigan") == ()  # a dog, and a garment
    ids = imagenet_wordnet_ids()
    assert len(set(ids)) == len(IMAGENET) and ids[IMAGENET.index("tabby")] == "n02123045"


def test_every_label_of_imagenet_means_itself() -> None:
    assert [class_place(IMAGENET, label) for label in IMAGENET[::50]] == list(range(0, 1000, 50))
    for label in ("crane", "crane bird", "Cardigan", "cardigan", "maillot", "polecat", "missile"):
        assert IMAGENET[class_place(IMAGENET, label)] == label  # though others have some of these as synonyms


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("puma", "cougar"),
        ("Mountain Lion", "cougar"),
        ("golden_retriever", "golden retriever"),
        ("cat | puma", "cougar"),
        ("tabby | cougar", "tabby"),
        ("281", "tabby"),
    ],
)
def test_what_a_name_means(written: str, meant: str) -> None:
    assert IMAGENET[class_place(IMAGENET, written)] == meant


def test_what_is_taken_for_another_name_is_told() -> None:
    def otherwise(names: tuple[str, ...], name: str) -> tuple[str, str] | None:
        return meaning(names, name).otherwise(names)

    assert otherwise(IMAGENET, "puma") == otherwise(IMAGENET, " cat | puma ") == ("puma", "cougar")
    assert [otherwise(IMAGENET, name) for name in ("cougar", " Cougar ", "286", "cat | cougar")] == [None] * 4
    assert otherwise(CIFAR10, "car") == ("car", "automobile")


def test_a_name_of_several_classes_is_refused() -> None:
    with pytest.raises(StudioError, match=r"'panther' can mean several classes: give '.*' \(\d+\) or '.*' \(\d+\)"):
        class_place(IMAGENET, "panther")


def test_a_refusal_names_the_model_and_the_nearest() -> None:
    with pytest.raises(UnknownClassError) as caught:
        class_place(IMAGENET, "cat", model="lite0")
    assert str(caught.value).startswith("The model 'lite0' knows no class 'cat'. The nearest that it knows are ")
    assert "'Egyptian cat'" in str(caught.value)
    with pytest.raises(UnknownClassError, match=r"knows no class 'tabby'\. It knows airplane, automobile"):
        class_place(CIFAR10, "tabby")
    assert nearest(IMAGENET, "golden retreiver")[0] == "golden retriever"  # a slip of the keys
    assert "tabby" in nearest(IMAGENET, "tabby kitten") and nearest(IMAGENET, "xyzzyqq") == ()


def test_lists_of_names() -> None:
    assert several_names(" tabby |cat|  ") == ("tabby", "cat") and join_names(("a", "b", "a")) == "a | b"
    assert class_place(("a | b", "b"), "a | b") == 0  # a class that is called so
    assert folded("Golden_Retriever") == "golden retriever" and folded("007") == "7"


def test_each_model_has_the_class_under_its_own_name() -> None:
    assert places(recipe("tabby | cat")) == {"sharp": (0,), "robust": (0,)}
    assert places(recipe("cat | tabby", "dog")) == {"sharp": (0, 2), "robust": (0, 1)}
    with pytest.raises(StudioError, match=r"'robust' knows no class 'tabby'.*list their names.*'tabby | cat'"):
        places(recipe("tabby"))
    with pytest.raises(StudioError, match=r"'cat \| tabby' is named already"):
        places(recipe("tabby | cat", "cat | tabby"))


def test_the_weighted_mean_of_the_models_counts() -> None:
    """By hand: brightness 0.5 gives the logits 1.5, -1, 0.25 and 2.5, 0.5; each loss is -z_cat + log(sum exp z) / 2."""
    first = -1.5 + math.log(math.exp(1.5) + math.exp(-1) + math.exp(0.25)) / 2
    second = -2.5 + math.log(math.exp(2.5) + math.exp(0.5)) / 2
    images = torch.full((2, 3, 4, 6), 0.5)

    def total(**fields: object) -> float:
        terms = objective_of(plan_of(recipe("tabby | cat", **fields), MODELS), MODELS).evaluate(images)
        return sum((term.weight * term.value for term in terms), torch.zeros(2))[1].item()

    assert total() == pytest.approx((first + second) / 2)
    assert total(model_weights=(1.0, 3.0)) == pytest.approx((first + 3 * second) / 4)
    assert total(model_weights=(5.0, 15.0)) == pytest.approx(total(model_weights=(1.0, 3.0)))


def test_equal_weights_make_the_picture_that_none_make() -> None:
    def drawn(**fields: object) -> Tensor:
        synthesis = synthesise(recipe("tabby | cat", **fields).with_changes(steps=3), MODELS)
        return [step.image() for step in synthesis.steps][-1]

    assert torch.equal(drawn(), drawn(model_weights=(2.0, 2.0)))
    assert not torch.equal(drawn(), drawn(model_weights=(1.0, 9.0))) or drawn().std() == 0


def test_the_recipe_of_a_picture_has_the_models_own_names() -> None:
    asked = recipe("puma | dog", objective="cross_entropy")
    assert named_classes(asked, MODELS).taken_for == {"sharp": {"puma": "cougar"}}
    made = synthesise(asked, MODELS).recipe
    assert made.classes == ("cougar | dog",)
    assert places(made) == places(asked)
    for name in ("tabby | cat", "DOG", "cat|0"):  # nothing to translate: as it was written
        assert with_own_names(recipe(name), MODELS, named_classes(recipe(name), MODELS)).classes == (name,)
