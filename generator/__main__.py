"""`python -m generator`: the one place where the generator's command line meets our models and our jobs."""

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from generator.commands import asks_what_there_is, print_what_there_is
from generator.program import answered, run_program

# What takes time to import is imported where it is used, so that --help answers at once.
if TYPE_CHECKING:
    from generator.cli_making import ModelListing
    from generator.encoders.pool import EncoderPool
    from generator.protocols import JobContext
    from generator.synthesis import Model


class Models:
    """Classifiers and encoders as one list. Encoders that are downloaded stay in the data directory."""

    def __init__(self, encoders: "EncoderPool") -> None:
        self._encoders = encoders
        self._published: dict[str, ModelListing] = {}

    def list(self) -> "list[ModelListing]":
        """All models that can be chosen by name, and those published ones that were used."""
        from robust_model.registry import list_models

        return [*list_models(), *self._encoders.list(), *self._published.values()]

    def load_named(self, name: str, device: str, context: "JobContext") -> "Model":
        """Load a model that a file names: one of the lists, or weights that a library publishes under that name.

        What else a name can mean (a function of somebody's module, which would be run; a folder; a place on the
        network) only who types it can mean. StudioError for such a name, and if there is no such model.
        """
        from generator.encoders.names import Tagged, parse_name
        from generator.errors import StudioError
        from robust_model.published import is_published

        listed = name in {info.name for info in self.list()} or is_published(name)
        if not listed and (_is_subject(name) or not isinstance(parse_name(name, {}), Tagged)):
            raise StudioError(
                f"The picture names the model '{name[:80]}', which is in no list here. A name like this is taken "
                "from you alone: give it as a flag (--model, --surrogate, --victim) if you trust where it leads."
            )
        return self.load(name, device, context)

    def load(self, name: str, device: str, context: "JobContext") -> "Model":
        """Load a model that the user names, which may have to be downloaded first. StudioError if there is none."""
        from generator.errors import StudioError
        from generator.protocols import Classifier
        from robust_model.published import is_published
        from robust_model.registry import describe_published, list_models, load_classifier

        classifiers, names = {info.name for info in list_models()}, {info.name for info in self.list()}
        # What has the name of a listed model is that model, also where a folder here is called the same.
        if name in classifiers or (name not in names and (Path(name) / "config.json").is_file()):
            return load_classifier(name, device)
        if _is_subject(name):
            from robust_model.subjects import load_subject  # here, since it brings all that evaluations need

            subject = load_subject(name, device, context=context).model
            assert isinstance(subject, Classifier)  # a network that can be called, whatever kind it is
            if is_published(name):
                self._published[name] = describe_published(name)  # it knows the revision of the weights
            return subject
        near = difflib.get_close_matches(name, names, n=1)
        if name not in names and near and not set(name) & set("/:"):  # neither a path nor a place on the network
            raise StudioError(f"There is no model '{name}'. Did you mean '{near[0]}'?")
        return self._encoders.get(name, device, context)


def _is_subject(name: str) -> bool:
    """Whether a name has the form KIND:NAME or MODULE:FUNCTION of other people's classifiers."""
    from generator.encoders.names import FOLDER_PREFIX, HUB_PREFIX

    kind, colon, _ = name.partition(":")
    named = "/" not in kind or kind.endswith(".py")  # a path to a module is refused by whoever imports modules
    return bool(colon) and named and not name.startswith((FOLDER_PREFIX, HUB_PREFIX))


def run() -> int:
    """Run the command line with the models of this machine."""
    return answered(_run)


def _run() -> int:
    if asks_what_there_is(sys.argv[1:]):
        print_what_there_is()
        return 0
    from app.data_dir import choose_data_dir
    from app.jobs import Terminal
    from generator.cli import main
    from generator.encoders.pool import EncoderPool
    from generator.vlm.settings import FILE_NAME, read_settings

    data = choose_data_dir()
    models = Models(EncoderPool((data.models,), cache_dir=data.downloads))
    return main(
        sys.argv[1:],
        load_model=models.load_named,
        load_typed=models.load,
        list_models=models.list,
        foreground=Terminal(),
        read_vlm=lambda: read_settings(data.root / FILE_NAME),
    )


def program() -> int:
    """Run the installed command `crossmax-generator`."""
    return run_program(run)


if __name__ == "__main__":
    sys.exit(run_program(run))
