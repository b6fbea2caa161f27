"""The table against a slow recomputation, which knows nothing of the library but how to open files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from foundation.images.files import save_png
from foundation.intervals import wilson
from generator.transfer.outcome import Outcome, Question
from generator.transfer.table import Case, Cell, cells_of, compare, matrix_of
from generator.victims.store import VerdictStore
from generator.victims.survival import SURVIVALS
from generator.victims.victims import classifier_victim
from tests.generator.standins import NAMES, Colours, LayeredColours, rng
from tests.generator.transfer.standins import tinted

SURVIVED = ("saved", "jpeg-30", "half")


class Other(Colours):
    """Another model of colours, with other numbers and the names in another order."""

    class_names = ("blue", "grey", "green", "red")

    def forward(self, images: Tensor) -> Tensor:
        contrast = images.amax(dim=(2, 3)) - 0.5 * images.mean(dim=(2, 3))
        return (4 * contrast @ self.matrix.T)[:, [2, 3, 1, 0]]


class Few(Colours):
    """Knows no green."""

    class_names = ("red", "blue")

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)[:, [0, 2]]


COUNT = 12


def make_cases(folder: Path) -> list[Case]:
    cases = []
    for number in range(COUNT):
        photo = tinted((0, 2)[number % 2], number, (20 + number, 30))
        change = torch.zeros_like(photo)
        change[:, 1] = (0.02, 0.15, 0.45)[number % 3]
        names = folder / f"{number}.png", folder / f"{number}-a.png"
        save_png(photo, names[0])
        save_png((photo + change + 0.05 * torch.randn(photo.shape, generator=rng(number))).clamp(0, 1), names[1])
        label = NAMES[(0, 2)[number % 2]] if number != 5 else "grey"
        questions = (Question(label, ("green",)), Question(label), Question(), Question("", ("blue",)))
        question, attack = questions[number % 4], ("one", "two")[number // (COUNT // 2)]
        cases.append(Case(f"p{number}", attack, *names, question))
    return cases


def cell_of(cells: tuple[Cell, ...], attack: str, victim: str, survival: str) -> Cell:
    (cell,) = [cell for cell in cells if (cell.attack, cell.victim, cell.survival) == (attack, victim, survival)]
    return cell


def slow(model: Colours, picture: Image.Image) -> str:
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255
    return model.class_names[int(model(pixels)[0].argmax())]


def test_the_table_is_what_the_saved_files_say(tmp_path: Path) -> None:
    cases = make_cases(tmp_path)
    models = {"colours": Colours(), "layered": LayeredColours(), "other": Other(), "few": Few()}
    victims = [classifier_victim(name, model) for name, model in models.items()]
    rows = compare(cases, victims, survivals=SURVIVED).rows
    cells = cells_of(rows)
    assert len(rows) == COUNT * 4 * 3 and len(cells) == 2 * 4 * 3
    seen = set()
    for name, model in models.items():
        for survival in SURVIVED:
            for attack in ("one", "two"):
                counted = won = control = 0
                for case in (case for case in cases if case.attack == attack):
                    photo, attacked = Image.open(case.photo).convert("RGB"), Image.open(case.attacked).convert("RGB")
                    change = SURVIVALS[survival].apply
                    before, after, alone = (slow(model, p) for p in (photo, change(attacked), change(photo)))
                    label, targets = case.question.label, case.question.targets
                    known = model.class_names
                    if (label and label not in known) or (targets and targets[0] not in known):
                        continue
                    if (label and before != label) or before in targets:
                        continue
                    counted += 1
                    goals = [said in targets if targets else said != (label or before) for said in (after, alone)]
                    won, control = won + goals[0], control + goals[1]
                cell = cell_of(cells, attack, name, survival)
                assert (cell.rate.successes, cell.rate.total, cell.control.successes) == (won, counted, control)
                assert cell.rate.interval == wilson(won, counted) and cell.total == COUNT // 2
                assert cell.total == counted + sum(cell.left_out.values())
                seen.add((won, counted))
    assert len(seen) > 4  # the pictures are such that much happens
    assert {row.outcome for row in rows} >= {
        *(Outcome.SUCCESS, Outcome.FAILURE, Outcome.WRONG_BEFORE, Outcome.NOT_COMPARABLE),
    }


def test_shares_and_distances_are_those_of_the_files(tmp_path: Path) -> None:
    cases = make_cases(tmp_path)[:2]
    found = compare(cases, [classifier_victim("colours", Colours())])
    pixels = [np.asarray(Image.open(path), np.float64) / 255 for path in (cases[0].photo, cases[0].attacked)]
    assert found.distances["one", "p0"].linf == pytest.approx(np.abs(pixels[1] - pixels[0]).max(), abs=1e-6)
    assert found.distances["one", "p0"].l2 == pytest.approx(np.linalg.norm(pixels[1] - pixels[0]), rel=1e-6)
    tensors = [torch.from_numpy(p).permute(2, 0, 1)[None].float() for p in pixels]
    green = [Colours()(t)[0].double().softmax(0)[1].item() for t in tensors]
    assert (found.rows[0].share_before, found.rows[0].share_after) == pytest.approx(green, abs=1e-6)


def test_distances_that_are_known_are_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = make_cases(tmp_path)[:2]
    victims = [classifier_victim("colours", Colours())]
    first = compare(cases, victims)
    monkeypatch.setattr("generator.transfer.table.distances", None)
    assert compare(cases, victims, known=first.distances) == first


def test_without_question_the_answer_before_is_what_is_left(tmp_path: Path) -> None:
    case = make_cases(tmp_path)[0]
    open_case = Case(case.image, case.attack, case.photo, case.attacked, Question())
    (row,) = compare([open_case], [classifier_victim("colours", Colours())]).rows
    assert row.share_before == row.before.confidence and row.share_after is not None


def test_matrix() -> None:
    assert matrix_of([]) == {}


def test_bad_files_are_named_and_the_others_measured(tmp_path: Path) -> None:
    cases = make_cases(tmp_path)[:3]
    cases[0].attacked.write_bytes(b"no picture")
    save_png(torch.zeros(1, 3, 9, 9), cases[1].attacked)
    found = compare(cases, [classifier_victim("colours", Colours())])
    assert [row.image for row in found.rows] == ["p2"]
    assert set(found.unreadable) == {("one", "p0"), ("one", "p1")}
    assert "not of the size" in found.unreadable["one", "p1"]
    assert list(matrix_of(cells_of(found.rows))) == ["one"]


@pytest.mark.slow
def test_nothing_is_asked_twice_and_a_cut_off_line_is_dropped(tmp_path: Path) -> None:
    cases, path = make_cases(tmp_path), tmp_path / "answers.jsonl"
    victims = [classifier_victim("colours", Colours()), classifier_victim("other", Other())]
    store = VerdictStore(path)
    rows = compare(cases, victims, survivals=SURVIVED, store=store).rows
    assert 0 < store.asked <= COUNT * 2 * 2 * 3 + COUNT * 2
    again = VerdictStore(path)
    assert compare(cases, victims, survivals=SURVIVED, store=again).rows == rows and again.asked == 0
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    mended = VerdictStore(path)
    assert compare(cases, victims, survivals=SURVIVED, store=mended).rows == rows and mended.asked == 1
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())
    changed = VerdictStore(path)  # other pixels, or another model, are other questions
    save_png(tinted(1, 77, (20, 30)), cases[0].attacked)
    compare(cases, [classifier_victim("colours", Colours(scale=3.0))], store=changed)
    assert changed.asked >= 2 * COUNT - 1


def test_stopping_keeps_whole_cases(tmp_path: Path) -> None:
    cases = make_cases(tmp_path)
    victims = [classifier_victim("colours", Colours()), classifier_victim("other", Other())]
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 5

    found = compare(cases, victims, should_stop=stop)
    assert found.stopped and [row.image for row in found.rows] == ["p0", "p0", "p1", "p1"]
