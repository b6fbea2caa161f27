"""The encoder against open_clip itself, on models with a transformer, a rectangle, and a tower of timm."""

from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from torch import Tensor

from foundation.errors import StudioError
from foundation.images.files import to_pil
from foundation.protocols import Encoder
from generator.encoders.cache import EmbeddingCache
from generator.encoders.encoder import OpenClipEncoder
from generator.encoders.loading import load_encoder, local_folder
from generator.encoders.preprocess import Preprocess
from generator.units.layers import layers_of
from generator.units.objective import Activation
from generator.units.unit import parse_unit
from tests.generator.encoders.tiny import RECTANGLE, TIMM, VIT, save_model

TOWERS = {"vit": VIT, "rectangle": RECTANGLE, "timm": TIMM}
TEXTS = ["a goldfish", "two red cats, and a dog"]


@pytest.fixture(scope="module", params=TOWERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp(request.param), vision=TOWERS[request.param])


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("vit"), words=("A", "goldfish"))


def load(folder: Path, precision: str = "fp32", cache: EmbeddingCache | None = None) -> OpenClipEncoder:
    return load_encoder(local_folder(folder), name="tiny", revision="r", precision=precision, cache=cache)


def images(seed: int = 0, height: int = 45, width: int = 60) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(2, 3, height, width, generator=rng) * 255).round() / 255


def test_is_an_encoder_and_gives_unit_vectors(folder: Path) -> None:
    encoder = load(folder)
    assert isinstance(encoder, Encoder)
    for vectors in (encoder.encode_images(images()), encoder.encode_text(TEXTS)):
        assert vectors.shape == (2, 16)
        assert vectors.dtype == torch.float32
        assert not vectors.requires_grad
        assert torch.allclose(vectors.norm(dim=1), torch.ones(2))


def test_embeddings_are_open_clips(folder: Path) -> None:
    encoder = load(folder)
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    prepare = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    height, width = encoder.input_size
    exact, larger = images(0, height, width), images()
    with torch.no_grad():
        for pictures, tolerance in ((exact, 1e-5), (larger, 0.02)):  # resizing is held to Pillow's in 8 bit
            seen = torch.stack([prepare(picture) for picture in to_pil(pictures)])
            expected = model.encode_image(seen, normalize=True)
            assert (encoder.encode_images(pictures) - expected).abs().max() < tolerance
        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
        assert torch.allclose(encoder.encode_text(TEXTS), model.encode_text(tokens, normalize=True), atol=1e-5)
    assert encoder.logit_scale == pytest.approx(float(model.logit_scale.detach().exp()))
    assert encoder.image_size == min(height, width)
    assert encoder.context_length == 12


def test_gradient_is_that_of_open_clips_model_behind_the_preprocessing(folder: Path) -> None:
    encoder = load(folder)
    towards = encoder.encode_text(TEXTS)
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    prepare = Preprocess.from_config(model.visual.preprocess_cfg)
    ours, theirs = images().requires_grad_(), images().requires_grad_()
    (encoder.encode_images(ours) * towards).sum().backward()
    features = model.encode_image(prepare(theirs))
    ((features / features.norm(dim=1, keepdim=True)) * towards).sum().backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    assert ours.grad.abs().sum() > 0
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-7, rtol=1e-3)


def test_bits_do_not_depend_on_the_cache_or_on_what_is_encoded_together(vit: Path) -> None:
    one = load(vit)
    together = one.encode_text([*TEXTS, "other words"])
    again = one.encode_text(TEXTS)
    alone = load(vit).encode_text(TEXTS[:1])
    assert torch.equal(together[:2], again)
    assert torch.equal(alone, again[:1])
    assert torch.equal(one.encode_images(images()), load(vit).encode_images(images()))


