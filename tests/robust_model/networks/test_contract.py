"""What outside code hands over is probed when it is loaded, and refused in a sentence that says what to change."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from foundation.errors import StudioError
from generator.synthesis.models import demand_gradients
from robust_model.attacks import PgdConfig
from robust_model.data.datasets import LabelledImages
from robust_model.evaluation.record.config import EvalConfig, evaluation_data, shape_of_images
from robust_model.networks.plain import PlainConfig, PlainDefence
from robust_model.zoo.subjects import load_subject
from tests.robust_model.data.greys import greys
from tests.robust_model.evaluated import evaluate_model

MODULE = '''
import torch
from torch import nn

NAMES = ("dark", "light")
CONSTANT = 3
number = 3


class Net(nn.Module):
    """Two logits from the mean of the image, and what `change` makes of them."""

    def __init__(self, change=lambda y: y, sides=None):
        super().__init__()
        self.offset = nn.Parameter(torch.tensor(0.5))
        self.change, self.sides = change, sides

    def forward(self, x):
        if self.sides and x.shape[2] not in self.sides:
            raise ValueError(f"images of {self.sides}, not {x.shape[2]}")
        score = x.mean((1, 2, 3)) - self.offset
        return self.change(torch.stack([-score, score], 1))


class Twice(Net):
    def forward(self, x):
        x -= 0.0  # in place, as many a normalisation does
        x *= 1.0
        return super().forward(x)


class Quiet(Net):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


class Answer:
    def __init__(self, logits):
        self.logits = logits


def some(y):
    y = y.clone()
    y[::3] = float("nan")
    return y


class Torn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError("no way back")


def plain(): return Net(), NAMES
def alone(): return Net()
def listed(): return [Net(), ["dark", "light"]]
def inplace(): return Twice(), NAMES
def still(): return Net().requires_grad_(False), NAMES
def tup(): return Net(lambda y: (y, y)), NAMES
def tup_alone(): return Net(lambda y: (y, y))
def dictionary(): return Net(lambda y: {"logits": y}), NAMES
def output(): return Net(Answer), NAMES
def nothing(): return Net(lambda y: None), NAMES
def squeeze(): return Net(lambda y: y.squeeze()), NAMES
def three_axes(): return Net(lambda y: y[:, :, None]), NAMES
def too_many(): return Net(lambda y: torch.cat([y, y], 1)), NAMES
def one_number(): return Net(lambda y: y[:, :1])
def argmax(): return Net(lambda y: y.argmax(1)), NAMES
def integers(): return Net(lambda y: (100 * y).long()), NAMES
def nan_all(): return Net(lambda y: y * float("nan")), NAMES
def nan_some(): return Net(some), NAMES
def infinite(): return Net(lambda y: y * 1e38 * 1e38), NAMES
def flipped(): return Net(lambda y: y.flip(0)), NAMES
def half_weights(): return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2).half()), NAMES
def half_answers(): return Net(lambda y: y.half()), NAMES
def doubles(): return Net(lambda y: y.double()), NAMES
def softmax(): return Net(lambda y: (20 * y).softmax(1)), NAMES
def quiet(): return Quiet(), NAMES
def torn(): return Net(Torn.apply), NAMES
def only_8(): return Net(sides=(8,)), NAMES
def only_8_alone(): return Net(sides=(8,))
def fails(): return {}["nothing"]
def needs(one): return Net()
def leaves(): raise SystemExit(3)
def returns_class(): return Net
def returns_text(): return "a model"
def names_count(): return Net(), 2
def names_dict(): return Net(), {0: "dark", 1: "light"}
def names_twice(): return Net(), ("dark", "dark")
def names_one(): return Net(), ("dark",)
def names_three(): return Net(), ("dark", "light", "grey")
'''


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "guest_networks.py").write_text(MODULE)
    return tmp_path


def load(function: str, side: int = 32) -> PlainDefence:
    model = load_subject(f"guest_networks:{function}", shape=lambda: (side, side)).model
    assert isinstance(model, PlainDefence)
    return model


REFUSED = {
    "tup": "answers with a tuple, not with logits",
    "tup_alone": "answers with a tuple, not with logits",
    "dictionary": "answers with a dict, not with logits",
    "output": "answers with a Answer, not with logits",
    "nothing": "answers with a NoneType, not with logits",
    "squeeze": r"answers one image with \(2,\) numbers",
    "three_axes": r"answers two images with \(2, 2, 1\) numbers",
    "too_many": r"answers two images with \(2, 4\) numbers, where 2 classes need \(2, 2\)",
    "one_number": "answers with one number for an image",
    "argmax": r"answers two images with \(2,\) numbers",
    "integers": "numbers of the type torch.int64",
    "nan_all": "answers with NaN or infinity",
    "nan_some": "answers with NaN or infinity",
    "infinite": "answers with NaN or infinity",
    "flipped": "in the wrong order",
    "half_weights": "cannot take images of 32 x 32 pixels, 2 at a time: RuntimeError",
    "torn": "the gradient of its answer cannot be computed: RuntimeError: no way back",
    "only_8": r"cannot take images of 32 x 32 pixels, 2 at a time: ValueError: images of \(8,\), not 32",
    "only_8_alone": "cannot take images of 32 x 32 pixels, 1 at a time",
    "fails": r"fails when it is called.*KeyError: 'nothing' \(.*guest_networks.py, line \d+\)",
    "needs": "fails when it is called, without arguments: TypeError",
    "leaves": "fails when it is called, without arguments: SystemExit: 3",
    "returns_class": "returned the class Net, not a torch.nn.Module",
    "returns_text": "returned str, not a torch.nn.Module",
    "names_count": "returned int as class names",
    "names_dict": "returned dict as class names",
    "names_twice": "names two classes 'dark'",
    "names_one": "names 1 classes",
    "names_three": r"answers two images with \(2, 2\) numbers, where 3 classes need \(2, 3\)",
    "CONSTANT": "is no function but int",
    "number": "is no function but int",
    "nobody": "has no function 'nobody'",
    "": "does not name a function",
    "a.b": "does not name a function",
}


@pytest.mark.parametrize("function", REFUSED)
def test_what_is_no_classifier_is_refused_when_it_is_loaded(function: str) -> None:
    """F9, F17, F26: form, numbers and faults of a user's network, each in a sentence of its own."""
    with pytest.raises(StudioError, match=REFUSED[function]):
        load(function)


