"""The evaluation: clean answers, then every attack on every batch, each a unit of work that is kept when finished.

The headline is the worst case per image over all attacks, judged by the majority of `draws` passes (one pass for a
deterministic model). Images are met in an order drawn from the seed, so that what is known at any time is an unbiased
estimate. Every unit draws from a generator of its own: a killed evaluation goes on to the same report.
"""

import collections
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from foundation.cluster.cluster import Cluster
from foundation.errors import StudioError
from foundation.files.text_files import write_bytes
from foundation.progress import Progress, silent
from robust_model.attacks import AnyAttack, AttackOutcome, Defence, as_attacked
from robust_model.data.class_match import match_classes
from robust_model.data.datasets import LabelledSet
from robust_model.evaluation.apart import Apart, Ground
from robust_model.evaluation.curves import curve_costs, curve_unit
from robust_model.evaluation.journal import Entry, Identity, Journal, data_digest, tensors_digest
from robust_model.evaluation.plan import generator_of
from robust_model.evaluation.record.config import EvalConfig, choose, evaluation_data
from robust_model.evaluation.record.schema import Curves, Diagnostics, EvaluationReport, HowFar
from robust_model.evaluation.report import Further, Setting, build_report
from robust_model.evaluation.results import Results
from robust_model.evaluation.suites import Budget, suite_attacks
from robust_model.evaluation.units import (
    DIAGNOSTICS,
    SHOWN,
    Batch,
    Bench,
    attack_entry,
    attack_unit,
    clean_unit,
    gradient_unit,
    last_entry,
    picture_unit,
    task_of,
)
from robust_model.weights.checkpoint import save_tensors
from robust_model.zoo.subjects import EvaluatedModel

REPORT_SECONDS = 2.0
"""How old the partial report in the folder may be."""
DIAGNOSED = 250
"""At how many images, right when clean, the gradient is looked at."""


class _StoppedError(Exception):
    """The evaluation was asked to stop."""


def configured(model: EvaluatedModel, config: EvalConfig) -> EvaluatedModel:
    """The model with the noise and the aggregator that `config` asks for. Raises StudioError."""
    if config.noise != "model":
        model = model.with_noise(config.noise)
    if config.aggregator:
        model = model.with_aggregator(config.aggregator)
    return model


def attacks_of(model: Defence, config: EvalConfig) -> tuple[AnyAttack, ...]:
    """The attacks that `config` stands for, on a model that is `configured`; each can attack it. Raises StudioError."""
    attacks = config.attacks
    if not attacks:
        eot = config.eot if model.random else 1  # averaging equal gradients buys nothing
        attacks = suite_attacks(config.suites, Budget(config.eps, config.steps, config.restarts, eot), model)
    for attack in attacks:
        attack.check(model)
        if attack.eps != config.eps:
            raise StudioError(
                f"The attack '{attack.name}' has another eps than the evaluation ({attack.eps:g}, not {config.eps:g}): "
                "a worst case needs one budget."
            )
    return attacks


