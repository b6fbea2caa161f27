from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.errors import StudioError
from generator.inputs.label_files import Labels, read_labels, whole_number

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


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (",filename,label\n0,frog.png,6.0\n", "frog.png"),  # pandas, with its index
        ("\ufefffilename;label\r\nfrog.png;6,0\r\n", "frog.png"),  # Excel where commas are decimal
        ("sep=;\r\nfilename;label\r\nfrog.png;6\r\n", "frog.png"),
        ("File Name\tLABEL\r\nfrog.png\t+6\r\n", "frog.png"),
        ('"Image_ID","True Label"\r\n"frog","7"\r\n', "frog.png"),  # LibreOffice, numbered from 1
        ("\n\nfilename , label\n frog.png , 6E+00 \n\n", "frog.png"),
        ("filename,label\rfrog.png,\uff16\r", "frog.png"),
        ("filename,label\nimages\\FROG.PNG,6\n", "frog.png"),
        ("filename,label\n1,6\n", "0001.png"),  # a spreadsheet took the zeros
        ("filename,label\n1.0,6\n", "0001.png"),
        ("filename,label\n\u00e9.png,6\n", "e\u0301.png"),
        ("filename,label,note\nfrog.png,6,'a\nb'\n".replace("'", '"'), "frog.png"),
    ],
)
def test_entries_are_read_as_common_programs_write_them(tmp_path: Path, text: str, file: str) -> None:
    """F13: columns, numbers and names of files alike."""
    labels = read_labels(write(tmp_path, text))
    entry = labels.entry_of(file)
    assert entry is not None and labels.has_numbers
    assert labels.named(entry, tuple("abcdefghij")) == Labels("g", "")


@pytest.mark.parametrize("cell", ["nan", "NaN", "<NA>", " ", '""'])
def test_what_pandas_writes_for_nothing_is_nothing(tmp_path: Path, cell: str) -> None:
    """F13: a missing target is none."""
    labels = read_labels(write(tmp_path, f"filename,label,targeted_label\nfrog.png,6.0,{cell}\n"))
    assert labels.entry_of("frog.png") == Labels("6.0", "") and not labels.has_targets


@pytest.mark.parametrize("cell", ["--6", "6.5", "+-6", "1e400000", "9" * 6000, '"1,000"', "6..0", "-"])
def test_what_is_no_whole_number_is_refused_with_its_line(tmp_path: Path, cell: str) -> None:
    """F13: never a guess, and never another error than a sentence."""
    with pytest.raises(StudioError, match=r"Line 3 of the label file .* no whole number"):
        read_labels(write(tmp_path, f"filename,label\na.png,1\nb.png,{cell}\n"))


def test_numbers_out_of_range_are_refused_with_their_line(tmp_path: Path) -> None:
    """F13: the sentence tells the line."""
    labels = read_labels(write(tmp_path, "filename,label\na.png,1\nb.png,-6\n"))
    entry = labels.entry_of("b.png")
    assert entry is not None
    with pytest.raises(StudioError, match="Line 3 of the label file numbers a class -6"):
        labels.named(entry, CLASSES)


def test_classes_called_by_numbers_go_by_their_names(tmp_path: Path) -> None:
    """F13: where all classes have numbers for names, a number is a name, unless counting was asked for."""
    text = "ImageId,TrueLabel\na,7.0\n"
    for first, name in ((None, "7"), (0, "10")):
        labels = read_labels(write(tmp_path, text), first)
        entry = labels.entry_of("a.png")
        assert entry is not None
        assert labels.named(entry, ("3", "4", "5", "6", "7", "8", "9", "10")).label == name


cells = st.text("69.0,;\t-+eE'\"xé\ufeff\n", max_size=6) | st.text(max_size=8)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([NIPS, TRANSFER, "filename;label\n"]), st.lists(st.lists(cells, max_size=4), max_size=4))
def test_any_label_file_is_read_or_refused_in_words(tmp_path: Path, head: str, rows: list[list[str]]) -> None:
    """F13: whatever the cells, there are entries or a StudioError."""
    text = head + "\n".join(",".join(row) for row in rows)
    (tmp_path / "any.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        labels = read_labels(tmp_path / "any.csv")
        for name in labels.entries:
            entry = labels.entry_of(f"{name}.png")
            if entry is not None:
                labels.named(entry, CLASSES)
    except StudioError as error:
        assert str(error)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 9999), st.sampled_from(["{}", "{}.0", " {}.", "+{}", "{}.00", "{},0", "{}E0", "{}e+00"]))
def test_every_way_to_write_a_whole_number_is_that_number(number: int, form: str) -> None:
    """F13: 6.0 is 6."""
    assert whole_number(form.format(number)) == number


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="cannot be read"):
        read_labels(tmp_path / "no.csv")
