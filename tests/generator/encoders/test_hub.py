"""Finding and fetching models, with a server in the place of the hub."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch
from huggingface_hub import constants

from foundation.downloads.connection import DownloadError
from foundation.downloads.download import Patience
from generator.encoders import hub
from generator.encoders.catalogue import DOWNLOADABLE
from generator.encoders.hub import Store
from generator.encoders.names import Hub, Tagged
from tests.generator.encoders.server import Site, serving

MODEL = {"embed_dim": 4, "vision_cfg": {}, "text_cfg": {}}
CONFIG = json.dumps({"model_cfg": MODEL}).encode()
TINY = Tagged("Tiny", "one")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as served:
        yield served


@pytest.fixture
def store(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    return Store(tmp_path / "store", endpoint=site.address, patience=Patience(5, 1, 0))


def pretrained(monkeypatch: pytest.MonkeyPatch, **config: Any) -> None:
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Tiny", {"one": config})


def in_hub_cache(tmp_path: Path, repository: str, name: str) -> Path:
    folder = tmp_path / "hub-cache" / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("c0ffee")
    path = folder / "snapshots" / "c0ffee" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"cached")
    return path


def test_fetches_the_safe_file_of_a_tag_and_then_has_it(
    site: Site, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrained(monkeypatch, hf_hub="org/tiny/")
    for name in ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"):
        site.files[f"/org/tiny/resolve/main/{name}"] = name.encode()
    assert store.weights_of_tag(TINY, "org/tiny") is None
    assert store.names() == []
    path = store.fetch_tag(TINY)
    assert path == store.folder / "Tiny" / "one" / "open_clip_model.safetensors"
    assert path.read_text() == "open_clip_model.safetensors"
    assert store.weights_of_tag(TINY, "org/tiny") == path
    assert store.names() == ["Tiny/one"]
    asked = len(site.requests)
    assert store.fetch_tag(TINY) == path
    assert len(site.requests) == asked


def test_takes_the_other_file_where_there_is_no_safe_one(
    site: Site, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrained(monkeypatch, hf_hub="org/tiny/pytorch_model.bin", url="https://nowhere.invalid/x.pt")
    site.files["/org/tiny/resolve/main/pytorch_model.bin"] = b"pickled"
    assert store.fetch_tag(TINY).read_bytes() == b"pickled"
    assert [path.rpartition("/")[2] for path, _ in site.requests] == ["pytorch_model.safetensors", "pytorch_model.bin"]


def test_a_repository_without_weights(site: Site, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pretrained(monkeypatch, hf_hub="org/tiny/")
    with pytest.raises(DownloadError, match=r"'org/tiny' has none of the files open_clip_model\.safetensors"):
        store.fetch_tag(TINY)


def test_a_plain_address_and_the_checksum_in_it(site: Site, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["/mlfoundations/tiny-00000000.pt"] = b"weights"
    pretrained(monkeypatch, url=f"{site.address}/mlfoundations/tiny-00000000.pt")
    with pytest.raises(DownloadError, match="checksum"):
        store.fetch_tag(TINY)
    pretrained(monkeypatch, url=f"{site.address}/openaipublic/ffff/tiny.pt")
    site.files["/openaipublic/ffff/tiny.pt"] = b"weights"
    with pytest.raises(DownloadError, match="checksum"):
        store.fetch_tag(TINY)
    site.files["/tiny.pt"] = b"weights"
    pretrained(monkeypatch, url=f"{site.address}/tiny.pt")
    assert store.fetch_tag(TINY) == store.folder / "Tiny" / "one" / "tiny.pt"
    assert store.fetch_tag(TINY).read_bytes() == b"weights"
    pretrained(monkeypatch)
    with pytest.raises(DownloadError, match="does not say"):
        store.fetch_tag(Tagged("Tiny", "ONE"))


def test_a_repository_becomes_a_folder_with_its_weights_last(site: Site, store: Store) -> None:
    base = "/org/name/resolve/main/"
    site.files |= {base + "open_clip_config.json": CONFIG, base + "README.md": b"# Card"}
    with pytest.raises(DownloadError, match="holds no weights"):
        store.fetch_folder(Hub("org/name"))
    assert store.folder_of(Hub("org/name")) is None
    assert store.names() == []
    site.files[base + "open_clip_pytorch_model.bin"] = b"weights"
    folder = store.fetch_folder(Hub("org/name"))
    assert folder == store.folder / "hf-hub" / "org" / "name"
    assert {path.name for path in folder.iterdir() if path.suffix != ".lock"} == {
        *("open_clip_config.json", "README.md", "open_clip_pytorch_model.bin")
    }
    assert store.names() == ["clip-hub:org/name"]
    assert not any("tokenizer" in path for path, _ in site.requests)


def test_a_foreign_tokeniser_comes_along(site: Site, store: Store) -> None:
    base = "/org/name/resolve/main/"
    config = {"model_cfg": {**MODEL, "text_cfg": {"hf_tokenizer_name": "org/other"}}}
    site.files |= {
        base + "open_clip_config.json": json.dumps(config).encode(),
        base + "open_clip_model.safetensors": b"weights",
        base + "tokenizer.json": b"{}",
    }
    folder = store.fetch_folder(Hub("org/name"))
    assert (folder / "tokenizer.json").read_bytes() == b"{}"


def test_a_repository_that_is_no_model(site: Site, store: Store) -> None:
    with pytest.raises(DownloadError, match=r"no open_clip_config\.json: it is no model"):
        store.fetch_folder(Hub("org/name"))


def test_what_others_have_fetched_is_found(
    site: Site, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrained(monkeypatch, hf_hub="org/tiny/")
    weights = in_hub_cache(tmp_path, "org/tiny", "open_clip_pytorch_model.bin")
    assert store.weights_of_tag(TINY, "org/tiny") == weights
    assert store.fetch_tag(TINY) == weights
    config = in_hub_cache(tmp_path, "org/tiny", "open_clip_config.json")
    assert store.fetch_folder(Hub("org/tiny")) == config.parent
    assert site.requests == []


def test_downloads_can_be_turned_off(site: Site, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    pretrained(monkeypatch, hf_hub="org/tiny/")
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        store.fetch_tag(TINY)
    assert site.requests == []


def test_whoever_is_logged_in_shows_it_to_the_hub(site: Site, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_x")
    pretrained(monkeypatch, hf_hub="org/tiny/")
    site.files["/org/tiny/resolve/main/open_clip_model.safetensors"] = b"weights"
    store.fetch_tag(TINY)
    assert site.requests[0][1]["authorization"] == "Bearer hf_x"


@pytest.mark.parametrize("entry", DOWNLOADABLE, ids=lambda entry: entry.name)
def test_the_catalogue_says_what_open_clip_says(entry: Any) -> None:
    architecture, tag = entry.name.split("/")
    repository, names = hub._hub_files(open_clip.get_pretrained_cfg(architecture, tag))
    assert (entry.repository, names[0]) == (repository, "open_clip_model.safetensors")
    config = open_clip.get_model_config(architecture)
    assert "hf_tokenizer_name" not in config["text_cfg"]


def test_the_catalogue_says_how_large_a_model_is() -> None:
    for entry in DOWNLOADABLE[:1] + DOWNLOADABLE[4:5]:
        with torch.device("meta"):  # shapes without numbers
            model = open_clip.create_model(entry.name.split("/")[0], load_weights=False, device="meta")
        assert entry.size == pytest.approx(4 * sum(p.numel() for p in model.parameters()), rel=0.01)