@pytest.mark.parametrize(
    "function", ["plain", "listed", "inplace", "still", "half_answers", "doubles", "softmax", "quiet", "alone"]
)
def test_what_answers_well_is_taken(function: str) -> None:
    """F9: other forms that still are logits [B, C]."""
    model = load(function)
    images = torch.rand(3, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    logits = model(images)
    assert logits.shape == (3, 2) and logits.dtype == torch.float32 and torch.equal(images, before)
    assert model.differentiable == (function != "quiet")
    names = ("class 0", "class 1") if function == "alone" else ("dark", "light")
    assert model.class_names == names


def test_a_network_of_one_size_is_loaded_with_that_size_and_refuses_others() -> None:
    """F9: a network that raises for other sizes."""
    model = load("only_8", side=8)
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 2)
    with pytest.raises(StudioError, match="cannot take images of 9 x 12 pixels"):
        model(torch.rand(2, 3, 12, 9))


def test_probabilities_are_named() -> None:
    """F9: a softmax output is no mistake that can be refused, and is told."""
    assert "probabilities" in load_subject("guest_networks:softmax").notes[0]
    assert load_subject("guest_networks:plain").notes == ()


def test_a_model_without_gradient_makes_no_pictures_and_can_be_evaluated() -> None:
    """F9: "gives no gradient" where one is needed; an evaluation names the zero gradient."""
    with pytest.raises(StudioError, match="'mine' gives no gradient"):
        demand_gradients({"mine": load("quiet")})
    demand_gradients({"mine": load("plain")})
    pixels = torch.tensor([40, 200]).byte().view(2, 1, 1, 1).expand(2, 3, 8, 8).contiguous()
    data = LabelledImages(pixels, torch.tensor([0, 1]), ("dark", "light"), "greys")
    config = EvalConfig(model="m", data="greys", count=0, attacks=(PgdConfig(steps=2, restarts=1),))
    report = evaluate_model(config, load("quiet"), data=data)
    assert report["clean"]["correct"] == 2
    assert any("zero gradient" in f["sign"].lower() for f in report["findings"] if f["verdict"] == "found")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./guest_networks.py:plain", "name the module without a path"),
        ("folder/guest_networks:plain", "name the module without a path"),
        (".guest_networks:plain", "name the module without a path"),
        ("guest_networks.py:plain", "without its ending: guest_networks:plain"),
        (":plain", "name the module without a path"),
        ("nobodys_module:make", "There is no module 'nobodys_module'"),
        ("within:make", r"fails when it is imported: AttributeError: .*no_such_thing.*within.py, line 3"),
        ("torn_text:make", "fails when it is imported: SyntaxError"),
        ("quits:make", "fails when it is imported: SystemExit"),
        ("lacks:make", "imports 'nobodys_library', which is not installed"),
    ],
)
def test_faults_within_are_told_as_such(modules: Path, name: str, words: str) -> None:
    """F26: what goes wrong in a module is not told as a fault of its name, and the other way round."""
    (modules / "within.py").write_text("import json\n\nx = json.no_such_thing\ndef make(): pass\n")
    (modules / "torn_text.py").write_text("def make(:\n")
    (modules / "quits.py").write_text("import sys\nsys.exit('used as a script')\n")
    (modules / "lacks.py").write_text("import nobodys_library\n")
    with pytest.raises(StudioError, match=words):
        load_subject(name)


