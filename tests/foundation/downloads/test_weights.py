import hashlib
import os
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from foundation.downloads.weights import Revisions, check_weights, find_weights, sha256
from foundation.errors import StudioError


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    "names",
    [
        ["open_clip_model.safetensors", "open_clip_pytorch_model.bin", "a.safetensors"],
        ["open_clip_pytorch_model.bin", "model.safetensors"],
        ["pytorch_model.bin", "model.pth", "other.safetensors"],
        ["b.bin", "a.pth", "z.safetensors"],
        ["b.bin", "a.pth", "notes.txt", "weights.pt"],
        ["epoch_2.pth", "epoch_1.pth"],
        [],
        ["only.pt"],
    ],
)
def test_finds_the_file_that_open_clip_would_load(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    theirs = open_clip.factory._find_checkpoint_in_dir(tmp_path)
    assert find_weights(tmp_path) == (Path(theirs) if theirs else None)


def test_good_files_pass(tmp_path: Path) -> None:
    tensors = {"logit_scale": torch.ones(()), "weight": torch.ones(2, 3)}
    save_file(tensors, tmp_path / "a.safetensors")
    torch.save({"epoch": 3, "state_dict": tensors}, tmp_path / "b.pt")
    torch.save(tensors, tmp_path / "c.bin", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "b.pt", "c.bin"):
        check_weights(tmp_path / name)


def test_bad_files_get_a_sentence(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(100)}, tmp_path / "good.safetensors")
    torch.save({"weight": torch.ones(100)}, tmp_path / "good.pt")
    torch.save({"weight": Evil(tmp_path / "ran")}, tmp_path / "evil.pt")
    whole = (tmp_path / "good.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-1])
    (tmp_path / "garbage.safetensors").write_bytes(bytes(range(256)))
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "cut.pt").write_bytes((tmp_path / "good.pt").read_bytes()[:500])
    (tmp_path / "lfs.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
    (tmp_path / "weights.npz").write_bytes(b"PK")
    (tmp_path / "folder.pt").mkdir()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "program.pt")
    sentences = {
        "cut.safetensors": "damaged or cut off",
        "garbage.safetensors": "damaged or cut off",
        "empty.safetensors": "empty",
        "missing.safetensors": "cannot be read",
        "cut.pt": "damaged or cut off",
        "evil.pt": r"mkdir.*refused",
        "lfs.safetensors": "git lfs pull",
        "weights.npz": ".safetensors, .bin",
        "folder.pt": "cannot be read",
        "program.pt": "TorchScript",
    }
    for name, sentence in sentences.items():
        with pytest.raises(StudioError, match=sentence):
            check_weights(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_digest_is_sha256_and_can_be_ended(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 1000)
    seen: list[int] = []
    assert sha256(path, seen.append) == hashlib.sha256(b"abc" * 1000).hexdigest()
    assert seen == [3000]

    def end(done: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        sha256(path, end)


def test_revisions_are_read_once_and_again_when_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, memory = tmp_path / "weights", tmp_path / "kept" / "revisions.json"
    path.write_bytes(b"one")
    read: list[Path] = []
    monkeypatch.setattr("foundation.downloads.weights.sha256", lambda path: read.append(path) or sha256(path))
    revisions = Revisions(memory)
    first = revisions.of(path)
    assert first == hashlib.sha256(b"one").hexdigest()[:16]
    assert revisions.of(path) == first
    assert Revisions(memory).of(path) == first  # of the next start of the program
    assert len(read) == 1
    facts = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert revisions.of(path) == hashlib.sha256(b"two").hexdigest()[:16]


@pytest.mark.parametrize("content", ["{", "[]", '{"/a": 3}'])
def test_a_damaged_memory_of_revisions_is_made_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "revisions.json").write_text(content)
    (tmp_path / "weights").write_bytes(b"one")
    expected = hashlib.sha256(b"one").hexdigest()[:16]
    for _ in range(2):
        assert Revisions(tmp_path / "revisions.json").of(tmp_path / "weights") == expected


def test_revisions_need_no_place_to_be_kept(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"one")
    (tmp_path / "file").touch()
    assert Revisions(tmp_path / "file" / "revisions.json").of(tmp_path / "weights")
