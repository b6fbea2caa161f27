from pathlib import Path

import pytest

from generator.errors import StudioError
from generator.explorer.label_files import Labels, read_labels

CLASSES = ("tench", "goldfish", "shark", "ray")
NIPS = "ImageId,URL,TrueLabel,TargetClass\nabc,http://x/y,1,4\nd.e,,2,\n"
TRANSFER = "\ufefffilename,label,targeted_label\nabc.png,0,3\nd.e.png,goldfish,\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("text", "style"), [(NIPS, "NIPS 2017"), (TRANSFER, "TransferAttack")])
def test_both_styles_mean_the_same(tmp_path: Path, text: str, style: str) -> None:
    labels = read_labels(write(tmp_path, text))
    assert labels.style.name == style and labels.has_targets
    first, second = labels.entry_of("abc.png"), labels.entry_of("d.e.png")
    assert first is not None and labels.named(first, CLASSES) == Labels("tench", "ray")
    assert second is not None and labels.named(second, CLASSES) == Labels("goldfish", "")
    assert labels.entry_of("other.png") is None


def test_a_file_of_another_ending_is_found(tmp_path: Path) -> None:
    assert read_labels(write(tmp_path, TRANSFER)).entry_of("abc.jpg") == Labels("0", "3")


def test_the_first_number_can_be_said(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path, NIPS), first=0)
    entry = labels.entry_of("abc")
    assert entry is not None
    with pytest.raises(StudioError, match="numbers a class 4, but there are 4 classes, from 0 to 3"):
        labels.named(entry, CLASSES)
    assert labels.named(Labels("1", "2"), CLASSES) == Labels("goldfish", "shark")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "first line should be 'ImageId,TrueLabel,TargetClass' or 'filename"),
        ("", "first line should be"),
        ("filename,label\n", "lists no picture"),
        ("filename,label\na.png,1\na.png,2\n", "'a.png' twice, again in line 3"),
        ("filename,label\n,1\n", "Line 2"),
        ('filename,label\n"a.png,1\n', "is no CSV"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(StudioError, match=says):
        read_labels(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="cannot be read"):
        read_labels(tmp_path / "no.csv")
