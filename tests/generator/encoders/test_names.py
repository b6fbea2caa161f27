from pathlib import Path

import pytest

from foundation.errors import StudioError
from generator.encoders.names import Checkpoint, Folder, Hub, Reference, Tagged, parse_name


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("own", Folder(Path("/models/own"))),
        ("local-dir:some/where", Folder(Path("some/where"))),
        ("clip-hub:org-1/Some.Name_2", Hub("org-1/Some.Name_2")),
        ("hf-hub:org-1/Some.Name_2", Hub("org-1/Some.Name_2")),
        ("ViT-B-32/openai", Tagged("ViT-B-32", "openai")),
        ("ViT-B/32/openai", Tagged("ViT-B-32", "openai")),
        ("ViT-B-32/LAION2B-s34b-b79k", Tagged("ViT-B-32", "laion2b_s34b_b79k")),
    ],
)
def test_names(name: str, reference: Reference) -> None:
    assert parse_name(name, {"own": Path("/models/own")}) == reference


def test_paths_of_checkpoints_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "sub" / "weights.pt"
    weights.parent.mkdir()
    weights.touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "open_clip_config.json").touch()
    monkeypatch.chdir(tmp_path)
    assert parse_name("RN50/sub/weights.pt", {}) == Checkpoint("RN50", Path("sub/weights.pt"))
    assert parse_name(f"RN50/{weights}", {}) == Checkpoint("RN50", weights)
    assert parse_name("model", {}) == Folder(Path("model"))
    assert parse_name(str(tmp_path / "model"), {}) == Folder(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B-23/openai", ["'ViT-B-23/openai'", "Did you mean", "'ViT-B-32/openai'"]),
        ("tiny-klip", ["Did you mean 'tiny-clip'"]),
        ("tiny-clip/", ["no model 'tiny-clip/'", "Did you mean 'tiny-clip' or"]),  # F30: not what was written
        ("tiny-clip/openai", ["Did you mean 'tiny-clip' or"]),
        ("", ["''", "clip-hub:org/name"]),
        ("qqqqqq", ["'qqqqqq'", "clip-hub:org/name"]),
        ("/", ["'/'"]),
        ("ViT-B-32", ["architecture", "'ViT-B-32/openai'", "path of a checkpoint"]),
        ("ViT-B-32/", ["architecture"]),
        ("vit-b-32/openai", ["Did you mean 'ViT-B-32/openai'"]),
        ("ViT-B-32/openia", ["'openia'", "choose 'ViT-B-32/openai'", "16 others", "path of a checkpoint"]),
        ("ViT-B-32/laion2b_e32", ["choose 'ViT-B-32/laion2b_e16'"]),
        ("ViT-B-32/no/such/file.pt", ["no file 'no/such/file.pt'"]),
        ("ViT-B-32/missing.safetensors", ["no file 'missing.safetensors'"]),
        ("hf-hub:name", ["'clip-hub:org/name'"]),
        ("hf-hub:", ["'clip-hub:org/name'"]),
        ("hf-hub:../etc", ["'clip-hub:org/name'"]),
        ("hf-hub:a/b/c", ["'clip-hub:org/name'"]),
        ("x" * 10_000, ["There is no model"]),
    ],
)
def test_names_that_mean_nothing_get_help(name: str, said: list[str]) -> None:
    with pytest.raises(StudioError) as caught:
        parse_name(name, {"tiny-clip": Path("/models/tiny-clip")})
    message = str(caught.value)
    assert all(part in message for part in said), message
    assert len(message) < 600
