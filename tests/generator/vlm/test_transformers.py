"""The client against `transformers serve` with a tiny vision-language model of random weights."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from generator.vlm.client import VlmClient, VlmError
from generator.vlm.settings import VlmSettings
from generator.vlm.wire import Ask
from tests.generator.vlm.serve_tiny import WORDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
_STARTING_S = 250.0
"""A few seconds on a free machine; most of it goes by in imports."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VlmSettings]:
    folder = tmp_path_factory.mktemp("served")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.generator.vlm.serve_tiny", str(folder / "tiny"), str(port)]
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **offline, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log
        )
        try:
            until = time.monotonic() + _STARTING_S
            while True:
                assert server.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                try:
                    httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=5)
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield VlmSettings(
                url=f"http://127.0.0.1:{port}/v1", model=str(folder / "tiny"), max_tokens=8, retries=0, read_s=200
            )
        finally:
            server.kill()
            server.wait(10)


@pytest.mark.parametrize("stream", [False, True])
def test_a_tiny_model_describes_a_picture(served: VlmSettings, stream: bool) -> None:
    with VlmClient(served.model_copy(update={"stream": stream})) as client:
        ask = Ask(served.model, "What is this", Image.new("RGB", (30, 28), (200, 30, 30)), 0, 0.7)
        reply = client.ask(ask)
        again = client.ask(ask)
    assert reply.text.split() and {*reply.text.split()} <= {*WORDS, "user", "assistant"}
    assert again.text == reply.text  # the seed is honoured
    assert not reply.usage.estimated and reply.usage.completion == 8
    assert reply.usage.prompt == 2 + 3 + 4  # two roles, three words, and (28 / 14)^2 patches: the picture was seen


def test_a_model_that_is_not_there_is_a_sentence(served: VlmSettings) -> None:
    with VlmClient(served) as client, pytest.raises(VlmError, match=r"127\.0\.0\.1 .*HTTP"):
        client.ask(Ask(f"{served.model}-2", "What is this", Image.new("RGB", (30, 28)), 0, 0.7))
