"""Exported models as repositories of the Hugging Face hub: the card's front matter, and `crossmax-hub:ORG/NAME`.

An exported folder has the hub's layout as it is (`config.json`, `model.safetensors`, `README.md`, as
`PyTorchModelHubMixin.save_pretrained` writes it): upload it with `hf upload ORG/NAME FOLDER`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from foundation.catalogue.names import OLD_PREFIX, PREFIXES
from foundation.errors import StudioError
from robust_model.evaluation.record.schema import EvaluationReport
from robust_model.evaluation.record.values import Proportion

PREFIX = PREFIXES["classifier"]
FILES = ("config.json", "model.safetensors", "README.md", "evaluation*.json")
DATASETS = {
    "cifar10": "uoft-cs/cifar10",
    "cifar100": "uoft-cs/cifar100",
    "imagenet": "ILSVRC/imagenet-1k",
    "tiny-imagenet": "zh-plus/tiny-imagenet",
    "tiny-imagenet-32": "zh-plus/tiny-imagenet",
}
"""What the hub calls data sets, by our names and those of usual folders."""
TAGS = ("image-classification", "adversarial-robustness", "crossmax", "multi-resolution", "arxiv:2408.05446")


def fetch(name: str) -> Path:
    """The folder of the model `crossmax-hub:ORG/NAME[@REVISION]`, downloaded once into huggingface_hub's own cache.

    Nothing in it is run: configuration, tensors and texts only. Raises StudioError with what to do.
    """
    from huggingface_hub import errors

    try:
        return _snapshot(name, here=False)
    except errors.HFValidationError as error:
        raise StudioError(
            f"'{name}' is no name of a repository: it is {PREFIX}ORG/NAME, or ORG/NAME@REVISION."
        ) from error
    except (errors.GatedRepoError, errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise StudioError(
            f"The hub has no model '{name}' for you: check the spelling and, if it is private or gated, log in with: "
            "hf auth login"
        ) from error
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError) as error:
        raise StudioError(
            f"'{name}' is not in the cache of huggingface_hub, and the hub cannot be reached. With a network, run this "
            "again; without one, put the repository's files into a folder and name that."
        ) from error


def folder_here(name: str) -> Path | None:
    """The folder of such a model in the cache of huggingface_hub; None if it has no such model, or a part of it."""
    from huggingface_hub import errors

    try:
        folder = _snapshot(name, here=True)
    except (errors.HFValidationError, errors.LocalEntryNotFoundError, OSError):
        return None
    return folder if (folder / "config.json").is_file() else None


def _snapshot(name: str, *, here: bool) -> Path:
    import huggingface_hub

    repository, _, revision = name.removeprefix(PREFIX).removeprefix(OLD_PREFIX).partition("@")
    patterns = list(FILES)
    found = huggingface_hub.snapshot_download(
        repository, revision=revision or None, allow_patterns=patterns, local_files_only=here
    )
    return Path(found)


def front_matter(title: str, licence: str, training: Mapping[str, object], reports: Sequence[EvaluationReport]) -> str:
    """The YAML that the hub reads a card's facts from, between its two lines of hyphens.

    `reports` are evaluations; of each the clean accuracy and the worst case over its attacks are listed.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=_dataset(report.config.data) or report.config.data,
            dataset_name=report.data.source,
            metric_type="accuracy",
            metric_name=f"{what} ({figure.n} images)",
            metric_value=figure.accuracy,
        )
        for report in reports
        for what, figure in _figures(report)
    ]
    trained_on = _dataset(str(training.get("data", "")))
    data = ModelCardData(
        license=licence,
        library_name="pytorch",
        pipeline_tag="image-classification",
        tags=list(TAGS),
        datasets=[trained_on] if trained_on else None,
        metrics=["accuracy"],
        model_name=title if results else None,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def without_front_matter(card: str) -> str:
    """A card's text for people."""
    if not card.startswith("---\n"):
        return card
    _, _, text = card[4:].partition("\n---\n")
    return text.lstrip("\n")


def _figures(report: EvaluationReport) -> list[tuple[str, Proportion]]:
    found = [("clean accuracy", report.clean)]
    if report.worst_case is not None:
        eps = report.config.eps * 255
        found.append((f"robust accuracy, L-inf {eps:.3g}/255, worst case over all attacks", report.worst_case))
    return found


def _dataset(spec: str) -> str:
    """The hub's name of the data set that `spec` means; "" where it has none."""
    return DATASETS.get(Path(spec.rpartition(":")[2].split("/", maxsplit=1)[0]).name, "")
