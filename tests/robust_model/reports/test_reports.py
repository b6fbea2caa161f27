"""Reports against a hand-made report: figures, escaping, and that a page needs nothing but itself."""

import copy
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from foundation.errors import StudioError
from robust_model import reports
from robust_model.cli.main import main
from robust_model.evaluation.masking.findings import findings
from robust_model.evaluation.record.reading import as_report
from robust_model.reports import SCHEMA_PATH
from robust_model.reports.samples import magnified
from tests.reports import attack_config, attack_report, figure, plain_report, sample

DIRECT = attack_config(source="defence", steps=50, restarts=1)
EVIL = '<script>alert("x")</script>$a_b$|`'


def render_html(made: dict[str, Any], folder: Path | None = None) -> str:
    return reports.render_html(as_report(made), folder)


def render_markdown(made: dict[str, Any]) -> str:
    return reports.render_markdown(as_report(made))


def compare(made: list[dict[str, Any]]) -> reports.Comparison:
    return reports.compare([as_report(one) for one in made])


def model_info(made: dict[str, Any], **facts: Any) -> Any:
    return reports.model_info(as_report(made), **facts)


def curves(axis: str, name: str = "defence/margin") -> dict[str, Any]:
    points = [{"value": value, **figure(right)} for value, right in ((0.01, 30), (0.02, 20), (0.04, 0))]
    one = {"name": name, "axis": axis, "config": DIRECT, "points": points, "broken_at": [None] * 40}
    return {
        "complete": True,
        "n": 40,
        "clean_correct": 36,
        "curves": [one],
        "passes": {"forward": 9, "backward": 9},
        "seconds": 1.5,
    }


def report(text: str = "net") -> dict[str, Any]:
    """40 images, 36 right when clean; two attacks leave 20 and 12, both 10. `text` is in every free field."""
    standing = {text: [i < 20 for i in range(40)], "AutoAttack": [10 <= i < 22 for i in range(40)]}
    own = {"own_accuracy": 0.275, "rescored_accuracy": 0.3, "warnings": [text]}
    auto = attack_report("AutoAttack", 12, config={"kind": "autoattack", "version": "standard"}, autoattack=own)
    made = plain_report(
        model=text,
        command=f"python -m robust_model evaluate {text}",
        suites=[text],
        clean=figure(36),
        clean_by_readout={text: figure(36)},
        attacks=[attack_report(text, 20, config=DIRECT), auto],
        worst_case=figure(10),
        per_image={
            "label": [0] * 40,
            "clean": [i < 36 for i in range(40)],
            "counted": [True] * 40,
            "standing": standing,
        },
        versions={"torch": text},
        device=text,
        warnings=[text],
        sweep=curves("eps", text),
        convergence=curves("steps", text),
    )
    made["data"]["indices"] = list(range(100, 140))
    return {**made, "findings": [finding.to_json() for finding in findings(as_report(made))]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A report's folder with one pair of sample images, 4 x 6."""
    clean = np.full((4, 6, 3), 100, dtype=np.uint8)
    adversarial = clean.copy()
    adversarial[0, 0], adversarial[1, 2] = 108, 92
    for name, pixels in (("clean", clean), ("adversarial", adversarial)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def with_sample(made: dict[str, Any], text: str = "cat", **changes: Any) -> dict[str, Any]:
    answers = {"before": {"defence": text}, "after": {"defence": f"not {text}"}}
    return {**made, "samples": [sample(**{"attack": text, "label": text, **answers, **changes})]}


def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(SCHEMA_PATH.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_takes_a_report_and_nothing_that_is_none() -> None:
    schema = validator()
    schema.validate(with_sample(report()))
    for path, value in (
        (("schema",), 1),
        (("clean", "accuracy"), 1.5),
        (("clean", "ci95"), [0.1]),
        (("worst_case",), 0.3),
        (("passes",), 300),
        (("attacks", 0, "distance_max"), 1.5),
        (("findings", 0, "verdict"), "perhaps"),
        (("per_image", "clean"), [1, 0]),
        (("sweep", "curves", 0, "axis"), "luck"),
    ):
        broken: Any = report()
        place = broken
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert list(schema.iter_errors(broken)), path
    for name in ("data", "attacks", "per_image", "findings"):
        assert list(schema.iter_errors({k: v for k, v in report().items() if k != name})), name


class Page(HTMLParser):
    """Every tag with its attributes, and whether each element that opens closes in order."""

    VOID = ("meta", "img", "path", "use", "rect", "line", "stop")

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_says_what_the_report_says(folder: Path) -> None:
    html = render_html(with_sample(report()), folder)
    page = Page(html)
    assert page.open == []
    text = " ".join(page.words)
    for words in ("25.0", "90.0", "14.2 to 40.2%", "10 of 40", "50.0%", "27.5%", "1,200 + 1,100", "1 min 15 s"):
        assert words in text, words
    for title in ("What the numbers do not say", "Signs of gradient masking", "Full configuration", "not cat"):
        assert title in text, title
    assert html.count("<svg") == 3
    assert render_html(with_sample(report()), folder) == html, "the same report gives the same page"


def test_a_random_models_other_counts_are_shown() -> None:
    counts = {"draws": 9, "mean": 0.615, "every_draw": figure(7)}
    ways = {"clean": {**counts, "one_draw": figure(20)}, "worst_case": {**counts, "rescored": figure(8)}}
    made = report() | {"accounting": ways}
    validator().validate(made)
    html = render_html(made)
    for words in ("9 draws", "61.5%", "17.5%"):
        assert words in html, words


def test_the_page_needs_nothing_from_elsewhere_and_no_script(folder: Path) -> None:
    html = render_html(with_sample(report()), folder)
    page = Page(html)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "srcset", "action"):
                assert value and value.startswith(("data:image/png;base64,", "#")), (tag, value)
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)), "one id in two figures"
    for reference in re.findall(r'(?:url\(|href=")#([^)"]+)', html):
        assert reference in ids