class Evaluation:
    """One evaluation of one model; `run` returns the report.

    With a `folder` every finished unit of work is kept there. The same evaluation goes on from it, to the report it
    would have come to undisturbed (but for seconds); one with more attacks goes on from its results. Raises StudioError
    if the folder holds another evaluation, or the data has other classes. With a `cluster` its workers do the units of
    work, and the report is the same, but for seconds.
    """

    def __init__(
        self,
        model: EvaluatedModel,
        config: EvalConfig,
        data: LabelledSet,
        folder: Path | None = None,
        *,
        on_progress: Callable[[Progress], None] = silent,
        should_stop: Callable[[], bool] = lambda: False,
        cluster: Cluster | None = None,
    ) -> None:
        data = match_classes(data, model.class_names, config.match)
        self.model, self.config = configured(model, config), config
        self.on_progress, self.should_stop = on_progress, should_stop
        self.data, self.indices = choose(data, config.count, config.seed)
        self.device = next(iter(self.model.state_dict().values()), torch.empty(0)).device
        draws = config.draws if self.model.random else 1
        self.journal = Journal(folder)
        self.plan = self.journal.open(config, self._identity(), attacks_of(self.model, config))
        exact = self.model.frozen()
        attacked = as_attacked(exact, config.precision)
        self.bench = Bench(
            self.model, exact, attacked, self.data, self.indices, self.device, draws, config.seed, self.journal
        )
        self.results = Results(self.data.labels, len(self.model.readout_names), draws)
        self.diagnostics: Diagnostics | None = None
        self.curves: dict[str, Curves] = {}
        self.weights = [sum(planned.config.cost()) for planned in self.plan]
        curves = curve_costs(self.model, config, len(self.data))
        self.curve_shares = {name: sum(passes) for name, passes in curves.items()}
        by_images = len(self.data) * (draws + sum(self.weights))
        self.total = max(1, by_images + sum(self.curve_shares.values()))
        self.done, self.scale, self.furthest = 0.0, 1.0, 0.0
        self.begun = 0.0
        self.written_at = -REPORT_SECONDS
        self.apart: Apart | None = None
        if cluster is not None:
            ground = Ground(self.model, config, self.data, self.indices, draws, self.plan)
            self.apart = Apart(cluster, ground, self.journal, should_stop, self._say_apart)

    def _identity(self) -> Identity:
        return Identity(
            model=tensors_digest(self.model.state_dict(), self.model.config.model_dump_json()),
            data=data_digest(self.data),
            **self.config.model_dump(include={"eps", "draws", "batch", "seed", "attack_all", "precision"}),
        )

    def run(self) -> EvaluationReport:
        """Evaluate; a stop between two steps returns what is finished, marked `complete: false`."""
        complete = False
        try:
            self._clean()
            self._attack()
            self._look_further()
            complete = True
        except _StoppedError:
            pass
        report = self._report(complete)
        if self.journal.folder is not None:
            self._write_adversarial(self.journal.folder)
            self._write(self.journal.folder, report)
        return report

    # ------------------------------------------------------------------ units of work

    def _clean(self) -> None:
        batches = torch.arange(len(self.data)).split(self.config.batch)
        if self.apart is not None and not self.apart.clean(batches, self.bench.draws):
            raise _StoppedError
        for number, rows in enumerate(batches):
            if number and self.should_stop():
                raise _StoppedError
            self.results.add_clean(rows, clean_unit(self.bench, number, rows))
            accuracy = float(self.results.clean.sum()) / int(self.results.seen.sum())
            self._progress(len(rows) * self.bench.draws, f"clean accuracy {accuracy:.1%}")

    def _order(self) -> Tensor:
        """The order in which images are met: indices, drawn from the seed."""
        return torch.randperm(len(self.data), generator=generator_of(self.config.seed, "order"))

    def _batches(self) -> list[Batch]:
        """The images that are attacked, in batches, in an order drawn from the seed."""
        n, results, order = len(self.data), self.results, self._order()
        worthwhile = results.clean_right.any(1) if self.config.attack_all else results.clean
        chunks = torch.nonzero(worthwhile[order]).squeeze(1).split(self.config.batch)
        ends = [int(chunk[-1]) + 1 for chunk in chunks[:-1]] + [n]
        return [
            Batch(number, order[chunk], order[start:end])
            for number, (chunk, start, end) in enumerate(zip(chunks, [0, *ends], ends, strict=False))
        ]

    def _attack(self) -> None:
        batches = self._batches()
        self.results.begin_attacks(self.plan)
        # What is left of the total belongs to the images that are attacked, by the attacks' costs.
        work = sum(len(batch.rows) for batch in batches) * sum(self.weights)
        self.scale = (self.total - sum(self.curve_shares.values()) - self.done) / max(1, work)
        left = collections.deque((batch, index) for batch in batches for index in range(len(self.plan)))

        def meet(*, only_known: bool = False) -> None:
            """Go on in the order of the batches, as far as that is wanted."""
            while left and not (only_known and self.journal.get(attack_entry(left[0][1], left[0][0].number)) is None):
                batch, index = left.popleft()
                self._meet(batch, index, f"batch {batch.number + 1} of {len(batches)}, {self.plan[index].name}")

        if self.apart is not None:
            self.begun = self.done
            shares = [(batch, len(batch.rows) * sum(self.weights) * self.scale) for batch in batches]
            if not self.apart.attack(self.results, shares, self._further(), lambda: meet(only_known=True)):
                raise _StoppedError
        meet()

    def _meet(self, batch: Batch, index: int, where: str) -> None:
        """Attack number `index` meets a batch, if it has not yet."""
        share = len(batch.rows) * self.weights[index] * self.scale
        entry = self.journal.get(attack_entry(index, batch.number))
        if entry is None:
            entry = self._attack_now(batch, index, share, where)
        elif SHOWN in entry.tensors:
            pictures = max(0, self.config.samples - len(self.results.attacks[index].samples))
            entry = picture_unit(self.bench, self.plan[index], index, batch.number, entry, pictures)
        self.results.add_attack(index, batch.covered, entry)
        if self.plan[index].continues:
            self.journal.drop(last_entry(index - 1, batch.number))
        self._progress(share, f"{where}: {self._worst_so_far()}")

    def _attack_now(self, batch: Batch, index: int, share: float, where: str) -> Entry:
        task = task_of(self.plan, self.results, batch, index, self.config.samples, self.bench)
        rows, units = task.rows, task.planned.config.units

        def on_step(count: int, outcome: AttackOutcome) -> None:
            if self.should_stop():
                raise _StoppedError
            # AutoAttack's breaks are known only at its end: until then, what it says itself.
            left = len(rows) - int(outcome.broken.sum())
            log = str(outcome.extra.get("log", "")).split("\n")[-2:]
            news = ", ".join(filter(None, log)) or f"{left} of {len(rows)} images still stand"
            self._say(self.done + share * min(1.0, count / units), f"{where}: {news}; {self._worst_so_far()}")

        return attack_unit(self.bench, task, on_step)

    def _further(self) -> list[tuple[str, Tensor, Tensor, float]]:
        """What tells of masked gradients: the gradient at some images that are right when clean, and the curves.

        By names in the journal, each with the indices of its images, which of these are right when clean, and its share
        of the passes.
        """
        order = self._order()
        right = self.results.clean[order]
        diagnosed, n = order[right][:DIAGNOSED], min(self.config.sweep, len(order))
        curves = [(name, order[:n], right[:n], float(share)) for name, share in self.curve_shares.items()]
        gradient = [(DIAGNOSTICS, diagnosed, torch.ones_like(diagnosed, dtype=torch.bool), 0.0)]
        return [*(gradient if len(diagnosed) else []), *curves]

    def _look_further(self) -> None:
        for name, rows, right, share in self._further():
            if name == DIAGNOSTICS:
                self.diagnostics = gradient_unit(self.bench, self.config, rows).read(Diagnostics)
                continue

            def on_progress(now: Progress, name: str = name, share: float = share) -> None:
                self._say(self.done + share * now.done / now.total, f"{name}: {now.message}")

            curves = curve_unit(self.bench, self.config, name, rows, right, on_progress, self.should_stop)
            if curves is None:
                raise _StoppedError
            self.curves[name] = curves
            self._progress(share, f"{name}: done")

    # ------------------------------------------------------------------ what is said and written

    def _worst_so_far(self) -> str:
        counted = self.results.counted
        if not bool(counted.any()):
            return "no image has met every attack yet"
        standing = self.results.clean & ~self.results.broken(self.results.attacks)
        return f"worst case so far {float(standing[counted].float().mean()):.1%} of {int(counted.sum())}"

    def _progress(self, share: float, message: str) -> None:
        self.done = min(float(self.total), self.done + share)
        self._say(self.done, message)

    def _say_apart(self, done: float, message: str) -> None:
        """What a cluster has done by now, of what it was given last."""
        self._say(self.begun + done, f"{message}; {self._worst_so_far()}")

    def _say(self, done: float, message: str) -> None:
        self.furthest = max(self.furthest, min(float(self.total), done))  # what is done apart is met later
        # Of at most so many: images that break early end sooner.
        now = Progress(int(self.furthest), self.total, message)
        self.on_progress(now)
        if self.journal.folder is not None and time.monotonic() - self.written_at >= REPORT_SECONDS:
            progress = HowFar(done=now.done, total=now.total, message=message)
            self._write(self.journal.folder, self._report(complete=False).model_copy(update={"progress": progress}))

    def _report(self, complete: bool) -> EvaluationReport:
        setting = Setting(self.config, self.model, self.data, self.indices, str(self.device))
        further = Further(self.diagnostics, self.curves.get("sweep"), self.curves.get("convergence"))
        return build_report(setting, self.results, further, complete=complete)

    def _write(self, folder: Path, report: EvaluationReport) -> None:
        write_bytes(folder / "report.json", report.text().encode())
        self.written_at = time.monotonic()

    def _write_adversarial(self, folder: Path) -> None:
        """Bring the adversarial images together, one for each broken image: the first that was found."""
        found: dict[str, list[Tensor]] = {"rows": [], "images": [], "attack": []}
        for batch in self._batches() if bool(self.results.seen.all()) else []:
            for index in range(len(self.plan)):
                entry = self.journal.get(attack_entry(index, batch.number))
                if entry is not None:
                    found["rows"].append(entry.tensors["found"])
                    found["images"].append(entry.tensors["images"])
                    found["attack"].append(torch.full_like(entry.tensors["found"], index))
        if found["rows"]:
            tensors = {name: torch.cat(parts) for name, parts in found.items()}
            tensors["indices"] = torch.tensor(self.indices)[tensors.pop("rows")]
            facts = {"attacks": [planned.name for planned in self.plan], "data": self.data.source}
            save_tensors(folder / "adversarial.safetensors", tensors, facts)


def evaluate_model(
    config: EvalConfig,
    model: EvaluatedModel,
    folder: Path | None = None,
    *,
    data: LabelledSet | None = None,
    on_progress: Callable[[Progress], None] = silent,
    should_stop: Callable[[], bool] = lambda: False,
    cluster: Cluster | None = None,
) -> EvaluationReport:
    """Evaluate `model` on `config.data`'s test split (or `data`), by a `cluster` or here; returns the report."""
    images = data or evaluation_data(config, model.config.image_size)
    return Evaluation(
        model, config, images, folder, on_progress=on_progress, should_stop=should_stop, cluster=cluster
    ).run()
