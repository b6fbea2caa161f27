"""The classifier: its stack, CrossMax, its read-outs, and a step of its training."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.stack_speed import network_cases, pictures, stack_cases
from benchmarks.suite import literal
from benchmarks.suite.measuring import Point, Run, Setting, Side
from benchmarks.suite.plain_stack import plain_stack
from robust_model.data.datasets import synthetic, to_float
from robust_model.networks.crossmax import crossmax
from robust_model.networks.ensemble import ModelConfig, SelfEnsemble
from robust_model.networks.stack import STACKS, StackConfig
from robust_model.training.training import Run as TrainingRun
from robust_model.training.training import TrainConfig

LEARNING_RATE = 3.3e-5
"""The paper's."""
K = 3
WIDTHS: dict[bool, tuple[int, ...]] = {True: (8, 16), False: (64, 128, 256)}
"""Of the small network, for quick runs and for others: those that ship."""


def copied(shape: tuple[int, ...], device: str) -> Callable[[], Run]:
    """Makes one copy of so many float32 numbers in memory: what reads and writes them all cannot take less."""

    def make() -> Run:
        source = torch.zeros(shape, device=device)
        target = torch.empty_like(source)
        return lambda: target.copy_(source)

    return make


def stacks(setting: Setting) -> Iterator[Point]:
    """The stack "paper", forward, by images, by resolutions and by the side of the images."""
    paper = STACKS["paper"]
    for images in setting.sizes((1, 4), (1, 8, 32, 128)):
        yield _stack("images", images, paper, images, setting.device)
    for views in setting.sizes((1, 4), (1, 2, 4, 6)):
        resolutions = (32, 16, 8, 4, 2, 1)[:views]
        yield _stack("resolutions", views, _with(paper, resolutions=resolutions), 4, setting.device)
    for side in setting.sizes((32, 48), (32, 64, 128, 224)):
        resolutions = (side, side // 2, side // 4, side // 8)
        yield _stack("side, px", side, _with(paper, size=side, resolutions=resolutions), 4, setting.device)


def _with(config: StackConfig, **changes: object) -> StackConfig:
    return StackConfig.model_validate({**config.model_dump(), **changes})


def _stack(axis: str, value: float, config: StackConfig, images: int, device: str) -> Point:
    def case(name: str) -> Callable[[], Run]:
        return lambda: stack_cases(config, images, device, gradient=False)[name]

    output = (images, config.channels, config.size, config.size)
    return Point(
        axis,
        value,
        (
            Side("the stack, draws given", "ours", case("batched")),
            Side("drawing for it", "also", case("drawing")),
            Side("image by image, as the notebook", "reference", case("plain")),
            Side("a copy of its output in memory", "floor", copied(output, device)),
        ),
    )


def aggregations(setting: Setting) -> Iterator[Point]:
    """CrossMax, forward, by images, by classes and by predictors."""
    for images in setting.sizes((1, 8), (1, 32, 1024)):
        yield _aggregation("images", images, (images, 8, 10), setting.device)
    for classes in setting.sizes((10, 100), (10, 100, 1000, 10000)):
        yield _aggregation("classes", classes, (32, 8, classes), setting.device)
    for predictors in setting.sizes((3, 8), (3, 8, 16, 54)):
        yield _aggregation("predictors", predictors, (32, predictors, 10), setting.device)


def _aggregation(axis: str, value: float, shape: tuple[int, int, int], device: str) -> Point:
    def made(combine: Callable[[Tensor, int], Tensor]) -> Callable[[], Run]:
        def make() -> Run:
            logits = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
            return lambda: combine(logits, K)

        return make

    return Point(
        axis,
        value,
        (
            Side("CrossMax", "ours", made(crossmax)),
            Side("image by image, as in the paper", "reference", made(literal.crossmax)),
            Side("a copy of the logits in memory", "floor", copied(shape, device)),
        ),
    )


def small(classes: int, depths: tuple[int, ...], *, quick: bool, stack: str = "clean") -> ModelConfig:
    """A self-ensemble of the small network, with random weights."""
    return ModelConfig(
        class_names=tuple(f"class {number}" for number in range(classes)),
        stack=STACKS[stack],
        widths=WIDTHS[quick],
        blocks=(1, 1) if quick else (1, 2, 3),
        readout_depths=depths,
        aggregator="crossmax-top2" if depths else "last",
    )


def readouts(setting: Setting) -> Iterator[Point]:
    """All predictors of a self-ensemble, forward, by images, by read-outs and by classes."""
    quick = setting.quick
    depths = (1, 2) if quick else (3, 4, 5, 6)
    for images in setting.sizes((1, 4), (1, 8, 64, 250)):
        yield _readouts("images", images, small(10, depths, quick=quick), images, setting.device)
    for count in range(1, len(depths) + 1):
        config = small(10, depths[-count:], quick=quick)
        yield _readouts("read-outs", count, config, setting.sizes((4,), (64,))[0], setting.device)
    for classes in setting.sizes((10, 100), (10, 100, 1000)):
        config = small(classes, depths, quick=quick)
        yield _readouts("classes", classes, config, setting.sizes((4,), (64,))[0], setting.device)


def _readouts(axis: str, value: float, config: ModelConfig, images: int, device: str) -> Point:
    def case(name: str) -> Callable[[], Run]:
        return lambda: _without_gradients(network_cases(config, images, device)[name])

    def apart() -> Run:
        model, batch = SelfEnsemble(config).place(device).eval().requires_grad_(False), pictures(images, device)
        return _without_gradients(lambda: model.combine(literal.one_after_another(model, batch)))

    return Point(
        axis,
        value,
        (
            Side("all read-outs in one pass", "ours", case("self-ensemble")),
            Side("one after another", "reference", apart),
            Side("the backbone's own head alone", "floor", case("backbone")),
        ),
    )


def _without_gradients(run: Run) -> Run:
    return torch.inference_mode()(run)


def training(setting: Setting) -> Iterator[Point]:
    """A step of training the backbone as the paper does (Adam, no schedule), by the batch."""
    for batch in setting.sizes((2, 8), (16, 64, 128)):
        yield _training(batch, setting)


def _training(batch: int, setting: Setting) -> Point:
    device = setting.device
    data = synthetic("train", 2 * batch)
    config = TrainConfig(
        model=small(4, (), quick=setting.quick, stack="paper").model_copy(update={"class_names": data.class_names}),
        data="synthetic",
        phase="backbone",
        epochs=100_000,
        batch=batch,
        optimiser="adam",
        learning_rate=LEARNING_RATE,
        warmup=-1,
        weight_decay=0,
        flip=False,
        shift=0,
        ema=0,
        holdout=0,
    )

    def ours() -> Run:
        with tempfile.TemporaryDirectory() as folder:  # the run writes its configuration there, and nothing later
            return TrainingRun(config, Path(folder), device=device, data=data).train_step

    def plain() -> Run:
        model = SelfEnsemble(config.model).to(device).train()
        optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
        images, labels = to_float(data.images[:batch]).to(device), data.labels[:batch].to(device)
        rng = torch.Generator().manual_seed(0)

        def step() -> None:
            seen = plain_stack(images, config.model.stack, model.stack.sample(batch, rng))
            (features,) = model.chain((seen - model.mean) / model.std, [model.chain.depth])
            loss = F.cross_entropy(model.heads[-1](features), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        return step

    def floor() -> Run:
        model = SelfEnsemble(config.model).place(device).train()
        seen = torch.rand(batch, config.model.stack.channels, 32, 32, generator=torch.Generator().manual_seed(0))
        seen = seen.to(device).contiguous(memory_format=torch.channels_last)
        labels = data.labels[:batch].to(device)

        def both_ways() -> None:
            model.zero_grad()
            (features,) = model.chain(seen, [model.chain.depth])
            F.cross_entropy(model.heads[-1](features), labels).backward()

        return both_ways

    return Point(
        "images",
        batch,
        (
            Side("a step of training", "ours", ours),
            Side("a plain loop, the stack image by image", "reference", plain),
            Side("the backbone's forward + backward", "floor", floor),
        ),
    )
