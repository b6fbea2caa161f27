"""What the page says of an attack: tables, charts and verdicts as markup."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.handlers.findings import write_findings
from app.records.findings import AttackFindings, Line
from app.records.pictures import Picture
from app.ui.attack.results import results as attack_results
from app.ui.attack.results import seeing as attack_seeing
from app.ui.attack.results import tables as attack_tables
from app.ui.markup import results, stage
from app.ui.markup.media import Media
from foundation.images.files import save_png
from foundation.jobs.store.model import JobStatus
from generator.recipes.recipe import Recipe
from generator.records.pictures import PictureFacts
from tests.app.ui.attack.findings import DEFENDED, EVIL, UNDEFENDED, findings, snapshot, written
from tests.browser.attack_standins import heat, line, parts, row, victim
from tests.browser.standins import CLASSES, fade
from tests.picture_results import answer, picture, result


def cells(page: str) -> list[list[str]]:
    """The words of a table's body, row by row."""
    body = page.split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", one) for one in body.split("</tr>") if one]
    return [[re.sub(r"<[^>]+>", " ", cell).strip() for cell in one] for one in rows]


def test_the_transfer_table_says_who_falls_and_who_cannot_be_compared() -> None:
    page = attack_tables.transfer_table(findings(), {UNDEFENDED: "Model U"})
    first, second, third = cells(page)
    assert "attacked" in first[0] and "holds" in first[1]
    assert second[0].startswith("Model U") and "held out" in second[0]
    assert second[2].split() == ["frog", "80%"] and second[3].split() == ["ship", "80%"]
    assert second[4] == "80% \u2192 10%" and "fooled" in second[1]
    assert "not comparable" in third[1] and "ship" in third[1] and "chooses from 10 texts" in third[0]
    assert "0 of 1 attacked, 1 of 1 held out. 1 not counted." in page


@pytest.mark.parametrize(
    ("label", "targets", "words", "share"),
    [
        ("", [], "was not given: fooled is who no longer says what it said before", "the first answer"),
        ("frog", [], "shows frog: fooled is who no longer says so; who did not say so before is not", "probable frog"),
        ("frog", ["ship"], "shows frog: who did not say so before is not counted", "probable ship"),
        ("", ["ship"], "Fooled is who says ship, and did not before", "probable ship"),
    ],
)
def test_the_table_says_what_counts(label: str, targets: list[str], words: str, share: str) -> None:
    page = attack_tables.transfer_table(findings(question={"label": label, "targets": targets}), {})
    assert words in page and share in page


def test_that_a_model_held_is_said_with_what_it_means() -> None:
    """An attacked model that holds: no proof that it is robust. Of those that only look on nothing is said."""
    page = attack_tables.transfer_table(findings(), {DEFENDED: "Model D <b>"})
    answer = next(row for row in findings().rows if row.victim == DEFENDED).after.label
    assert f"Model D &lt;b&gt; held: it says {answer}." in page and "is taken for ship. That does not prove" in page
    left = attack_tables.transfer_table(findings(question={"label": "", "targets": []}), {})
    assert "is taken for something else" in left
    fell = findings(rows=[{**row, "outcome": "success"} for row in written()["rows"]])
    onlookers = findings(victims=[{**victim, "attacked": False} for victim in written()["victims"]])
    for other in (fell, onlookers):
        assert "held:" not in attack_tables.transfer_table(other, {})


def test_a_model_that_was_wrong_before_is_not_said_to_be_fooled() -> None:
    image, left = facts({"m": "frog"}, {"m": "ship"}), Recipe(task="attack", objective="leave")
    assert "fooled: frog became ship" in results.verdicts(image, left, {})
    assert "fooled: frog became ship" in results.verdicts(image, left, {}, "a photo of a frog")
    wrong = results.verdicts(image, left, {}, "ship")
    assert "was wrong before: frog, now ship" in wrong and "cx-fell" not in wrong


def facts(before: dict[str, str], after: dict[str, str]) -> PictureFacts:
    """A picture of which models say these classes."""
    then, now = ({name: answer(one) for name, one in said.items()} for said in (before, after))
    return PictureFacts.read(picture(before=then, after=now))


