"""The list of encoders, and the models that are loaded."""

import threading
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
from huggingface_hub import constants

from generator.encoders import pool as module
from generator.encoders.catalogue import DOWNLOADABLE, Downloadable
from generator.encoders.connection import DownloadError
from generator.encoders.download import DownloadStopped, Patience
from generator.encoders.encoder import OpenClipEncoder
from generator.encoders.hub import Store
from generator.encoders.loading import OutOfMemory, load_encoder
from generator.encoders.pool import ASSETS, EncoderPool
from generator.encoders.weights import sha256
from generator.errors import StudioError
from tests.generator.encoders.server import Site, serving
from tests.generator.encoders.tiny import Recorder, ThrownAway, save_model, write_config

CARD = "---\nlicense: mit\n---\n# Tiny CLIP\n\n| a table |\n\nKnows two\nwords.\n\nMore.\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shipped: tiny. Local: a, b and damaged."""
    root = tmp_path_factory.mktemp("models")
    save_model(root / "shipped" / "tiny", words=("a", "goldfish"), card=CARD)
    (root / "shipped" / "other").mkdir()
    save_model(root / "local" / "a", seed=1)
    save_model(root / "local" / "b", seed=2)
    write_config(root / "local" / "damaged")
    (root / "local" / "damaged" / "open_clip_model.safetensors").write_bytes(b"\x00" * 50)
    return root


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as served:
        yield served


