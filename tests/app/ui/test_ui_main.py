"""The composition root: its choices, and refusals in words."""

import pytest

from app.__main__ import choose_device, main
from app.model_list import SECONDS, ModelList
from foundation.catalogue.catalogue import Catalogue
from foundation.errors import StudioError
from tests.toy_models import Toys


def test_the_device_comes_with_a_reason() -> None:
    assert choose_device("auto", False) == ("cpu", "no CUDA device was found.")
    assert choose_device("auto", True)[0] == "cuda"
    assert choose_device("cpu", True)[0] == "cpu"
    with pytest.raises(StudioError, match="No CUDA device"):
        choose_device("cuda", False)


def test_help_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "--data-dir" in capsys.readouterr().out


def test_the_list_of_models_is_not_read_at_every_question() -> None:
    clock = [100.0]
    toys = Toys({"one": None})
    models = ModelList(Catalogue([toys]), now=lambda: clock[0])
    assert [info.name for info in models.list("classifier")] == ["one"]
    toys.models["two"] = None
    assert [info.name for info in models.list("classifier")] == ["one"] and not models.list("encoder")
    clock[0] += SECONDS + 1
    assert [info.name for info in models.list("classifier")] == ["one", "two"]
