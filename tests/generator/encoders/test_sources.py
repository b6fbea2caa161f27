"""The list of encoders, and the models that are loaded."""

import threading
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
from huggingface_hub import constants

from foundation.catalogue.catalogue import Catalogue
from foundation.catalogue.entry import OutOfMemory
from foundation.catalogue.memory import Memory
from foundation.downloads.connection import DownloadError
from foundation.downloads.download import DownloadStopped, Patience
from foundation.downloads.weights import sha256
from foundation.errors import StudioError
from foundation.files.shipped import ASSETS
from generator.encoders import sources as module
from generator.encoders.catalogue import DOWNLOADABLE, Downloadable
from generator.encoders.encoder import OpenClipEncoder
from generator.encoders.hub import Store
from generator.encoders.loading import load_encoder
from robust_model.zoo.catalogue import open_catalogue
from tests.generator.encoders.server import Site, serving
from tests.generator.encoders.tiny import Recorder, ThrownAway, save_model, write_config
from tests.loading import loaded_bytes

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
def pool(models: Path, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return make(models, site, tmp_path)


def make(models: Path, site: Site, tmp_path: Path, budget: int | None = None, **options: object) -> Catalogue:
    cache = tmp_path / "cache"
    store = Store(cache, endpoint=site.address, patience=Patience(5, 1, 0))
    given = {"shipped": models / "shipped", "store": store, "memory": budget and Memory(budget), **options}
    return open_catalogue([models / "local"], cache, **given)  # type: ignore[arg-type]


def get(catalogue: Catalogue, name: str, context: object = None, **options: object) -> OpenClipEncoder:
    """The encoder that a user calls so."""
    return catalogue.load(name, context=context, kind="encoder", typed=True, **options)  # type: ignore[arg-type,return-value]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models in the order in which they were loaded from disk."""
    names: list[str] = []

    def load(local: object, *, name: str, **options: object) -> OpenClipEncoder:
        names.append(name)
        return load_encoder(local, name=name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_encoder", load)
    return names


def test_lists_shipped_ones_then_local_ones_then_downloads(pool: Catalogue) -> None:
    infos = pool.list("encoder")
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


def test_revisions_are_digests_of_the_weights(pool: Catalogue, models: Path) -> None:
    expected = sha256(models / "shipped" / "tiny" / "open_clip_model.safetensors")[:16]
    assert pool.find("tiny", "encoder", typed=True).revision == expected
    assert get(pool, "tiny").revision == expected


def test_the_assets_are_beside_the_packages() -> None:
    assert Path(module.__file__).parents[2] / "assets" == ASSETS


def test_a_folder_may_itself_be_a_model(models: Path, tmp_path: Path) -> None:
    pool = open_catalogue([models / "local" / "a"], tmp_path, shipped=tmp_path / "none")
    assert [info.name for info in pool.list("encoder") if info.origin != "download"] == ["a"]


def test_a_model_is_loaded_once_for_all_threads(pool: Catalogue, models: Path, loads: list[str]) -> None:
    got: list[OpenClipEncoder] = []
    threads = [threading.Thread(target=lambda: got.append(get(pool, "a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(encoder) for encoder in got}) == 1
    assert loads == ["a"]
    assert loaded_bytes(pool.memory) == got[0].weight_bytes
    assert get(pool, f"local-dir:{models / 'local' / 'a'}") is got[0]  # by whatever name
    assert get(pool, "a", precision="bf16") is not got[0]


@pytest.mark.slow
def test_the_least_recently_used_leaves_and_its_user_keeps_it(
    models: Path, site: Site, tmp_path: Path, loads: list[str]
) -> None:
    one = get(make(models, site, tmp_path), "a").weight_bytes
    loads.clear()
    pool = make(models, site, tmp_path, budget=2 * one + 100_000)
    first = get(pool, "a")
    vectors = first.encode_text(["a goldfish"])
    get(pool, "b")
    assert get(pool, "a") is first
    get(pool, "tiny")  # b leaves
    assert loaded_bytes(pool.memory) == 2 * one
    assert get(pool, "a") is first
    assert loads == ["a", "b", "tiny"]
    get(pool, "b")  # tiny leaves
    get(pool, "tiny")  # a leaves
    assert loads == ["a", "b", "tiny", "b", "tiny"]
    assert first.encode_text(["a goldfish"]).equal(vectors)
    assert get(pool, "a") is not first
    assert get(pool, "a").encode_text(["a goldfish"]).equal(vectors)


def test_a_model_larger_than_the_budget_is_kept_alone(models: Path, site: Site, tmp_path: Path) -> None:
    pool = make(models, site, tmp_path, budget=1)
    encoder = get(pool, "a")
    assert get(pool, "a") is encoder
    assert loaded_bytes(pool.memory) == encoder.weight_bytes
    other = get(pool, "b")
    assert loaded_bytes(pool.memory) == other.weight_bytes


def test_room_is_made_before_loading(models: Path, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make(models, site, tmp_path, budget=10_000_000)
    get(pool, "a")
    seen: list[int] = []
    monkeypatch.setattr(
        module, "load_encoder", lambda *a, **k: seen.append(loaded_bytes(pool.memory)) or load_encoder(*a, **k)
    )
    get(pool, "b")
    assert seen == [0]


def test_without_memory_the_others_leave_and_it_is_tried_again(
    pool: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(pool, "a")
    seen: list[int] = []

    def load(local: object, *, name: str, device: str, **options: object) -> OpenClipEncoder:
        seen.append(loaded_bytes(pool.memory))
        if seen[-1]:
            raise OutOfMemory(name, device)
        return load_encoder(local, name=name, device=device, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_encoder", load)
    assert get(pool, "b").name == "b"
    assert seen[0] > 0
    assert seen[1] == 0


def test_without_any_memory_there_is_a_sentence_and_the_pool_goes_on(
    pool: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(local: object, *, name: str, device: str, **options: object) -> OpenClipEncoder:
        raise OutOfMemory(name, device)

    with monkeypatch.context() as patch:
        patch.setattr(module, "load_encoder", fail)
        with pytest.raises(StudioError, match="no room for the model 'a'"):
            get(pool, "a")
    assert get(pool, "a").name == "a"


def test_changed_weights_are_loaded_anew(site: Site, tmp_path: Path) -> None:
    save_model(tmp_path / "models" / "shipped" / "a", seed=1)
    pool = make(tmp_path / "models", site, tmp_path)
    first = get(pool, "a")
    save_model(tmp_path / "models" / "shipped" / "a", seed=2)
    second = get(pool, "a")
    assert second.revision != first.revision
    assert not second.encode_text(["cat"]).allclose(first.encode_text(["cat"]))


def test_waiting_for_another_thread_can_be_ended(pool: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    loading, finish = threading.Event(), threading.Event()

    def slow(*arguments: object, **options: object) -> OpenClipEncoder:
        loading.set()
        finish.wait(timeout=20)
        return load_encoder(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_encoder", slow)
    thread = threading.Thread(target=get, args=(pool, "a"))
    thread.start()
    loading.wait(timeout=20)
    with pytest.raises(StudioError, match="Stopped"):
        get(pool, "a", context=Recorder(stop_after=0))
    with pytest.raises(ThrownAway):
        get(pool, "a", context=Recorder(discard_after=0))
    finish.set()
    thread.join()


def test_damaged_models_say_so(pool: Catalogue) -> None:
    with pytest.raises(StudioError, match="damaged or cut off"):
        get(pool, "damaged")


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
    pool: Catalogue, site: Site, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = fetchable(site, models, monkeypatch)
    assert not pool.find("Tiny/one", "encoder", typed=True).ready
    context = Recorder()
    encoder = get(pool, "Tiny/one", context=context)
    assert context.reports[-1][:2] == (len(weights), len(weights))
    info = pool.find("Tiny/one", "encoder", typed=True)
    assert info.ready
    assert info.title == "Tiny One"
    assert info.revision == encoder.revision == pool.find("a", "encoder", typed=True).revision
    asked = len(site.requests)
    assert get(pool, "Tiny/one") is encoder
    assert len(site.requests) == asked
    # The same weights, but prepared for as its tag says.
    assert encoder.encode_text(["cat"]).equal(get(pool, "a").encode_text(["cat"]))


def test_what_was_fetched_beside_the_catalogue_is_listed_too(
    pool: Catalogue, site: Site, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetchable(site, models, monkeypatch)
    monkeypatch.setattr(module, "DOWNLOADABLE", ())
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        site.files[f"/org/whole/resolve/main/{name}"] = (models / "local" / "b" / name).read_bytes()
    get(pool, "Tiny/one")
    get(pool, "hf-hub:org/whole")
    listed = [info for info in pool.list("encoder") if info.origin == "download"]
    assert [(info.name, info.ready) for info in listed] == [("Tiny/one", True), ("clip-hub:org/whole", True)]
    assert (
        pool.find("hf-hub:org/whole", "encoder", typed=True).revision == pool.find("b", "encoder", typed=True).revision
    )


def test_a_failed_download_names_what_is_here(
    pool: Catalogue, site: Site, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetchable(site, models, monkeypatch)
    site.tags["/org/tiny/resolve/main/open_clip_model.safetensors"] = "one"
    site.cut_after = [1000, 0]
    with pytest.raises(DownloadError, match=r"the connection was cut.*Without a network there are: 'tiny', 'a', 'b'\."):
        get(pool, "Tiny/one")
    with pytest.raises(DownloadStopped) as caught:
        get(pool, "Tiny/one", context=Recorder(stop_after=0))
    assert "Without" not in str(caught.value)
    with pytest.raises(ThrownAway):
        get(pool, "Tiny/one", context=Recorder(discard_after=0))
    assert get(pool, "Tiny/one").encode_text(["cat"]).shape == (1, 16)


def test_turned_off_downloads_are_told(pool: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in pool.find("ViT-B-32/openai", "encoder", typed=True).why_not
    with pytest.raises(DownloadError, match=r"HF_HUB_OFFLINE.*'tiny'"):
        get(pool, "ViT-B-32/openai")


def test_names_beyond_the_list(pool: Catalogue, models: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    fetchable(site, models, monkeypatch)
    path = models / "local" / "b" / "open_clip_model.safetensors"
    name = f"Tiny/{path}"
    assert pool.find(name, "encoder", typed=True).ready
    assert (
        pool.find(name, "encoder", typed=True).revision
        == get(pool, name).revision
        == pool.find("b", "encoder", typed=True).revision
    )
    assert pool.find(str(models / "local" / "b"), "encoder", typed=True).ready
    unknown = pool.find("hf-hub:org/name", "encoder", typed=True)
    assert not unknown.ready
    assert "first used" in unknown.why_not
    for wrong in ("tinny", "Tiny/two", "hf-hub:x"):
        with pytest.raises(StudioError):
            pool.find(wrong, "encoder", typed=True)
        with pytest.raises(StudioError):
            get(pool, wrong)


def test_strangers_may_choose_from_the_list_only(models: Path, site: Site, tmp_path: Path, pool: Catalogue) -> None:
    closed = make(models, site, tmp_path, strangers=True)
    assert closed.load("tiny").name == "tiny"  # type: ignore[union-attr]
    for name in (str(models / "local" / "a"), f"local-dir:{models / 'local' / 'a'}", "hf-hub:org/name", "RN50/cc12m"):
        with pytest.raises(StudioError, match="Choose from the list"):
            get(closed, name)
    with pytest.raises(StudioError, match="Did you mean 'tiny'"):
        closed.find("tinny")


def test_precisions_that_cannot_be_are_refused_before_anything_is_fetched(pool: Catalogue, site: Site) -> None:
    with pytest.raises(StudioError, match="int8"):
        get(pool, "ViT-B-32/openai", precision="int8")
    assert site.requests == []


@pytest.mark.slow
def test_listing_imports_no_open_clip(models: Path, tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    code = f"""
import sys
from pathlib import Path
from foundation.catalogue.catalogue import Catalogue
from generator.encoders.sources import EncoderFiles, EncoderFolders, ListedEncoders
files = EncoderFiles(Path({str(tmp_path)!r}))
pool = Catalogue([EncoderFolders(files, Path({str(models / "local")!r}), "local"), ListedEncoders(files)])
assert any(info.name == "a" and info.ready for info in pool.list("encoder"))
assert not {{"open_clip", "torchvision", "timm"}} & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(ASSETS.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
