"""The self-ensemble and the ensemble: one pass, any size, noise, shared weights, and errors in words."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from foundation.errors import StudioError
from foundation.protocols import LayeredClassifier
from robust_model.attacks import source_of
from robust_model.networks.crossmax import AGGREGATORS, crossmax
from robust_model.networks.ensemble import Ensemble, FreshNoise, FrozenNoise, ModelConfig, SelfEnsemble, SilentNoise
from robust_model.networks.stack import STACKS
from tests.robust_model.networks.small import NAMES, SMALL, pictures, small


def test_is_a_layered_classifier() -> None:
    model = small()
    assert isinstance(model, LayeredClassifier)
    assert model.class_names == NAMES
    assert model.readout_names == SMALL.readout_names == ("layer 0", "layer 1", "layer 2", "final")
    images = pictures()
    assert model.readouts(images).shape == (2, 4, 3)
    assert torch.equal(model(images), AGGREGATORS["crossmax-top3"](model.readouts(images)))


def test_all_readouts_come_from_one_pass() -> None:
    model = small()
    calls: list[int] = []
    for depth, stage in enumerate(model.chain.stages, start=1):
        stage.register_forward_hook(lambda *_, depth=depth: calls.append(depth))
    model.readouts(pictures())
    assert calls == [1, 2, 3, 4]


def test_readouts_are_the_heads_on_their_depths() -> None:
    model = small()
    images = pictures()
    x = (model.views(images) - model.mean) / model.std
    activations = model.chain(x, (0, 1, 2, 4))
    expected = torch.stack([head(a) for head, a in zip(model.heads, activations, strict=True)], dim=1)
    assert torch.allclose(model.readouts(images), expected, atol=1e-5)


def test_network_sees_the_normalised_stack_at_its_input_size() -> None:
    model = small(input_size=48, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    seen: list[Tensor] = []
    model.chain.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    images = torch.full((2, 3, 32, 32), 0.5)
    model(images)
    assert seen[0].shape == (2, 12, 48, 48)
    expected = torch.tensor([0.4 / 0.5, 0.3 / 1.0, 0.2 / 2.0] * 4)[:, None, None]
    assert torch.allclose(seen[0], expected.expand(2, 12, 48, 48), atol=1e-5)


def test_mirror_averages_each_predictor_over_both_images() -> None:
    plain, both = small(), small(mirror=True)
    images = pictures(3, 20, 44)
    expected = (plain.readouts(images) + plain.readouts(images.flip(3))) / 2
    assert torch.allclose(both.readouts(images), expected, atol=1e-5)
    assert torch.allclose(both(images), both(images.flip(3)), atol=1e-5)
    assert both.views(images).shape == plain.views(images).shape


def test_mirror_keeps_the_draws_of_each_image() -> None:
    model = small(mirror=True)
    images = pictures(4)
    whole = model.readouts(images, FrozenNoise(3))
    assert torch.allclose(model.readouts(images[:2], FrozenNoise(3)), whole[:2], atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (8, 8), (31, 70), (224, 160)])
def test_any_size_is_taken_and_differentiable(height: int, width: int) -> None:
    model = small()
    images = pictures(2, height, width).requires_grad_()
    logits = model(images)
    assert logits.shape == (2, 3)
    (gradient,) = torch.autograd.grad(logits[0].sum() + model.readouts(images)[0].sum(), images)
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0


def test_resize_keeps_range_and_level() -> None:
    model = small()
    small_images = model.resize(pictures(2, 80, 50))
    assert small_images.shape == (2, 3, 32, 32)
    assert small_images.min() >= 0
    assert small_images.max() <= 1
    assert torch.allclose(model.resize(torch.full((2, 3, 50, 80), 0.3)), torch.tensor(0.3))
    images = pictures()
    assert model.resize(images) is images


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 4, 32, 32)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"takes images \[B, 3, H, W\]"):
        small()(torch.zeros(shape))


@pytest.mark.parametrize("readout", ["pooled", "flattened"])
def test_readout_sizes(readout: str) -> None:
    model = small(readout=readout)
    features = [head.get_parameter("linear.weight").shape[1] for head in model.heads]
    assert features == ([12, 8, 8, 16] if readout == "pooled" else [12 * 32 * 32, 8 * 16 * 16, 8 * 16 * 16, 16])
    assert model(pictures(3, 40, 20)).shape == (3, 3)


@pytest.mark.slow
def test_the_papers_network_has_eight_predictors_and_their_size() -> None:
    config = ModelConfig(
        class_names=tuple(f"class {c}" for c in range(100)),
        stack=STACKS["paper"],
        backbone="torchvision:resnet152",
        input_size=224,
        readout_depths=(20, 30, 35, 40, 45, 50, 52),
        readout="flattened",
        aggregator="crossmax-top3",
        inference_noise="fresh",
    )
    with torch.device("meta"):
        model = SelfEnsemble(config)
    assert model.chain.depth == 52
    assert len(model.heads) == len(model.readout_names) == 8
    readouts = sum(p.numel() for head in model.heads[:-1] for n, p in head.named_parameters() if "linear" in n)
    assert readouts == pytest.approx(110.6e6, rel=0.02)
    assert model.heads[-1].get_parameter("linear.weight").shape == (100, 2048)
    assert model.chain.get_parameter("stages.0.0.weight").shape == (64, 12, 7, 7)


@pytest.mark.parametrize("backbone", ["torchvision:resnet18", "timm:resnet18"])
def test_other_backbones(backbone: str) -> None:
    model = small(backbone=backbone, input_size=64, readout_depths=(1, 5, 10))
    assert model.readout_names == ("layer 1", "layer 5", "layer 10", "final")
    assert model.readouts(pictures(2, 20, 40)).shape == (2, 4, 3)


# --- noise


def test_noise_off_is_deterministic_and_the_centre() -> None:
    model = small()
    images = pictures()
    assert isinstance(model.default_noise(), SilentNoise)
    assert torch.equal(model(images), model(images))
    assert torch.equal(model(images), model(images, SilentNoise()))


def test_fresh_noise_differs_by_pass_and_image_and_repeats_by_seed() -> None:
    model, twin = (small(seed=3, inference_noise="fresh") for _ in range(2))
    images = pictures(1).expand(2, -1, -1, -1)
    first, second = model(images), model(images)
    assert not torch.equal(first, second)
    assert not torch.allclose(first[0], first[1], atol=1e-5)
    assert torch.equal(twin(images), first)
    assert torch.equal(twin(images), second)


def test_noise_given_to_a_pass_comes_first() -> None:
    model = small(inference_noise="fresh")
    images = pictures()
    assert torch.equal(model(images, SilentNoise()), model(images, SilentNoise()))
    assert torch.equal(model(images, FrozenNoise(2)), model(images, FrozenNoise(2)))
    assert not torch.equal(model(images, FrozenNoise(2)), model(images, FrozenNoise(3)))
    quiet = small()
    rng = torch.Generator().manual_seed(0)
    assert not torch.equal(quiet(images, FreshNoise(rng)), quiet(images, FreshNoise(rng)))


def test_variants_share_weights_and_leave_the_original_alone() -> None:
    model = small()
    images = pictures()
    before = model(images)
    noisy, mean, own = model.with_noise("fresh"), model.with_aggregator("mean"), model.with_seed(5)
    for other in (noisy, mean, own):
        assert other is not model
        pairs = zip(other.state_dict().values(), model.state_dict().values(), strict=True)
        assert all(a.data_ptr() == b.data_ptr() for a, b in pairs)
    assert (noisy.config.inference_noise, model.config.inference_noise) == ("fresh", "off")
    assert isinstance(noisy.default_noise(), FreshNoise)
    assert not torch.equal(noisy(images), noisy(images))
    assert torch.equal(mean(images), model.readouts(images).mean(1))
    assert own.rng is not model.rng
    assert torch.equal(model(images), before)
    assert model.config == SMALL
    with torch.no_grad():
        model.heads[-1].get_parameter("linear.bias").add_(1)
    assert torch.equal(mean(images), model.readouts(images).mean(1))


def test_variants_that_cannot_be_are_refused_in_words() -> None:
    model = small(readout_depths=(1,), aggregator="mean")
    with pytest.raises(StudioError, match="top-3 needs at least 3 predictors, and there are 2"):
        model.with_aggregator("crossmax-top3")
    with pytest.raises(StudioError, match="no aggregator 'median'"):
        model.with_aggregator("median")


# --- construction


def test_weights_come_from_the_seed_and_the_global_generator_is_untouched() -> None:
    before = torch.get_rng_state()
    first, twin, other = small(1), small(1), small(2)
    first(pictures())
    assert torch.equal(before, torch.get_rng_state())
    pairs = list(zip(first.state_dict().items(), twin.state_dict().values(), strict=True))
    assert all(torch.equal(a, b) for (_, a), b in pairs)
    assert not torch.equal(first.heads[0].get_parameter("linear.weight"), other.heads[0].get_parameter("linear.weight"))


def test_only_weights_are_in_the_state() -> None:
    assert all(name.startswith(("chain.", "heads.")) for name in small().state_dict())


def test_place_puts_convolutions_in_channels_last_order() -> None:
    model = small()
    images = pictures()
    before = model(images)
    assert model.place("cpu") is model
    assert model.chain.get_parameter("stages.0.0.weight").is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(model(images), before, atol=1e-4)


def test_logits_are_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert small().readouts(pictures()).dtype == torch.float32


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_names": ("one",)}, "at least two classes"),
        ({"class_names": ("one", "two", "one")}, "a name of its own"),
        ({"aggregator": "top3"}, "no aggregator 'top3'"),
        ({"readout_depths": (1,)}, "top-3 needs at least 3 predictors, and there are 2"),
        ({"readout_depths": (2, 1, 0)}, "must increase"),
        ({"readout_depths": (1, 1, 2)}, "must increase"),
        ({"widths": (8,)}, "equally many"),
        ({"blocks": (1, 0)}, "equally many"),
        ({"widths": (), "blocks": ()}, "equally many"),
        ({"std": (0.2, 0.0, 0.2)}, "must be positive"),
        ({"input_size": 4}, "greater than or equal to 8"),
        ({"heads": 3}, "Extra inputs"),
    ],
)
def test_configuration_errors(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ModelConfig.model_validate({**SMALL.model_dump(), **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"readout_depths": (1, 2, 9)}, "do not fit a network of depth 4"),
        ({"readout_depths": (-1, 1, 2)}, "do not fit a network of depth 4"),
        ({"backbone": "resnet18"}, "Unknown backbone 'resnet18'"),
        ({"backbone": "cifar-resnet:20"}, "Unknown backbone"),
        ({"backbone": "torchvision:vgg11"}, "no ResNet called 'vgg11'"),
    ],
)
def test_networks_that_cannot_be_built(changes: dict[str, object], words: str) -> None:
    with pytest.raises(StudioError, match=words):
        small(**changes)


def test_configuration_survives_json() -> None:
    assert ModelConfig.model_validate_json(SMALL.model_dump_json()) == SMALL


def test_random_says_whether_calls_may_differ() -> None:
    assert not small().random
    assert small(inference_noise="fresh").random
    assert not small(inference_noise="fresh", stack=STACKS["single"].model_dump()).random


def test_the_final_head_may_have_a_pass_and_noise_of_its_own() -> None:
    both = small(separate_final_pass=True)
    images = pictures()
    draws = FreshNoise(torch.Generator().manual_seed(3))
    first, second = draws(both.stack, 2), draws(both.stack, 2)
    found = both.readouts(images, FreshNoise(torch.Generator().manual_seed(3)))
    plain = small()
    assert torch.equal(found[:, :-1], plain.readouts(images, lambda *_: first)[:, :-1])
    assert torch.equal(found[:, -1], plain.readouts(images, lambda *_: second)[:, -1])
    alone = small(separate_final_pass=True, readout_depths=(), aggregator="last")
    assert alone.readouts(images).shape == (2, 1, 3)


# --- ensembles


def test_ensemble_combines_its_members() -> None:
    members = [small(seed) for seed in range(3)]
    ensemble = Ensemble(members).eval()
    images = pictures(2, 40, 24)
    assert isinstance(ensemble, LayeredClassifier)
    assert ensemble.class_names == NAMES
    assert ensemble.readout_names == ("member 1", "member 2", "member 3")
    answers = torch.stack([member(images) for member in members], dim=1)
    assert torch.equal(ensemble.readouts(images), answers)
    assert torch.equal(ensemble(images), AGGREGATORS["crossmax-median"](answers))
    assert torch.equal(Ensemble(members, "mean")(images), answers.mean(1))
    assert torch.equal(ensemble(images, FrozenNoise(1)), ensemble(images, FrozenNoise(1)))


def test_ensembles_that_cannot_be() -> None:
    with pytest.raises(StudioError, match="members that know the same classes"):
        Ensemble([])
    with pytest.raises(StudioError, match="members that know the same classes"):
        Ensemble([small(), small(class_names=("one", "three", "two"))])
    with pytest.raises(StudioError, match="needs at least 3 predictors, and there are 2"):
        Ensemble([small(), small()], "crossmax-top3")


def test_only_the_voters_make_the_answer_and_attacks_know_it() -> None:
    settings = ModelConfig(
        class_names=("a", "b", "c"),
        stack=STACKS["clean"],
        widths=(4, 8),
        blocks=(1, 1),
        readout_depths=(1, 2, 3),
        aggregator="crossmax-median",
        voters=3,
    )
    model = SelfEnsemble(settings).eval()
    logits = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.combine(logits), crossmax(logits[:, 1:], None))
    torch.testing.assert_close(source_of(model, "mean")(logits), logits[:, 1:].mean(1))
    torch.testing.assert_close(source_of(model, "defence")(logits), model.combine(logits))
    everyone = model.combined_as(settings.model_copy(update={"voters": 0, "temperature": 2.0}))
    torch.testing.assert_close(everyone.combine(logits), crossmax(logits, None))
    images = torch.rand(2, 3, 20, 28)
    torch.testing.assert_close(everyone(images) * 2, everyone.combine(everyone.readouts(images)))
    with pytest.raises(ValueError, match="5 voters are more than the 4 predictors"):
        ModelConfig(**{**settings.model_dump(), "voters": 5})
