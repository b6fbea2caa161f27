"""`python -m app` itself: what it refuses before it starts, under which circumstances it starts, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app import __main__
from app.web.listening import LEAVE_SECONDS
from foundation.limits import Limits
from tests.hostile import Hostile

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 150.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "70000"], "There is no port 70000: choose one from 1 to 65535"),
        (["--port", "-1"], "There is no port -1"),
        (["--port", "9" * 40], "There is no port 9"),
        (["--port", "http"], "--port"),
        (["--host", ""], "no name of a host"),
        (["--host", "http://localhost"], "no name of a host"),
        (["--host", "localhost:7860"], "no name of a host"),
        (["--allow-host", "*"], "no name of a host"),
        (["--allow-host", "studio.example.org/x"], "no name of a host"),
        (["--cluster", "nowhere"], "no address of a cluster"),
        (["--cluster", "127.0.0.1:1"], "Nobody answers at '127.0.0.1:1'"),
        (["--cluster-workers", "2"], "no workers without a cluster"),
        (["--cluster", "auto", "--cluster-workers", "-2"], "cluster_workers"),
        (["--cluster-pictures", "2"], "no workers without a cluster"),
        (["--cluster", "auto", "--cluster-pictures", "-1"], "--cluster-pictures is 0 to"),
        (["--cluster", "auto", "--cluster-pictures", "257"], "--cluster-pictures is 0 to"),
    ],
)
def test_numbers_and_names_are_checked_before_the_start(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """F20: refused with a sentence and code 2, before anything is loaded or written."""
    try:
        code = __main__.main(["--data-dir", str(tmp_path / "data"), *options])
    except SystemExit as end:  # argparse's way to refuse
        code = int(str(end.code))
    said = capsys.readouterr()
    assert code == 2
    assert words in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "data").exists()


def test_the_environment_says_nothing_of_gradio(monkeypatch: pytest.MonkeyPatch) -> None:
    """F20: variables by which the framework would open paths, or fail on a number, are not passed on."""
    for name in ("GRADIO_SERVER_PORT", "GRADIO_NUM_PORTS", "GRADIO_ALLOWED_PATHS", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "nonsense")
    __main__._set_up_gradio()
    assert {name: value for name, value in os.environ.items() if name.startswith("GRADIO_")} == {
        "GRADIO_ANALYTICS_ENABLED": "False"
    }


def test_proxies_are_hidden_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """F4: the environment is afterwards as before."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    before = dict(os.environ)
    with __main__._without_proxies():
        assert not {"ALL_PROXY", "https_proxy"} & set(os.environ)
    assert dict(os.environ) == before


def started(data: Path, environment: dict[str, str], *options: str) -> tuple[subprocess.Popen[str], str]:
    """The program, and the line that it prints when it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "--no-browser", "--port", "0", "--device", "cpu", "--data-dir", data, *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "CrossMax Studio:" in line:
            return process, line
    process.wait()
    raise AssertionError("".join(said))


@pytest.mark.slow
def test_it_starts_under_proxies_and_ends_quickly(tmp_path: Path) -> None:
    """F4: no proxy variable keeps it from starting, whatever it names. S15: SIGTERM ends it within seconds."""
    dead = {
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9"),
        **dict.fromkeys(("ALL_PROXY", "all_proxy"), "socks5://127.0.0.1:9"),
        "GRADIO_SERVER_PORT": "no number",
    }
    process, line = started(tmp_path / "data", dead)
    try:
        port = int(line.partition("http://127.0.0.1:")[2].partition("/")[0])
        client = Hostile(port)
        assert client.get("/", timeout=PATIENCE).status == 200
        with client.holding(3, client.head("GET", "/gradio_api/heartbeat/abc")):
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=PATIENCE)  # however busy the machine is
        assert process.returncode == 0
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.wait()
    longest = Limits().closing_seconds + LEAVE_SECONDS + __main__.CLOSING_SECONDS
    assert longest <= 6, "what the end waits for, at most: whoever sends SIGTERM kills after ten seconds"


def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    """F20: an address that cannot be listened on is refused with its reason."""
    import socket

    from app.web.listening import open_socket
    from foundation.errors import StudioError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StudioError, match=r"cannot be used \(Address already in use\)"):
            open_socket("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(StudioError, match="cannot be used"):
        open_socket("192.0.2.1", 0)
    with pytest.raises(StudioError, match="no address of this machine"):
        open_socket("no-such-host.invalid", 0)