def test_an_outcome_has_one_code_everywhere() -> None:
    """U14: the same sign and words in both tables and below; none where nothing counts."""
    marks = {
        "success": ("\u2713", "fooled"),
        "failure": ("\u2717", "holds"),
        "wrong before": ("", "was wrong before"),
        "target before": ("", "saw it before"),
        "no answer before": ("", "gave no answer before"),
    }
    for outcome, (sign, words) in marks.items():
        rows = [
            {**row, "outcome": outcome, "reached": True, "by_itself": True}
            for row in written()["rows"]
            if row["victim"] == UNDEFENDED
        ]
        found = findings(rows=rows)
        above = attack_tables.transfer_table(found, {})
        below = attack_tables.survival_table(found, {})
        for page in (above, below):
            row = next(row for row in cells(page) if any(words in cell for cell in row) or page is below)
            assert (sign in "".join(row)) if sign else not {"\u2713", "\u2717", "*"} & set("".join(row)), (outcome, row)
        assert words in below
        image = facts({UNDEFENDED: "frog"}, {UNDEFENDED: "frog"})
        left = Recipe(task="attack", objective="leave")
        assert words in results.verdicts(image, left, {}, "", attack_tables.outcomes(found))


def test_a_target_that_was_missed_is_no_success() -> None:
    """U14: a model led to ship that says dog holds, here as in the table."""
    recipe = Recipe(task="attack", classes=("ship",), objective="logit", models=("m",))
    for now, words in (("dog", "holds: frog became dog"), ("ship", "fooled: frog became ship")):
        assert words in results.verdicts(facts({"m": "frog"}, {"m": now}), recipe, {})


def test_the_parts_of_a_change_have_names_and_factors(tmp_path: Path) -> None:
    media = Media({"data": tmp_path}, b"k" * 32)

    def changed(**parts: Any) -> Picture:
        return Picture.read(picture(perturbation={"file": "a.png", "factor": 62.0, **parts}))

    page = attack_results.parts_view(changed(parts=parts("a.png")), tmp_path, media)
    names = re.findall(r"<b>(.*?)</b>", page)
    assert names == ["1\u00d71 cell", "1\u00d72 cells", "3\u00d75 cells", "layers of 6 to 7 cells"]
    assert page.count("at most 8/255, shown 62 times as strong</figcaption>") == 4 and "but for 0.50/255" in page
    shown = [{"file": "a.png", "factor": 1.0, "largest": 0.0, "from": None, "to": None}]
    shown.append({"file": "a.png", "factor": 62.0, "largest": 0.001, "from": 60.0, "to": 30.0})
    octaves = {"kind": "octaves", "shown": shown, "rest": 0.0}
    page = attack_results.parts_view(changed(parts=octaves), tmp_path, media)
    assert "the mean</b><br>nothing" in page and "waves of 60 to 30 pixels</b><br>at most 0.26/255" in page
    assert "no layers" in page and attack_results.parts_view(changed(), tmp_path, media) == ""


def test_the_survival_table_has_ticks_numbers_and_a_control() -> None:
    page = attack_tables.survival_table(findings(), {})
    saved, compressed, blurred = cells(page)
    assert saved[1].startswith("\u2717") and saved[2].startswith("\u2713") and saved[3] == "not comparable"
    assert compressed[2].startswith("\u2717") and "frog" in compressed[2]
    assert "*" in blurred[2] and "*" not in saved[2] and "not the attack" in page


def test_what_is_not_known_yet_is_to_come() -> None:
    assert attack_tables.tables(findings(victims=[], rows=[]), {}) == ""
    some = written()
    page = attack_tables.tables(findings(rows=some["rows"][:2]), {})
    assert page.count("cx-to-come") == 1 + 9 - 2
    broken = [{**some["victims"][0], "why_not": "Its weights are missing."}]
    page = attack_tables.tables(findings(victims=broken, rows=[]), {})
    assert "Its weights are missing." in page and "attack-survival" not in page


def test_every_text_of_the_findings_is_escaped(tmp_path: Path) -> None:
    recipe = Recipe(task="attack", models=(EVIL,), classes=("ship",), norm="linf", eps=0.1)
    hostile = {"label": EVIL, "confidence": 0.5}
    rows = [{**row(EVIL, part, ("", EVIL)), "before": hostile, "after": hostile} for part in ("saved", EVIL)]
    one = written(
        victims=[{**victim(EVIL, recipe), "name": EVIL}, {**victim(EVIL, recipe), "why_not": EVIL}],
        rows=rows,
        question={"label": EVIL, "targets": [EVIL]},
        survivals={"saved": EVIL, EVIL: EVIL},
        heat=[
            {**heat(EVIL, (EVIL, "ship", "frog")), "readouts": [EVIL] * 3, "answers": {"before": EVIL, "after": EVIL}}
        ],
        lines=[{**line(EVIL), "was": EVIL, "crossings": [{"t": 0.5, "before": EVIL, "after": EVIL}]}],
    )
    save_png(fade(3, 8, (8, 8), 1), tmp_path / "a.png")
    one["saliency"] = [{"victim": EVIL, "label": EVIL, "why_not": "", "before": "a.png", "after": "a.png"}]
    one["views"] = [{"victim": EVIL, "resolutions": [4], "before": ["a.png"], "after": ["a.png"]}]
    write_findings(tmp_path, AttackFindings.read(one))
    media = Media({"data": tmp_path}, b"k" * 32)
    image = picture("a.png", source="a.png", linf=0.1, l2=1.0, cosines={EVIL: []})
    job = snapshot(tmp_path, result=result(recipe, image, findings_error=EVIL))
    page = attack_results.attack_view(job, media) + attack_results.attack_more(job, media, {EVIL: EVIL})
    assert page.count("&lt;img") > 20 and "<img src=x" not in page


