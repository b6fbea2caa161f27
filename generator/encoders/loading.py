"""Loading a model through open_clip's `create_model`, from files that are all there."""

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch.overrides import TorchFunctionMode

from foundation import torchvision_cure  # noqa: F401  (before open_clip, which imports torchvision)
from foundation.catalogue.entry import OutOfMemory
from foundation.downloads.weights import check_weights, find_weights
from foundation.errors import StudioError
from foundation.files.text_files import NoFileError, read_text
from foundation.memory import is_out_of_memory
from generator.encoders.cache import EmbeddingCache
from generator.encoders.encoder import OpenClipEncoder
from generator.encoders.names import CONFIG_NAME, FOLDER_PREFIX
from generator.encoders.precision import choose_precision
from generator.encoders.vocabulary import read_vocabulary

_PREPROCESS_KEYS = ("mean", "std", "interpolation", "resize_mode")
# What open_clip and PyTorch raise for configurations and weights that do not fit each other or are damaged.
_MISFITS = (
    *(UnpicklingError, SafetensorError, OSError, EOFError, RuntimeError, ValueError, TypeError),
    *(LookupError, ArithmeticError, AttributeError, AssertionError, StopIteration),
)


@dataclass(frozen=True)
class LocalModel:
    """Everything a model needs, on this machine.

    Attributes:
        weights: the file that is loaded.
        source: the model's name for `open_clip.create_model` and `open_clip.get_tokenizer`.
        options: further arguments of `create_model`.
        configuration: text that changes with whatever but the weights makes the model what it is.
        vocabulary: the words that it knows; () if they are not listed.
    """

    weights: Path
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    configuration: str = ""
    vocabulary: tuple[str, ...] = ()


def local_folder(folder: Path) -> LocalModel:
    """The model in a folder of open_clip's form. StudioError if something is missing or not readable."""
    path = folder / CONFIG_NAME
    try:
        text = read_text(path)
        config = json.loads(text)
    except NoFileError:
        raise StudioError(f"'{folder}' is no model: it has no {CONFIG_NAME}.") from None
    except (ValueError, RecursionError) as error:
        raise StudioError(f"'{path}' cannot be read ({error}): fetch the model again.") from error
    model = config.get("model_cfg") if isinstance(config, dict) else None
    parts = model if isinstance(model, dict) else {}
    for key in ("embed_dim", "vision_cfg", "text_cfg"):
        if key not in parts:
            raise StudioError(f"'{path}' does not describe a model of open_clip: 'model_cfg' has no '{key}'.")
    weights = find_weights(folder)
    if weights is None:
        raise StudioError(f"The model '{folder.name}' has no weights: put open_clip_model.safetensors into '{folder}'.")
    return LocalModel(weights, f"{FOLDER_PREFIX}{folder}", {}, text, read_vocabulary(folder))


def local_checkpoint(architecture: str, weights: Path) -> LocalModel:
    """A file of weights of one of open_clip's architectures.

    Pictures are prepared as for the architecture's pretrained weights, if those agree, else as open_clip's default.
    """
    import open_clip

    configs = [
        open_clip.get_pretrained_cfg(architecture, tag) for tag in open_clip.list_pretrained_tags_by_model(architecture)
    ]
    wanted = [_preprocess_options(config) for config in configs]
    shared = wanted[0] if wanted and all(options == wanted[0] for options in wanted) else {}
    options = {"pretrained": str(weights), "force_preprocess_cfg": shared}
    return LocalModel(weights, architecture, options, architecture)


def local_tag(architecture: str, tag: str, weights: Path) -> LocalModel:
    """The weights of a pretrained tag, which have been downloaded to the file `weights`."""
    import open_clip

    config = open_clip.get_pretrained_cfg(architecture, tag)
    options = {
        "pretrained": str(weights),
        "force_preprocess_cfg": _preprocess_options(config),
        # open_clip only warns where a tag's weights were trained with another activation than the architecture's.
        "force_quick_gelu": bool(config.get("quick_gelu")),
    }
    return LocalModel(weights, architecture, options, f"{architecture}/{tag}")


def _preprocess_options(pretrained: Mapping[str, Any]) -> dict[str, Any]:
    return {key: pretrained[key] for key in _PREPROCESS_KEYS if key in pretrained}


def load_encoder(
    local: LocalModel,
    *,
    name: str,
    revision: str,
    device: str = "cpu",
    precision: str = "auto",
    cache: EmbeddingCache | None = None,
) -> OpenClipEncoder:
    """Load a model onto the device. The global random generators are as before afterwards.

    StudioError if there is not enough memory (an `OutOfMemory`), and for whatever is wrong with its files.
    """
    import open_clip

    chosen = choose_precision(precision, device)
    check_weights(local.weights)
    try:
        with _without_random_weights():
            model = open_clip.create_model(
                local.source, device=device, require_pretrained=True, weights_only=True, **local.options
            )
    except (MemoryError, *_MISFITS) as error:
        if is_out_of_memory(error):
            raise OutOfMemory(name, device) from error
        raise StudioError(
            f"The model '{name}' cannot be loaded: its weights '{local.weights.name}' are damaged or do not fit "
            f"its configuration ({_brief(error)}). Fetch both again, from one place."
        ) from error
    return OpenClipEncoder(
        model,
        _tokenizer(name, local),
        name=name,
        revision=revision,
        identity=local.configuration,
        device=device,
        precision=chosen,
        vocabulary=local.vocabulary,
        cache=cache,
    )


@dataclass(frozen=True)
class _Reading:
    """What a tokeniser is made of: of two with one configuration the source does not matter."""

    configuration: str
    source: str = field(compare=False)


@functools.lru_cache(maxsize=2)
def _kept_tokenizer(reading: _Reading) -> Any:
    """CLIP's own takes longer to make (a tenth of a second) than a small model; most models read with it."""
    import open_clip

    return open_clip.get_tokenizer(reading.source)


def _tokenizer(name: str, local: LocalModel) -> Any:
    """The model's tokeniser; those of Hugging Face may need a package more, and small files of their own."""
    import open_clip

    own_files = not local.source.startswith(FOLDER_PREFIX) or "hf_tokenizer_name" in local.configuration
    try:
        if own_files:
            return open_clip.get_tokenizer(local.source)
        return _kept_tokenizer(_Reading(local.configuration, local.source))
    except ImportError as error:
        raise StudioError(
            f"The model '{name}' reads prompts with the package {error.name or 'transformers'}, "
            f"which is not installed: pip install {error.name or 'transformers'}."
        ) from error
    except (OSError, ValueError) as error:
        raise StudioError(f"The tokeniser of the model '{name}' cannot be loaded ({_brief(error)}).") from error


class _SkipRandomWeights(TorchFunctionMode):
    """Leaves tensors as they are where a random start would be drawn; of this thread only.

    Drawing takes most of the time of making a large model, and every number is replaced by a loaded one:
    open_clip loads strictly.
    """

    SKIPPED = frozenset(
        {
            *(torch.nn.init.uniform_, torch.nn.init.normal_, torch.nn.init.kaiming_uniform_),
            *(torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.erfinv_),
        }
    )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self.SKIPPED:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextlib.contextmanager
def _without_random_weights() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]), _SkipRandomWeights():  # some starts are drawn in other ways
        yield


def _brief(error: Exception) -> str:
    """The gist of an error that may be hundreds of lines long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) or type(error).__name__
    return text if len(text) <= 240 else text[:239] + "…"
