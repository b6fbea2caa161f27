"""The notebooks of `examples/` run from their first cell to their last, and find what their words say."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[3] / "examples"


def cells(name: str, kind: str = "code") -> list[dict[str, Any]]:
    book = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in book["cells"] if cell["cell_type"] == kind]


def run(name: str, written: str = "", instead: str = "") -> dict[str, Any]:
    """The names that a notebook leaves behind, in which something that is written once may be replaced."""
    names: dict[str, Any] = {"__name__": name}
    sources = ["".join(cell["source"]) for cell in cells(name)]
    if written:
        assert "".join(sources).count(written) == 1
        sources = [source.replace(written, instead) for source in sources]
    with torch.random.fork_rng():
        for number, source in enumerate(sources):
            exec(compile(source, f"{name}.ipynb, cell {number}", "exec"), names)
    return names


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.ipynb")), ids=lambda file: file.stem)
def test_what_is_kept_with_it_is_of_a_run_in_order_without_a_fault(file: Path) -> None:
    """And nothing of the machine where that was."""
    kept = cells(file.stem)
    assert [cell["execution_count"] for cell in kept] == list(range(1, len(kept) + 1))
    outputs = [output for cell in kept for output in cell["outputs"]]
    assert outputs and "error" not in {output["output_type"] for output in outputs}
    assert "site-packages" not in str(outputs) and "stderr" not in str(outputs)


@pytest.mark.slow
def test_class_images() -> None:
    found = run("class_images")
    assert found["frog"].recipe.classes == ("frog",)
    assert found["sheet"].size == (3 * found["side"], 2 * found["side"])
    assert len({picture.tobytes() for picture in found["pictures"].values()}) == 6
    assert all(one.grad is not None for one in found["prior"].parameters())


@pytest.mark.slow
def test_attack_and_transfer() -> None:
    found = run("attack_and_transfer")
    says, photo = found["says"], found["photo"]
    assert {says(name, photo)[0] for name in found["models"]} == {"espresso"}
    assert bool(found["result"].success) and says("lite0", found["result"].images)[0] != "espresso"
    assert float(found["result"].linf) <= 8 / 255 + 1e-6
    assert bool(found["led"].success) and says("lite0", found["led"].images)[0] == "goldfish"


@pytest.mark.slow
def test_honest_evaluation() -> None:
    """The mask holds against the weak suite, and the adaptive one breaks many, and names it; on half of the images."""
    found = run("honest_evaluation", "stripes(24)", "stripes(12)")
    assert (found["plain"].clean, found["plain"].robust) == (1.0, 0.0)
    assert found["weak"].robust == 1.0
    assert found["honest"].robust < 0.8
    text = found["honest"].text()
    assert "Sign of gradient masking: zero gradient" in text and "black box beats white box" in text
    assert int((found["masked"](found["adversarial"]).argmax(1) == found["labels"]).sum()) <= 2