def test_the_page_has_both_schemes_and_its_plots_take_their_colours() -> None:
    html = render_html(report())
    assert "prefers-color-scheme: dark" in html
    svg = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert "var(--attack)" in svg and "var(--ink)" in svg
    assert not re.findall(r"(?:fill|stroke): #(?!000000|ffffff)[0-9a-f]{6}", svg), "a colour of no scheme"


def test_every_text_is_escaped(folder: Path) -> None:
    made = with_sample(report(EVIL), EVIL)
    html = render_html(made, folder)
    assert "<script" not in html
    assert EVIL in " ".join(Page(html).words), "escaped, not lost; and no formula"
    assert "<script" not in compare([made, made]).html()
    markdown = render_markdown(made)
    assert "<script" not in markdown.split("\n    python")[0]
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "clean.txt", "sub/../../x.png"])
def test_only_pictures_of_the_folder_are_shown(folder: Path, name: str) -> None:
    with pytest.raises(StudioError, match="inside its own folder"):
        render_html(with_sample(report(), clean=name), folder)


def test_a_missing_picture_is_said_to_be_missing_and_a_damaged_one_is_an_error(folder: Path) -> None:
    assert "no longer beside the report" in render_html(with_sample(report(), clean="gone.png"), folder)
    (folder / "bad.png").write_bytes(b"no picture")
    with pytest.raises(StudioError, match="cannot be read"):
        render_html(with_sample(report(), clean="bad.png"), folder)


def test_the_change_is_magnified_about_grey() -> None:
    clean = np.full((2, 3, 3), 0.4)
    adversarial = clean.copy()
    adversarial[0, 0], adversarial[1, 2], adversarial[1, 0] = 0.5, 0.3, 0.45
    shown = np.asarray(Image.open(io.BytesIO(magnified(clean, adversarial, 0.1))))
    assert shown[0, 0, 0] == 255 and shown[1, 2, 1] == 0
    assert shown[0, 1].tolist() == [128] * 3
    assert shown[1, 0, 0] in (191, 192)


def test_a_partial_report_is_readable() -> None:
    partial = report() | {"worst_case": None, "complete": False, "attacks": []}
    partial["per_image"] |= {"counted": [False] * 40, "standing": {}}
    assert "Not complete" in render_html({**partial, "findings": []})


