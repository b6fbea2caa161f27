"""One catalogue of all models: whose names it takes, which of two is meant, what stays in memory."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import Found, Loadable, ModelInfo, NoModelError, OutOfMemory
from foundation.catalogue.memory import Memory
from foundation.catalogue.names import spelled
from foundation.errors import StudioError
from tests.loading import loaded_bytes
from tests.toy_models import Toys


class Net(nn.Module):
    """A classifier of `numbers` weights of four bytes."""

    class_names = ("a", "b")

    def __init__(self, numbers: int = 10) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(numbers))


@dataclass
class Kept(Toys):
    """Toys that are kept in memory, with weights of 40 bytes, and a count of how often each was loaded."""

    fails: int = 0
    names: tuple[str, ...] = ("a", "b", "c")
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(dict.fromkeys(self.names))

    def find(self, name: str) -> Found | None:
        found = super().find(name)
        if found is None:
            return None
        return Found(
            found.kind, found.info, lambda wanted, _: Loadable((name, wanted.device), 40, lambda: self._load(name))
        )

    def _load(self, name: str) -> Any:
        self.loads.append(name)
        if self.fails:
            self.fails -= 1
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return Net()


def test_the_first_source_that_has_a_name_has_it_and_lists_name_each_once() -> None:
    first, second = Net(), Net()
    catalogue = Catalogue([Toys({"x": first}), Toys({"x": second, "y": second}), Toys({"z": Net()}, "encoder")])
    assert [info.name for info in catalogue.list()] == ["x", "y", "z"]
    assert [info.name for info in catalogue.list("classifier")] == ["x", "y"]
    assert catalogue.load("x") is first and catalogue.load("y") is second
    info = catalogue.find("y")
    assert (info.kind, info.ready, info.class_names) == ("classifier", True, ("a", "b"))


def test_a_name_out_of_a_file_never_reaches_a_source_that_runs_or_follows_it() -> None:
    own = Toys({"module:function": Net()}, typed_only=True)
    catalogue = Catalogue([Toys({"x": Net()}), own])
    assert [info.name for info in catalogue.list()] == ["x"]
    for ask in (catalogue.find, catalogue.load, catalogue.fetch):
        with pytest.raises(NoModelError, match=r"in no list here.*--model"):
            ask("module:function")
    assert own.asked == []
    assert catalogue.find("module:function", typed=True).ready
    assert catalogue.load("module:function", typed=True) is own.models["module:function"]
    # it was used, so its revision is known; a file may still not name it
    assert "module:function" in [info.name for info in catalogue.known()]
    with pytest.raises(NoModelError):
        catalogue.load("module:function")


def test_a_name_that_can_mean_two_models_is_refused_unless_one_is_wanted_or_only_one_is_here() -> None:
    def both(ours: bool, clip: bool) -> Catalogue:
        classifier = Toys({"hf-hub:o/n": "ours"}, typed_only=True, instead="crossmax-hub:o/n", ready=ours)
        encoder = Toys({"hf-hub:o/n": "clip"}, "encoder", typed_only=True, instead="clip-hub:o/n", ready=clip)
        return Catalogue([classifier, encoder])

    for here in (True, False):
        with pytest.raises(
            StudioError, match="a classifier of ours or a CLIP model: write 'crossmax-hub:o/n' or 'clip-hub:o/n'"
        ):
            both(here, here).load("hf-hub:o/n", typed=True)
    assert both(False, False).load("hf-hub:o/n", kind="classifier", typed=True) == "ours"
    assert both(False, False).load("hf-hub:o/n", kind="encoder", typed=True) == "clip"
    assert both(True, False).load("hf-hub:o/n", typed=True) == "ours"
    assert both(False, True).load("hf-hub:o/n", typed=True) == "clip"
    assert spelled("hf-hub:o/n", "classifier") == "crossmax-hub:o/n" and spelled("x", "encoder") == "x"
    assert (
        spelled("hf-hub:o/n", "encoder") == "clip-hub:o/n" and spelled("clip-hub:o/n", "classifier") == "clip-hub:o/n"
    )


def test_wrong_names_get_help() -> None:
    catalogue = Catalogue([Toys({"crossmax": Net(), "damaged": Net()}), Toys({"clip": Net()}, "encoder")])
    with pytest.raises(NoModelError, match=r"^There is no model 'crosmax'\. Did you mean 'crossmax'\?$"):
        catalogue.load("crosmax")
    with pytest.raises(NoModelError, match=r"no model 'nothing'\. Choose from the list \(crossmax, damaged\)\."):
        catalogue.load("nothing", kind="classifier")
    with pytest.raises(NoModelError, match="'clip' compares pictures with texts and knows no classes"):
        catalogue.load("clip", kind="classifier")
    with pytest.raises(NoModelError, match="'crossmax' knows classes and reads no texts"):
        catalogue.load("crossmax", kind="encoder")
    with pytest.raises(NoModelError) as caught:
        catalogue.load("x" * 10_000)
    assert len(str(caught.value)) < 300


def test_loaded_models_are_shared_counted_and_let_go() -> None:
    kept = Kept()
    catalogue = Catalogue([kept], Memory(100))
    a, b = catalogue.load("a"), catalogue.load("b")
    assert catalogue.load("a") is a and kept.loads == ["a", "b"]
    assert [(one.names, one.device, one.size) for one in catalogue.loaded()] == [
        (("b",), "cpu", 40),
        (("a",), "cpu", 40),
    ]
    catalogue.load("c")  # b, the least recently used, leaves: 120 bytes are more than 100
    assert catalogue.load("a") is a and catalogue.load("b") is not b
    assert kept.loads == ["a", "b", "c", "b"] and loaded_bytes(catalogue.memory) == 80
    assert catalogue.release("a") == 40 and loaded_bytes(catalogue.memory) == 40
    assert catalogue.load("a") is not a
    assert catalogue.release() == 80 and not catalogue.loaded() and catalogue.release() == 0


def test_a_model_on_two_devices_is_two() -> None:
    kept = Kept()
    catalogue = Catalogue([kept])
    assert catalogue.load("a", "cpu") is not catalogue.load("a", "meta")
    assert sorted(one.device for one in catalogue.loaded()) == ["cpu", "meta"] and catalogue.release("a") == 80


def test_where_memory_runs_out_others_leave_and_it_is_tried_once_more() -> None:
    kept = Kept()
    catalogue = Catalogue([kept])
    catalogue.load("a")
    kept.fails = 1
    assert catalogue.load("b") is not None and kept.loads == ["a", "b", "b"]
    assert [one.names for one in catalogue.loaded()] == [("b",)]
    catalogue.release()
    kept.fails = 1
    with pytest.raises(OutOfMemory, match="no room for the model 'c' in memory"):
        catalogue.load("c")


def test_what_is_known_of_a_model_is_said_under_the_name_it_was_asked_for() -> None:
    class Alias(Toys):
        def find(self, name: str) -> Found | None:
            return super().find("x") if name == "alias" else super().find(name)

    info = Catalogue([Alias({"x": Net()})]).find("alias")
    assert isinstance(info, ModelInfo) and info.name == "alias" and info.title == "x"
