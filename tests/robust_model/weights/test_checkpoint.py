"""Checkpoints: whole or not at all, under injected faults; optimisers packed and unpacked exactly."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from foundation.errors import StudioError
from foundation.files.text_files import FileError, write_bytes
from robust_model.weights.checkpoint import (
    discard_drafts,
    load_tensors,
    load_weights,
    pack_optimiser,
    save_tensors,
    unpack_optimiser,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# --- files


def listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert listing(path.parent) == ["file"]


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = os.write, []

    def half(descriptor: int, content: "ReadableBuffer") -> int:
        """Take half of what is given, and then nothing more."""
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = memoryview(content)
        written.append(real(descriptor, part[: len(part) // 2]))
        return written[0]

    monkeypatch.setattr(os, "write", half)


def failing_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)


def failing_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "replace", fail)


def interrupted_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", fail)


@pytest.mark.parametrize(
    ("break_it", "error", "said"),
    [
        (full_disk, FileError, "cannot be written: the disk is full"),
        (failing_flush, FileError, "cannot be written: Input/output error"),
        (failing_rename, FileError, "cannot be written: its permissions do not allow it"),
        (interrupted_rename, KeyboardInterrupt, None),
    ],
)
def test_a_failed_write_leaves_the_old_file(
    break_it: Callable[[pytest.MonkeyPatch], None],
    error: type[BaseException],
    said: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "state.safetensors"
    save_tensors(path, {"x": torch.ones(1000)}, {"step": 1})
    with monkeypatch.context() as patch:
        break_it(patch)
        with pytest.raises(error, match=said):
            save_tensors(path, {"x": torch.zeros(1000)}, {"step": 2})
    tensors, facts = load_tensors(path)
    assert torch.equal(tensors["x"], torch.ones(1000))
    assert facts == {"step": 1}
    assert listing(tmp_path) == [path.name]


def test_drafts_of_the_dead_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in ("state.safetensors.123.tmp", "log.jsonl.9.tmp", "state.safetensors", "log.jsonl"):
        (tmp_path / name).write_bytes(b"x")
    discard_drafts(tmp_path)
    assert listing(tmp_path) == ["log.jsonl", "state.safetensors"]
    discard_drafts(tmp_path / "not there")


def test_tensors_and_facts_come_back(tmp_path: Path) -> None:
    tensors = {
        "images": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "half": torch.randn(3).half(),
        "brain": torch.randn(3).bfloat16(),
        "count": torch.tensor(7),
        "slice": torch.arange(10)[::2],
    }
    facts = {"eps": 8 / 255, "names": ["cat", "dog"], "deep": {"step": 3, "none": None}}
    save_tensors(tmp_path / "t.safetensors", tensors, facts)
    found, said = load_tensors(tmp_path / "t.safetensors")
    assert said == facts
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[n], t) and found[n].dtype == t.dtype for n, t in tensors.items())


def test_missing_and_damaged_checkpoints_get_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    with pytest.raises(StudioError, match="no checkpoint at"):
        load_tensors(path)
    save_tensors(path, {"x": torch.ones(100)}, {})
    content = path.read_bytes()
    for damaged in (b"", content[:20], content[:-50], b"\x80\x04" + content[2:]):
        path.write_bytes(damaged)
        with pytest.raises(StudioError, match="cannot be read"):
            load_tensors(path)
    with pytest.raises(StudioError, match="cannot be read"):
        load_tensors(tmp_path)


# --- optimisers

MAKERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.001),
    "sgd momentum": lambda p: torch.optim.SGD(p, lr=0.001, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01),
}


def model() -> nn.Module:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    for number, parameter in enumerate(network.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def groups(network: nn.Module) -> list[dict[str, Any]]:
    wide = [p for p in network.parameters() if p.ndim > 1]
    return [{"params": wide, "weight_decay": 0.02}, {"params": [p for p in network.parameters() if p.ndim <= 1]}]


def step(network: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
    x = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    optimiser.zero_grad()
    network(x).square().sum().backward()
    optimiser.step()


@pytest.mark.parametrize("name", MAKERS)
def test_a_restored_optimiser_goes_on_exactly(name: str, tmp_path: Path) -> None:
    first = model()
    running = MAKERS[name](groups(first))
    for seed in range(3):
        step(first, running, seed)
    save_tensors(tmp_path / "o.safetensors", pack_optimiser(running), {})
    save_tensors(tmp_path / "m.safetensors", first.state_dict(), {})

    second = model()
    restored = MAKERS[name](groups(second))
    load_weights(second, load_tensors(tmp_path / "m.safetensors")[0], "the test")
    unpack_optimiser(restored, load_tensors(tmp_path / "o.safetensors")[0])
    packed = pack_optimiser(running)
    again = pack_optimiser(restored)
    assert again.keys() == packed.keys()
    assert all(torch.equal(again[n], t) for n, t in packed.items())
    for seed in range(3, 6):
        step(first, running, seed)
        step(second, restored, seed)
    assert all(bool(p.isfinite().all()) for p in first.parameters())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    for parameter, entries in restored.state.items():
        for tensor in entries.values():
            if isinstance(tensor, Tensor) and tensor.shape == parameter.shape and tensor.ndim:
                assert tensor.stride() == parameter.stride()  # the same memory order


def test_hyperparameters_stay_the_optimisers_own() -> None:
    first = MAKERS["adam"](groups(model()))
    second = torch.optim.Adam(groups(model()), lr=0.5)
    unpack_optimiser(second, pack_optimiser(first))
    assert [group["lr"] for group in second.param_groups] == [0.5, 0.5]


# --- weights


def test_weights_are_copied_and_converted() -> None:
    source, target = model(), nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    half = {n: t.half() if t.is_floating_point() else t + 5 for n, t in source.state_dict().items()}
    load_weights(target, half, "the test")
    state = target.state_dict()
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in state.values())
    assert all(torch.equal(state[n], t.float() if t.is_floating_point() else t) for n, t in half.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("0.bias"), r"1 missing, 0 unknown, 0 of another shape \(first: '0.bias'\)"),
        (lambda s: s.update(more=torch.ones(1)), r"0 missing, 1 unknown, 0 of another shape \(first: 'more'\)"),
        (
            lambda s: s.update({"3.bias": torch.ones(3)}),
            r"0 missing, 0 unknown, 1 of another shape \(first: '3.bias'\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_whole(change: Callable[[dict[str, Tensor]], object], words: str) -> None:
    target = model()
    before = {n: t.clone() for n, t in target.state_dict().items()}
    tensors = {n: t + 1 for n, t in before.items()}
    change(tensors)
    with pytest.raises(StudioError, match=f"weights from the test .*{words}"):
        load_weights(target, tensors, "the test")
    assert all(torch.equal(t, before[n]) for n, t in target.state_dict().items())


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2, dtype=torch.float16)}
    for number in range(20):  # the order of a hash map differs from one time to the next
        save_tensors(tmp_path / f"{number}", tensors, {"step": 1})
    contents = {(tmp_path / f"{number}").read_bytes() for number in range(20)}
    assert len(contents) == 1
    loaded, facts = load_tensors(tmp_path / "0")
    assert facts == {"step": 1} and all(torch.equal(loaded[name], tensors[name]) for name in tensors)