def test_the_heat_map_marks_the_read_outs_that_changed_their_answer() -> None:
    page = attack_seeing.heat_view(findings(), {})
    before, after = page.split("<svg")[1:]
    assert before.count("cx-heat-fell") == 0 and after.count("cx-heat-fell") == 2
    assert before.count("<rect") == 3 * len(CLASSES)
    assert "2 of 3 read-outs changed" in page and "together they now say ship, and said frog" in page
    assert 'fill-opacity="0.800"' in before
    damaged = heat("m", ("a", "b"))
    damaged["after"] = [{"label": "", "confidence": None, "shares": [None, None]}] * 3
    assert "no answer" in attack_seeing.heat_view(findings(heat=[damaged]), {})


def test_the_line_shows_where_the_answer_changes() -> None:
    chart = attack_seeing.line_chart(Line.read(line("m")), "Model")
    was, now = re.findall(r'points="([^"]*)"', chart)
    assert len(was.split()) == len(now.split()) == 26
    first, last = (tuple(map(float, was.split()[place].split(","))) for place in (0, -1))
    assert first[0] < last[0] and first[1] < last[1]  # to the right, and down
    assert "frog becomes ship at 0.60 of the change." in chart
    band = re.findall(r'<rect class="(\S+)" x="([\d.]+)"', chart)
    assert [css for css, _ in band] == ["cx-path-was", "cx-path-now"]
    steady = {**line("m"), "now": "", "crossings": []}
    steady["points"] = [{**one, "label": "frog", "now": None} for one in steady["points"]]
    assert "frog all along" in attack_seeing.line_chart(Line.read(steady), "Model")


def test_the_result_has_tables_first_and_the_rest_folded_away(tmp_path: Path) -> None:
    save_png(fade(3, 8, (8, 8), 1), tmp_path / "a.png")
    image = picture("a.png", source="a.png", linf=8 / 255, l2=1.0)
    job = snapshot(tmp_path, result=result(Recipe(task="attack", norm="none", eps=0.0), image))
    media = Media({"data": tmp_path}, b"k" * 32)
    assert "SSIM" not in attack_results.attack_view(job, media)
    write_findings(tmp_path, findings())
    assert "0.9876" in attack_results.attack_view(job, media)
    page = attack_results.attack_more(job, media, {})
    order = [page.index(word) for word in ("attack-transfer", "attack-survival", "Which read-outs", "beyond", "Recipe")]
    assert order == sorted(order) and "<details open" not in page.split("Which read-outs")[1]
    assert "Tables as" not in page and "carries no recipe" not in attack_results.attack_view(job, media)
    write_findings(tmp_path, findings(files={"csv": "rows.csv", "html": "report.html"}))
    page = attack_results.attack_more(job, media, {})
    assert 'download="crossmax-attack-tables.csv">Tables as CSV' in page and "Tables as HTML" in page
    (tmp_path / "rows.csv").write_text("a,b\n")
    address, key = re.findall(r"media/([^\"]*rows.csv)\?k=(\w+)", page)[0]
    assert media.find(address, key) == tmp_path / "rows.csv"
    bare = snapshot(tmp_path, result={**(job.result or {}), "with_recipe": False})
    assert "carries no recipe" in attack_results.attack_view(bare, media)
    write_findings(tmp_path, findings(complete=False))
    assert "stopped while it was being measured" in attack_results.attack_view(job, media)
    assert "Stopped at step" not in attack_results.attack_view(snapshot(
        tmp_path, result=job.result, status=JobStatus.STOPPED), media)  # fmt: skip


def test_curves_keep_to_the_steps_while_something_else_is_counted(tmp_path: Path) -> None:
    curves = {"total": [(1, 2.0), (4, 1.0)]}
    measuring = snapshot(tmp_path, curves=curves, done=3, total=90, unit="items")
    assert ">4 steps<" in stage.loss_curves(measuring)
    assert ">90 steps<" in stage.loss_curves(snapshot(tmp_path, curves=curves, total=90))