@pytest.fixture
def pool(models: Path, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EncoderPool:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return make(models, site, tmp_path)


def make(models: Path, site: Site, tmp_path: Path, **options: object) -> EncoderPool:
    cache = tmp_path / "cache"
    store = Store(cache, endpoint=site.address, patience=Patience(5, 1, 0))
    given = {"cache_dir": cache, "shipped": models / "shipped", "store": store, **options}
    return EncoderPool([models / "local"], **given)  # type: ignore[arg-type]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models in the order in which they were loaded from disk."""
    names: list[str] = []

    def load(local: object, *, name: str, **options: object) -> OpenClipEncoder:
        names.append(name)
        return load_encoder(local, name=name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_encoder", load)
    return names


def test_lists_shipped_ones_then_local_ones_then_downloads(pool: EncoderPool) -> None:
    infos = pool.list()
    assert [info.name for info in infos] == ["tiny", "a", "b", "damaged", *(entry.name for entry in DOWNLOADABLE)]
    assert [info.origin for info in infos[:5]] == ["shipped", "local", "local", "local", "download"]
    tiny, a, _b, damaged, openai = infos[:5]
    assert (tiny.title, tiny.description, tiny.card) == ("Tiny CLIP", "Knows two words.", CARD)
    assert tiny.ready
    assert tiny.vocabulary == ("a", "goldfish")
    assert (a.title, a.description, a.vocabulary, a.ready) == ("a", "", (), True)
    assert not damaged.ready
    assert "damaged or cut off" in damaged.why_not
    assert openai.name == "ViT-B-32/openai"
    assert not openai.ready
    assert openai.download_bytes == 605_000_000
    assert "605 MB" in openai.why_not


def test_the_papers_three_models_are_listed() -> None:
    names = {entry.name for entry in DOWNLOADABLE}
    assert names >= {f"ViT-B-32/{tag}" for tag in ("openai", "laion400m_e32", "laion2b_s34b_b79k")}


def test_revisions_are_digests_of_the_weights(pool: EncoderPool, models: Path) -> None:
    expected = sha256(models / "shipped" / "tiny" / "open_clip_model.safetensors")[:16]
    assert pool.find("tiny").revision == expected
    assert pool.get("tiny").revision == expected


def test_the_assets_are_beside_the_packages() -> None:
    assert Path(module.__file__).parents[2] / "assets" == ASSETS


def test_a_folder_may_itself_be_a_model(models: Path, tmp_path: Path) -> None:
    pool = EncoderPool([models / "local" / "a"], cache_dir=tmp_path, shipped=tmp_path / "none")
    assert [info.name for info in pool.list() if info.origin != "download"] == ["a"]


def test_a_model_is_loaded_once_for_all_threads(pool: EncoderPool, loads: list[str]) -> None:
    got: list[OpenClipEncoder] = []
    threads = [threading.Thread(target=lambda: got.append(pool.get("a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(encoder) for encoder in got}) == 1
    assert loads == ["a"]
    assert pool.loaded_bytes == got[0].weight_bytes
    assert pool.get(f"local-dir:{pool._roots[1][1] / 'a'}") is got[0]  # by whatever name
    assert pool.get("a", precision="bf16") is not got[0]


def test_the_least_recently_used_leaves_and_its_user_keeps_it(
    models: Path, site: Site, tmp_path: Path, loads: list[str]
) -> None:
    one = make(models, site, tmp_path).get("a").weight_bytes
    loads.clear()
    pool = make(models, site, tmp_path, budget_bytes=2 * one + 100_000)
    first = pool.get("a")
    vectors = first.encode_text(["a goldfish"])
    pool.get("b")
    assert pool.get("a") is first
    pool.get("tiny")  # b leaves
    assert pool.loaded_bytes == 2 * one
    assert pool.get("a") is first
    assert loads == ["a", "b", "tiny"]
    pool.get("b")  # tiny leaves
    pool.get("tiny")  # a leaves
    assert loads == ["a", "b", "tiny", "b", "tiny"]
    assert first.encode_text(["a goldfish"]).equal(vectors)
    assert pool.get("a") is not first
    assert pool.get("a").encode_text(["a goldfish"]).equal(vectors)


def test_a_model_larger_than_the_budget_is_kept_alone(models: Path, site: Site, tmp_path: Path) -> None:
    pool = make(models, site, tmp_path, budget_bytes=1)
    encoder = pool.get("a")
    assert pool.get("a") is encoder
    assert pool.loaded_bytes == encoder.weight_bytes
    other = pool.get("b")
    assert pool.loaded_bytes == other.weight_bytes


def test_room_is_made_before_loading(models: Path, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make(models, site, tmp_path, budget_bytes=10_000_000)
    pool.get("a")
    seen: list[int] = []
    monkeypatch.setattr(module, "load_encoder", lambda *a, **k: seen.append(pool.loaded_bytes) or load_encoder(*a, **k))
    pool.get("b")
    assert seen == [0]


def test_without_memory_the_others_leave_and_it_is_tried_again(
    pool: EncoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.get("a")
    seen: list[int] = []

    def load(local: object, *, name: str, device: str, **options: object) -> OpenClipEncoder:
        seen.append(pool.loaded_bytes)
        if seen[-1]:
            raise OutOfMemory(name, device)
        return load_encoder(local, name=name, device=device, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_encoder", load)
    assert pool.get("b").name == "b"
    assert seen[0] > 0
    assert seen[1] == 0


def test_without_any_memory_there_is_a_sentence_and_the_pool_goes_on(
    pool: EncoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(local: object, *, name: str, device: str, **options: object) -> OpenClipEncoder:
        raise OutOfMemory(name, device)

    with monkeypatch.context() as patch:
        patch.setattr(module, "load_encoder", fail)
        with pytest.raises(StudioError, match="no room for the model 'a'"):
            pool.get("a")
    assert pool.get("a").name == "a"


def test_changed_weights_are_loaded_anew(site: Site, tmp_path: Path) -> None:
    save_model(tmp_path / "models" / "shipped" / "a", seed=1)
    pool = make(tmp_path / "models", site, tmp_path)
    first = pool.get("a")
    save_model(tmp_path / "models" / "shipped" / "a", seed=2)
    second = pool.get("a")
    assert second.revision != first.revision
    assert not second.encode_text(["cat"]).allclose(first.encode_text(["cat"]))


def test_waiting_for_another_thread_can_be_ended(pool: EncoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    loading, finish = threading.Event(), threading.Event()

    def slow(*arguments: object, **options: object) -> OpenClipEncoder:
        loading.set()
        finish.wait(timeout=20)
        return load_encoder(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_encoder", slow)
    thread = threading.Thread(target=pool.get, args=("a",))
    thread.start()
    loading.wait(timeout=20)
    with pytest.raises(StudioError, match="Stopped"):
        pool.get("a", context=Recorder(stop_after=0))
    with pytest.raises(ThrownAway):
        pool.get("a", context=Recorder(discard_after=0))
    finish.set()
    thread.join()


def test_damaged_models_say_so(pool: EncoderPool) -> None:
    with pytest.raises(StudioError, match="damaged or cut off"):
        pool.get("damaged")


def fetchable(site: Site, models: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Let open_clip know "Tiny/one", which is on the server, and list it; returns its weights."""
    import json

    config = json.loads((models / "local" / "a" / "open_clip_config.json").read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny", config)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Tiny", {"one": {"hf_hub": "org/tiny/"}})
    entry = Downloadable("Tiny/one", "Tiny One", "Small.", "org/tiny", 1_000_000)
    monkeypatch.setattr(module, "DOWNLOADABLE", (entry,))
    weights = (models / "local" / "a" / "open_clip_model.safetensors").read_bytes()
    site.files["/org/tiny/resolve/main/open_clip_model.safetensors"] = weights
    return weights


def test_a_tag_is_fetched_on_first_use_and_then_ready(
    pool: EncoderPool, site: Site, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = fetchable(site, models, monkeypatch)
    assert not pool.find("Tiny/one").ready
    context = Recorder()
    encoder = pool.get("Tiny/one", context=context)
    assert context.reports[-1][:2] == (len(weights), len(weights))
    info = pool.find("Tiny/one")
    assert info.ready
    assert info.title == "Tiny One"
    assert info.revision == encoder.revision == pool.find("a").revision
    asked = len(site.requests)
    assert pool.get("Tiny/one") is encoder
    assert len(site.requests) == asked
    # The same weights, but prepared for as its tag says.
    assert encoder.encode_text(["cat"]).equal(pool.get("a").encode_text(["cat"]))


def test_what_was_fetched_beside_the_catalogue_is_listed_too(
    pool: EncoderPool, site: Site, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetchable(site, models, monkeypatch)
    monkeypatch.setattr(module, "DOWNLOADABLE", ())
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        site.files[f"/org/whole/resolve/main/{name}"] = (models / "local" / "b" / name).read_bytes()
    pool.get("Tiny/one")
    pool.get("hf-hub:org/whole")
    listed = [info for info in pool.list() if info.origin == "download"]
    assert [(info.name, info.ready) for info in listed] == [("Tiny/one", True), ("hf-hub:org/whole", True)]
    assert pool.find("hf-hub:org/whole").revision == pool.find("b").revision


def test_a_failed_download_names_what_is_here(
    pool: EncoderPool, site: Site, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetchable(site, models, monkeypatch)
    site.tags["/org/tiny/resolve/main/open_clip_model.safetensors"] = "one"
    site.cut_after = [1000, 0]
    with pytest.raises(DownloadError, match=r"the connection was cut.*Without a network there are: 'tiny', 'a', 'b'\."):
        pool.get("Tiny/one")
    with pytest.raises(DownloadStopped) as caught:
        pool.get("Tiny/one", context=Recorder(stop_after=0))
    assert "Without" not in str(caught.value)
    with pytest.raises(ThrownAway):
        pool.get("Tiny/one", context=Recorder(discard_after=0))
    assert pool.get("Tiny/one").encode_text(["cat"]).shape == (1, 16)


def test_turned_off_downloads_are_told(pool: EncoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in pool.find("ViT-B-32/openai").why_not
    with pytest.raises(DownloadError, match=r"HF_HUB_OFFLINE.*'tiny'"):
        pool.get("ViT-B-32/openai")


def test_names_beyond_the_list(pool: EncoderPool, models: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    fetchable(site, models, monkeypatch)
    path = models / "local" / "b" / "open_clip_model.safetensors"
    name = f"Tiny/{path}"
    assert pool.find(name).ready
    assert pool.find(name).revision == pool.get(name).revision == pool.find("b").revision
    assert pool.find(str(models / "local" / "b")).ready
    unknown = pool.find("hf-hub:org/name")
    assert not unknown.ready
    assert "first used" in unknown.why_not
    for wrong in ("tinny", "Tiny/two", "hf-hub:x"):
        with pytest.raises(StudioError):
            pool.find(wrong)
        with pytest.raises(StudioError):
            pool.get(wrong)


def test_strangers_may_choose_from_the_list_only(models: Path, site: Site, tmp_path: Path, pool: EncoderPool) -> None:
    closed = make(models, site, tmp_path, only_listed=True)
    assert closed.get("tiny").name == "tiny"
    for name in (str(models / "local" / "a"), f"local-dir:{models / 'local' / 'a'}", "hf-hub:org/name", "RN50/cc12m"):
        with pytest.raises(StudioError, match="Choose from the list"):
            closed.get(name)
    with pytest.raises(StudioError, match="Did you mean 'tiny'"):
        closed.find("tinny")


def test_precisions_that_cannot_be_are_refused_before_anything_is_fetched(pool: EncoderPool, site: Site) -> None:
    with pytest.raises(StudioError, match="int8"):
        pool.get("ViT-B-32/openai", precision="int8")
    assert site.requests == []


def test_listing_imports_no_open_clip(models: Path, tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    code = f"""
import sys
from pathlib import Path
from generator.encoders.pool import EncoderPool
pool = EncoderPool([Path({str(models / "local")!r})], cache_dir=Path({str(tmp_path)!r}))
assert any(info.name == "a" and info.ready for info in pool.list())
assert not {{"open_clip", "torchvision", "timm"}} & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(ASSETS.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