def test_equal_content_is_encoded_once(vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load(vit)
    calls: list[tuple[int, ...]] = []
    plain = OpenClipEncoder._encode_images

    def count(self: OpenClipEncoder, pictures: Tensor) -> Tensor:
        calls.append(tuple(pictures.shape))
        return plain(self, pictures)

    monkeypatch.setattr(OpenClipEncoder, "_encode_images", count)
    first = encoder.encode_images(images())
    second = encoder.encode_images(images())
    assert torch.equal(first, second)
    assert len(calls) == 1
    first.zero_()  # what is handed out is a copy
    assert torch.equal(encoder.encode_images(images()), second)
    assert not torch.equal(encoder.encode_images(images(1)), second)
    assert not torch.equal(encoder.encode_images(images().view(2, 3, 60, 45)), second)
    encoder.encode_images(images().requires_grad_())
    encoder.encode_images(images().requires_grad_())
    assert len(calls) == 5  # gradients are never taken from the cache


def test_models_in_one_cache_do_not_mix(vit: Path, tmp_path: Path) -> None:
    cache = EmbeddingCache()
    other = save_model(tmp_path / "other", seed=1)
    first = load(vit, cache=cache)
    second = load_encoder(local_folder(other), name="tiny", revision="s", cache=cache)
    assert not torch.allclose(first.encode_text(TEXTS), second.encode_text(TEXTS))
    config = other / "open_clip_config.json"
    config.write_text(config.read_text().replace("[0.4, 0.5, 0.6]", "[0.1, 0.2, 0.3]"))
    third = load_encoder(local_folder(other), name="tiny", revision="s", cache=cache)
    assert not torch.allclose(second.encode_images(images()), third.encode_images(images()))


def test_weights_are_frozen_and_nothing_changes(vit: Path) -> None:
    encoder = load(vit)
    model = encoder._model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    pictures = images().requires_grad_()
    (encoder.encode_images(pictures) @ encoder.encode_text(TEXTS).T).sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().sum() > 0
    assert not model.training
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert encoder.weight_bytes == sum(t.nbytes for t in [*model.parameters(), *model.buffers()])


def test_half_precision_is_a_choice_for_images_and_leaves_texts_exact(folder: Path) -> None:
    exact, half = load(folder), load(folder, "bf16")
    assert (exact.precision, half.precision) == ("fp32", "bf16")
    assert torch.equal(exact.encode_text(TEXTS), half.encode_text(TEXTS))
    pictures = [images().requires_grad_() for _ in range(2)]
    vectors = [encoder.encode_images(picture) for encoder, picture in zip((exact, half), pictures, strict=True)]
    assert vectors[1].dtype == torch.float32
    assert not torch.equal(*vectors)
    assert (vectors[0] * vectors[1]).sum(dim=1).min() > 0.995
    towards = exact.encode_text(TEXTS)
    gradients = [
        torch.autograd.grad((vector * towards).sum(), picture)[0].flatten(1)
        for vector, picture in zip(vectors, pictures, strict=True)
    ]
    assert torch.cosine_similarity(*gradients).min() > 0.9


def test_unknown_words_are_told_by_models_that_list_theirs(vit: Path, tmp_path: Path) -> None:
    assert load(vit).unknown_words("a Goldfish and a whale") == ("and", "whale")
    assert load(save_model(tmp_path / "general")).unknown_words("a whale") == ()


def test_what_is_cut_off_is_told(vit: Path) -> None:
    count = load(vit).count_tokens("one two three four five six seven eight nine ten eleven")
    assert (count.used, count.limit, count.cut_off) == (11, 10, "eleven")


@pytest.mark.parametrize(
    "wrong",
    [torch.zeros(3, 32, 32), torch.zeros(2, 1, 32, 32), torch.zeros(2, 3, 32, 32, dtype=torch.uint8)],
)
def test_other_tensors_are_refused(vit: Path, wrong: Tensor) -> None:
    with pytest.raises(ValueError, match=r"\[B, 3, H, W\]"):
        load(vit).encode_images(wrong)


def test_wrong_texts_are_refused(vit: Path) -> None:
    encoder = load(vit)
    with pytest.raises(TypeError, match="sequence"):
        encoder.encode_text("a cat")
    with pytest.raises(ValueError, match="no text"):
        encoder.encode_text([])
    with pytest.raises(StudioError, match="empty"):
        encoder.encode_text(["a cat", " "])


def test_units_of_its_layers_can_be_watched(folder: Path) -> None:
    encoder = load(folder)
    found = layers_of(encoder)
    one = next(layer for layer in found.values() if layer.size)
    unit = Activation.of(encoder, parse_unit(f"{one.name}:1@centre"), "tiny")
    with torch.no_grad():  # past the cache of embeddings, which would run no layer
        once, again = unit(images()), unit(images())
    assert torch.equal(once, again) and once.shape == (2,) and once[0] != once[1]
    kept: list[Tensor] = []
    handle = encoder.observed.get_submodule(one.name).register_forward_hook(
        lambda _module, _inputs, output: kept.append(output)
    )
    encoder.encode_images(images(seed=1).requires_grad_())
    handle.remove()
    by_channel = one.by_channel(kept[0].detach())[:, 1]
    middle = by_channel[(slice(None), *(side // 2 for side in one.size))]
    assert torch.allclose(unit(images(seed=1)), middle, atol=1e-6)
