"""The client against `transformers serve` with a tiny vision-language model of random weights, where that is here."""

import json
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

from generator.vlm.client import VlmClient
from generator.vlm.settings import VlmSettings
from generator.vlm.wire import Ask

transformers = pytest.importorskip("transformers", reason="transformers is no dependency of ours")
_STARTING_S = 120


def save_tiny(folder: Path) -> None:
    """A LLaVA of a few thousand random weights, with a tokenizer of words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<pad>", "<eos>", "<image>", "user", "assistant"]
    words += ["a", "cat", "dog", "frog", "on", "mat", "What", "is", "this"]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    template = (
        "{% for m in messages %}{{ m['role'] }} {% for c in m['content'] %}"
        "{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}<image>{% endif %} {% endfor %}{% endfor %}assistant "
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<unk>",
        pad_token="<pad>",
        eos_token="<eos>",
        additional_special_tokens=["<image>"],
    )
    vision = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    text = transformers.LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    config = transformers.LlavaConfig(vision_config=vision, text_config=text, image_token_index=words.index("<image>"))
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    picture = transformers.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    transformers.LlavaProcessor(
        picture, tokenizer, patch_size=14, vision_feature_select_strategy="default", chat_template=template
    ).save_pretrained(folder)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[VlmSettings]:
    save_tiny(tmp_path / "tiny")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, env=offline, stdout=log, stderr=log)
        try:
            until = time.monotonic() + _STARTING_S
            while True:
                assert server.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
                try:
                    httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=1)
                    break
                except httpx.TransportError:
                    time.sleep(0.5)
            yield VlmSettings(url=f"http://127.0.0.1:{port}/v1", model=str(tmp_path / "tiny"), max_tokens=8, retries=0)
        finally:
            server.terminate()
            server.wait(10)


def test_a_tiny_model_describes_a_picture(served: VlmSettings) -> None:
    for stream in (False, True):
        with VlmClient(served.model_copy(update={"stream": stream})) as client:
            reply = client.ask(Ask(served.model, "What is this", Image.new("RGB", (30, 28)), 0, 0.7))
        assert reply.text and json.dumps(reply.text)
