"""`--victim vlm` from end to end, and the key, which is looked for in everything that was written."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.generator.cli.vlm_command import BATCH, QUICK, Run, vlm_command
from tests.generator.vlm.server import (
    KEY,
    Endpoint,
    answer,
    echo,
    echo_error,
    flood,
    half,
    hang_up,
    look,
    raw,
    status,
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: Endpoint) -> Run:
    return vlm_command(monkeypatch, tmp_path, endpoint)


def descriptions() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("out/descriptions.json").read_text())
    return found


def test_a_batch_is_described(run: Run, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint.default = look
    flags = ["--victim", "vlm", "--victim", "colours", "--vlm-samples", "2", "--vlm-similarity", "words"]
    assert run(*BATCH, *flags, "--vlm-keyword", "green|frog") == 0
    out, _ = capsys.readouterr()
    assert "colours  eyes  saved: 8 of 8 samples answered" in out and "out/descriptions.json" in out
    assert "target_keywords>=1: 2 of 2" in out and "8 requests, 880 tokens." in out
    found = descriptions()
    assert found["complete"] and [entry["image"] for entry in found["described"]] == ["p0", "p1"]
    assert -1 <= found["described"][0]["attacked"][0]["target_cosine"] <= 1
    assert json.loads(Path("out/report.json").read_text())["victims"][0]["name"] == "colours"
    assert run(*BATCH, *flags, "--vlm-keyword", "green|frog", "--json-only") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["vlm"]["costs_of_this_run"]["requests"] == 0 and len(endpoint.seen) == 8


def test_a_transfer_to_other_models_of_the_server(run: Run, endpoint: Endpoint) -> None:
    endpoint.default = look
    victims = ["--victim", "vlm:one", "--victim", "vlm:two", "--vlm-samples", "1", "--quiet"]
    assert (
        run("transfer", "photos", "--out", "out", "--surrogate", "colours", "--class", "green", *victims, *QUICK) == 0
    )
    assert [cell["model"] for cell in descriptions()["cells"]] == ["one", "two"]
    attacked = ["transfer", "photos", "--out", "again", "--attacked", "out/colours", *victims]
    assert run(*attacked) == 0
    assert json.loads(Path("again/descriptions.json").read_text())["cells"] == descriptions()["cells"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--vlm-samples", "2"], "--victim vlm"),
        (["--victim", "vlm=cifar10"], "own words"),
        (["--victim", "vlm:"], "Name a model"),
        (["--victim", "vlm", "--vlm-samples", "0"], "from 1 to 100"),
        (["--victim", "vlm", "--vlm-seed", "-1"], "from 0 to"),
        (["--victim", "vlm", "--vlm-question", ""], "characters"),
        (["--victim", "vlm", "--vlm-keyword", "|"], "no keyword"),
        (["--victim", "vlm", "--vlm-similarity", "colours"], "reads no texts"),
    ],
)
def test_mistakes_are_found_before_any_work(
    run: Run, endpoint: Endpoint, capsys: pytest.CaptureFixture[str], flags: list[str], says: str
) -> None:
    assert run(*BATCH, *flags) == 2
    assert says in capsys.readouterr().err and not list(Path("out").rglob("*.png")) and endpoint.seen == []


def test_without_settings_it_says_what_to_set(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*BATCH, "--victim", "vlm", configured=False) == 2
    assert "CROSSMAX_VLM_URL" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviour",
    [
        *(
            echo,
            echo_error,
            status(401, KEY.encode()),
            status(500, KEY.encode()),
            raw(KEY.encode(), KEY),
            hang_up,
            half,
        ),
        *(flood(False), status(302, Location=f"http://x/{KEY}"), status(429, Retry_After=KEY), answer(KEY)),
    ],
    ids=lambda b: getattr(b, "__name__", "b"),
)
def test_the_key_is_nowhere(
    run: Run,
    endpoint: Endpoint,
    behaviour: Any,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    endpoint.default = behaviour
    with caplog.at_level(logging.DEBUG):
        code = run(*BATCH, "--victim", "vlm", "--vlm-samples", "1", "--vlm-judge")
    assert code in (0, 2) and endpoint.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert Path("out/descriptions.json").is_file() and Path("out/report.html").is_file()
    written = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert sum(path.endswith(".png") for path in written) == 4
    shown = capfd.readouterr()
    # With all debugging on, httpcore logs the headers of a response, which are the server's to fill.
    logged = [record.getMessage() for record in caplog.records]
    logged = [line for line in logged if not line.startswith("receive_response_headers.complete")]
    assert any("127.0.0.1" in line for line in logged)
    everything = [*written.values(), shown.out.encode(), shown.err.encode(), *(line.encode() for line in logged)]
    for content in everything:
        assert KEY.encode() not in content and KEY[3:].encode() not in content