# --- images as they are


def test_without_a_size_images_stay_as_they_are(tmp_path: Path) -> None:
    """F3: a network that scales nothing gets the images as they are; the figures equal those with their own size."""
    folder = greys(tmp_path / "data", ["dark", "light"])
    model = load("plain", side=8)
    assert model.config.image_size is None
    reports = []
    for kind in ("folder", "files"):
        for size in (0, 8):
            config = EvalConfig(model="m", data=f"{kind}:{folder}", count=0, size=size, suites=("quick",))
            assert shape_of_images(config) == (8, 8)
            report = evaluate_model(config, model)
            reports.append([report[part] for part in ("clean", "worst_case", "per_image")])
    assert all(report == reports[0] for report in reports)


@pytest.mark.parametrize("kind", ["folder", "files"])
def test_images_of_two_sizes_need_a_size(tmp_path: Path, kind: str) -> None:
    """F3: refused with both sizes and the flag that mends it."""
    from PIL import Image

    folder = greys(tmp_path / "data", ["dark", "light"])
    Image.new("RGB", (12, 9)).save(folder / "test/light/b.png")
    config = EvalConfig(model="m", data=f"{kind}:{folder}")
    with pytest.raises(StudioError, match=r"8 x 8 pixels.*12 x 9.*--size"):
        evaluation_data(config, None).loaded()
    sized = config.model_copy(update={"size": 8})
    assert evaluation_data(sized, None).loaded().images.shape == (3, 3, 8, 8)


# --- what is no number


def broken(where: Callable[[Tensor], Tensor]) -> PlainDefence:
    class Sometimes(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            score = images.mean((1, 2, 3)) - 0.5
            logits = torch.stack([-score, score], 1)
            return logits.masked_fill(where(images)[:, None], float("nan"))

    return PlainDefence(Sometimes(), PlainConfig(name="sometimes", class_names=("dark", "light"))).probed()


@pytest.mark.parametrize("label", [0, 1])
def test_nan_is_no_answer_and_is_told(label: int) -> None:
    """F17: an image to which a model answers NaN is wrong, whatever its class, and the report says how many."""
    black = broken(lambda images: images.amax((1, 2, 3)) < 0.01)
    pixels = torch.tensor([0, 40, 200, 0]).byte().view(4, 1, 1, 1).expand(4, 3, 4, 4).contiguous()
    data = LabelledImages(pixels, torch.tensor([label, 0, 1, label]), ("dark", "light"), "greys")
    config = EvalConfig(
        model="m", data="greys", count=0, eps=1 / 255, attacks=(PgdConfig(eps=1 / 255, steps=2, restarts=1),)
    )
    report: dict[str, Any] = evaluate_model(config, black, data=data)
    assert report["per_image"]["clean"] == [False, True, True, False]
    assert any("To 2 of the 4 clean images" in warning for warning in report["warnings"])
    good = evaluate_model(config, broken(lambda images: images.amax((1, 2, 3)) < -1), data=data)
    assert not any("NaN" in warning for warning in good["warnings"])


def test_nan_under_attack_is_told() -> None:
    """F17: an attack that finds NaN has broken the image, and the report says what it found."""
    edge = broken(lambda images: (images.mean((1, 2, 3)) - 0.32).abs() < 0.05)
    pixels = torch.full((2, 3, 4, 4), 64, dtype=torch.uint8)
    data = LabelledImages(pixels, torch.tensor([0, 0]), ("dark", "light"), "greys")
    config = EvalConfig(model="m", data="greys", count=0, eps=0.1, attacks=(PgdConfig(eps=0.1, steps=4, restarts=1),))
    report = evaluate_model(config, edge, data=data)
    assert report["clean"]["correct"] == 2 and report["worst_case"]["correct"] == 0
    assert any("To 2 of the images that 'mean/ce' returned" in warning for warning in report["warnings"])
