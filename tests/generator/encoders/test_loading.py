"""The ways by which a model gets loaded, and what is said when it can't be."""

import errno
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from foundation.errors import StudioError
from generator.encoders.encoder import OpenClipEncoder
from generator.encoders.loading import (
    LocalModel,
    OutOfMemory,
    load_encoder,
    local_checkpoint,
    local_folder,
    local_tag,
)
from generator.recipes.presets import from_preset
from generator.recipes.recipe import Recipe
from generator.synthesis.synthesis import synthesise
from tests.generator.encoders.tiny import VIT, save_model, write_config

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(tmp_path / "tiny")


def load(local: LocalModel) -> OpenClipEncoder:
    return load_encoder(local, name="tiny", revision="r")


@pytest.mark.slow
def test_a_real_vit_b_32_saved_to_disk_loads_as_a_pretrained_tag_does(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model("ViT-B-32", load_weights=False)
    path = tmp_path / "weights.safetensors"
    save_file(model.state_dict(), path)
    encoder = load(local_checkpoint("ViT-B-32", path))
    assert encoder.input_size == (224, 224)
    assert encoder.context_length == 77
    assert encoder.weight_bytes == pytest.approx(605e6, rel=0.01)
    assert all(torch.equal(tensor, encoder._model.state_dict()[name]) for name, tensor in model.state_dict().items())
    pictures = torch.rand(1, 3, 230, 250, generator=torch.Generator().manual_seed(1)).requires_grad_()
    score = (encoder.encode_images(pictures) @ encoder.encode_text(["a cat"]).T).sum()
    (gradient,) = torch.autograd.grad(score, pictures)
    assert gradient.abs().sum() > 0
    with torch.no_grad():
        seen = encoder._preprocess(pictures)
        assert torch.allclose(encoder.encode_images(pictures), model.eval().encode_image(seen, True), atol=1e-5)
    tagged = local_tag("ViT-B-32", "laion2b_s34b_b79k", path)
    assert tagged.source == local_checkpoint("ViT-B-32", path).source
    assert tagged.options == {**local_checkpoint("ViT-B-32", path).options, "force_quick_gelu": False}
    recipe = from_preset("text", "fast", prompt="a castle", models=("vit",), steps=2, size=48, views_per_step=1)
    first, second = (_pixels(recipe, {"vit": model}) for model in (encoder, load(local_checkpoint("ViT-B-32", path))))
    assert torch.equal(first, second)


def _pixels(recipe: Recipe, models: dict[str, OpenClipEncoder]) -> Tensor:
    synthesis = synthesise(recipe, models)
    for _ in synthesis.steps:
        pass
    return synthesis.prior.render().detach()


def test_a_tag_brings_its_preprocessing_and_its_activation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny", config)
    colours = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.5, 0.5)}
    tags = {
        "plain": {**colours, "resize_mode": "squash", "interpolation": "bilinear"},
        "quick": {**colours, "quick_gelu": True},
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Tiny", tags)
    encoders = {tag: load(local_tag("Tiny", tag, folder / WEIGHTS)) for tag in tags}
    preprocess = encoders["plain"]._preprocess
    assert preprocess.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert preprocess.std.flatten().tolist() == pytest.approx([0.5, 0.5, 0.5])
    assert (preprocess.resize_mode, preprocess.interpolation) == ("squash", "bilinear")
    names = {tag: {type(module).__name__ for module in encoders[tag]._model.modules()} for tag in tags}
    assert "QuickGELU" in names["quick"]
    assert "QuickGELU" not in names["plain"]
    # A local file is prepared for as its architecture's tags are, as far as they agree.
    default = load(local_checkpoint("Tiny", folder / WEIGHTS))._preprocess
    assert default.mean.flatten().tolist() == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    tags["quick"] = tags["plain"]
    agreed = load(local_checkpoint("Tiny", folder / WEIGHTS))._preprocess
    assert agreed.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("form", ["state_dict", "training", "legacy", "parallel"])
def test_pickled_checkpoints_load_without_unpickling(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny", config)
    tensors = load_file(folder / WEIGHTS)
    path = tmp_path / "weights.pt"
    content = {
        "state_dict": tensors,
        "training": {"epoch": 1, "state_dict": tensors},
        "legacy": tensors,
        "parallel": {f"module.{name}": tensor for name, tensor in tensors.items()},
    }[form]
    torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    encoder = load(local_checkpoint("Tiny", path))
    assert torch.equal(encoder.encode_text(["a cat"]), load(local_folder(folder)).encode_text(["a cat"]))


def test_every_generator_of_random_numbers_is_as_before(folder: Path) -> None:
    def states() -> list[object]:
        return [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]

    before = states()
    load(local_folder(folder))
    assert states() == before


class CountDraws(TorchFunctionMode):
    """Counts the random numbers that are drawn."""

    numbers = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.Tensor.normal_, torch.Tensor.uniform_, torch.nn.init.normal_, torch.nn.init.uniform_):
            self.numbers += (args[0] if args else kwargs["tensor"]).numel()
        return func(*args, **(kwargs or {}))


def test_random_weights_are_not_drawn_only_to_be_replaced(folder: Path) -> None:
    with CountDraws() as drawn:
        load(local_folder(folder))
    assert drawn.numbers == 0
    with torch.random.fork_rng(devices=[]), CountDraws() as drawn:
        open_clip.create_model(f"local-dir:{folder}")
    assert drawn.numbers > 1_000_000  # it can count


def test_folders_that_are_no_models(folder: Path, tmp_path: Path) -> None:
    config = folder / "open_clip_config.json"
    for content, sentence in {
        "{": "cannot be read",
        "[]": "model_cfg",
        '{"model_cfg": {"embed_dim": 3}}': "vision_cfg",
        '{"embed_dim": 3}': "embed_dim",
    }.items():
        config.write_text(content)
        with pytest.raises(StudioError, match=sentence):
            local_folder(folder)
    config.unlink()
    with pytest.raises(StudioError, match=r"no open_clip_config\.json"):
        local_folder(folder)
    with pytest.raises(StudioError, match="is no model"):
        local_folder(tmp_path / "missing")
    write_config(tmp_path / "empty")
    with pytest.raises(StudioError, match=r"no weights: put open_clip_model\.safetensors"):
        local_folder(tmp_path / "empty")


def test_weights_that_do_not_fit_are_named(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    broken = {
        "visual.conv1.weight": {**tensors, "visual.conv1.weight": torch.ones(2, 3)},
        "positional_embedding": {name: t for name, t in tensors.items() if name != "positional_embedding"},
        "surplus": {**tensors, "surplus": torch.ones(2)},
        "weights 'open_clip_model": {"x": torch.ones(2)},
    }
    for named, content in broken.items():
        save_file(content, folder / WEIGHTS)
        with pytest.raises(StudioError, match="do not fit") as caught:
            load(local_folder(folder))
        assert named in str(caught.value)
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "content", [[torch.ones(2)], {}, {"state_dict": 3}, torch.ones(3), {"logit_scale": "high"}], ids=str
)
def test_pickles_that_hold_no_weights(folder: Path, content: object) -> None:
    (folder / WEIGHTS).unlink()
    torch.save(content, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(StudioError, match="do not fit"):
        load(local_folder(folder))


def test_garbage_and_code_in_pickles_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    path = folder / "open_clip_pytorch_model.bin"
    for content in (b"\x80\x02" + bytes(200), b"cos\nsystem\n(S'false'\ntR.", b"<!doctype html>"):
        path.write_bytes(content)
        with pytest.raises(StudioError, match="damaged or do not fit"):
            load(local_folder(folder))


@pytest.mark.parametrize(
    "wrong",
    [
        {"vision": {**VIT, "patch_size": 0}},
        {"vision": {"timm_model_name": "no_such_network", "image_size": 32}},
        {"vision": {"colour": "red"}},
        {"text": {"heads": 0}},
    ],
    ids=str,
)
def test_configurations_that_cannot_be_built(folder: Path, wrong: dict[str, object]) -> None:
    write_config(folder, **wrong)  # type: ignore[arg-type]
    with pytest.raises(StudioError, match="cannot be loaded"):
        load(local_folder(folder))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: not enough memory: you tried to"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_memory(folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(open_clip, "create_model", fail)
    with pytest.raises(OutOfMemory, match="no room for the model 'tiny'"):
        load(local_folder(folder))


@pytest.mark.slow
def test_a_tokeniser_that_is_not_installed_is_named(folder: Path) -> None:
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "org/name"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(StudioError, match=r"pip install transformers|tokeniser of the model 'tiny' cannot"):
        load(local_folder(folder))


def test_models_of_one_configuration_read_with_one_tokeniser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making it takes longer than loading a small model; another context length is another tokeniser."""
    made: list[str] = []
    get = open_clip.get_tokenizer
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda source: made.append(source) or get(source))
    text = {"vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    folders = [save_model(tmp_path / str(length), text={**text, "context_length": length}) for length in (9, 11)]
    folders.append(save_model(tmp_path / "twin", seed=1, text={**text, "context_length": 9}))
    encoders = [load(local_folder(folder)) for folder in folders]
    assert made == [f"local-dir:{folder}" for folder in folders[:2]]
    assert [encoder.context_length for encoder in encoders] == [9, 11, 9]
    texts = [encoder.encode_text(["a frog on a leaf"]) for encoder in encoders]
    assert not torch.equal(texts[0], texts[2]), "the weights are each model's own"