def test_markdown_names_every_figure() -> None:
    text = render_markdown(report())
    assert "| worst case over all attacks |  | 25.0% | 14.2 to 40.2% | 10 of 40 | 2,400 + 2,200 |" in text
    assert "AutoAttack itself reports 27.5%; re-scored by majority, 30.0%" in text
    assert "- The worst case is an upper bound" in text


FACTS = {"name": "A title", "authors": "A. B.", "architecture": "ResNet-18"}


def test_model_info_has_robustbenchs_fields() -> None:
    info = model_info(report(), **FACTS)
    assert info["clean_acc"] == "90.00" and info["autoattack_acc"] == "27.50" and info["external"] == "25.00"
    assert info["eps"] == "8/255" and info["dataset"] == "cifar10" and info["reported"] == "27.50"
    assert "40 images" in info["footnote"]
    assert model_info(report(), **FACTS, reported=0.3)["reported"] == "30.00"
    assert list(info)[:9] == [
        *("link", "name", "authors", "additional_data", "number_forward_passes", "dataset", "venue", "architecture"),
        "eps",
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"defence": {**report()["defence"], "noise": "fresh", "draws": 9}}, "deterministic"),
        ({"complete": False}, "not complete"),
        ({"attacks": report()["attacks"][:1]}, "autoattack-standard"),
        ({"data": {**report()["data"], "source": "folder:cats/test"}}, "boards"),
    ],
)
def test_model_info_takes_only_what_robustbench_takes(change: dict[str, Any], why: str) -> None:
    with pytest.raises(StudioError, match=why):
        model_info({**report(), **change}, **FACTS)


def test_the_board_of_a_folder_of_another_name_is_named_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**report(), "data": {**report()["data"], "source": "folder:photos/test"}}))
    words = ["model-info", str(path), "--name", "A title", "--authors", "A. B.", "--architecture", "ResNet-18"]
    assert main(words, foreground=None) == 2  # type: ignore[arg-type]  # nothing takes a while here
    assert "name its board with --dataset" in capsys.readouterr().err
    assert main([*words, "--dataset", "cifar10"], foreground=None) == 0  # type: ignore[arg-type]
    assert json.loads(capsys.readouterr().out)["dataset"] == "cifar10"


def weaker(fallen: int) -> dict[str, Any]:
    """The same report of a model that also loses the first `fallen` of the images that "net" leaves."""
    other = copy.deepcopy(report())
    other["config"]["model"] = "weaker"
    standing = [fallen <= i < 20 for i in range(40)]
    other["per_image"]["standing"]["net"] = standing
    other["attacks"][0] |= figure(sum(standing))
    return other


def test_comparison_is_paired_on_shared_images() -> None:
    first = report()
    rows = {d.measure: d for d in compare([first, weaker(8)]).differences}
    net = rows["net"]
    assert (net.paired, net.n) == (True, 40)
    assert net.points == pytest.approx(20)
    assert net.p == pytest.approx(2 * 2**-8)
    assert net.significant
    assert rows["clean"].p == 1 and not rows["clean"].significant
    assert not {d.measure: d for d in compare([first, weaker(4)]).differences}["net"].significant
    shifted = weaker(8)
    shifted["data"]["indices"] = list(range(120, 160))
    assert {d.measure: d.n for d in compare([first, shifted]).differences}["clean"] == 20


def test_comparison_of_other_images_is_unpaired_and_warns() -> None:
    other = weaker(8)
    other["data"]["source"], other["config"]["eps"] = "elsewhere/test", 4 / 255
    found = compare([report(), other])
    difference = {d.measure: d for d in found.differences}["net"]
    assert not difference.paired
    assert len(found.warnings) == 2
    for text in (found.text(), found.markdown(), found.html()):
        assert "weaker" in text and "not comparable" in text and "Fisher" in text


def test_many_comparisons_are_corrected() -> None:
    three = compare([report(), weaker(8), report()])
    assert list(three.names) == ["net (1)", "weaker", "net (3)"]
    ps = {(d.first, d.second): d.p for d in three.differences if d.measure == "net"}
    assert ps[("net (1)", "weaker")] == pytest.approx(3 * 2 * 2**-8)
    assert ps[("net (1)", "net (3)")] == 1
    with pytest.raises(StudioError, match="at least two"):
        compare([report()])
