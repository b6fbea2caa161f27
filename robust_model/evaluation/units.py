"""Units of work: one batch answered when clean, or met by one attack. Each is kept whole, and repeats exactly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from foundation.work_time import worked
from robust_model.attacks import ATTACKS, AnyAttack, AttackOutcome, Defence, PassCount, run_attack
from robust_model.attacks.answers import NO_ANSWER
from robust_model.attacks.base import NO_PASSES
from robust_model.data.datasets import LabelledImages, to_float
from robust_model.evaluation.accounting import answers, majority, tied
from robust_model.evaluation.journal import Entry, Journal
from robust_model.evaluation.masking.diagnostics import AT_THE_END, Look, diagnose, look
from robust_model.evaluation.plan import PlannedAttack, generator_of
from robust_model.evaluation.record.config import EvalConfig
from robust_model.evaluation.record.schema import Sample
from robust_model.evaluation.results import Results
from robust_model.evaluation.samples import save_samples
from robust_model.evaluation.unit_facts import AttackFacts, UnitFacts
from robust_model.networks.noise import FreshNoise, Noise, SilentNoise

DIAGNOSTICS = "diagnostics"
"""The journal's name for what is found out about the gradient."""
SHOWN = "shown"
"""Of an attack whose pictures are still to be made, the adversarial images that some of them will show."""


def noise_from(defence: Defence, rng: torch.Generator) -> Noise:
    """Fresh noise from `rng` for a random defence, none for a deterministic one."""
    return FreshNoise(rng) if defence.random else SilentNoise()


@dataclass
class Referee:
    """Answers for the defended model by the majority of `draws` passes, and counts them."""

    defence: Defence
    draws: int
    noise: Noise
    passes: PassCount = field(default_factory=PassCount)

    def answers(self, images: Tensor) -> Tensor:
        """The class that each read-out, and last the defence, names in each draw: int64 [K, B, N + 1]."""
        self.passes += PassCount(self.draws * len(images), 0)
        return answers(self.defence, images, self.noise, self.draws)

    def named(self, images: Tensor) -> Tensor:
        """The class that each of them names most often: int64 [B, N + 1]."""
        return majority(self.answers(images))

    def stands(self, images: Tensor, labels: Tensor) -> Tensor:
        """Whether the defended answer is still right: bool [B]."""
        return self.named(images)[:, -1] == labels

    def tied(self, images: Tensor, labels: Tensor) -> int:
        """For how many images only the order of the classes keeps the true one from being the answer (one pass)."""
        self.passes += PassCount(len(images), 0)
        return int(tied(self.defence, images, labels, self.noise).sum())

    def in_words(self, images: Tensor) -> list[dict[str, str]]:
        """The name of the class that each read-out and the "defence" name, for each image."""
        names = (*self.defence.readout_names, "defence")
        classes = self.defence.class_names
        return [
            {
                name: "no answer" if answer == NO_ANSWER else classes[answer]
                for name, answer in zip(names, row, strict=True)
            }
            for row in self.named(images).tolist()
        ]


@dataclass(frozen=True)
class Bench:
    """What all units of one evaluation share.

    The `defence` that is judged, and as attacks see it (`exact`: the same but for rounding, only faster; `attacked`:
    perhaps in another precision as well), the data with their `places` in the split, the journal.
    """

    defence: Defence
    exact: Defence
    attacked: Defence
    data: LabelledImages
    places: list[int]
    device: torch.device
    draws: int
    seed: int
    journal: Journal

    def seen_by(self, config: AnyAttack) -> Defence:
        """The defence as an attack sees it. One that believes what it sees sees no other precision."""
        return self.exact if ATTACKS[config.kind].exact else self.attacked

    @property
    def believable(self) -> bool:
        """Whether what such an attack sees is the defence that is judged, not a copy that is equal but for rounding."""
        return self.exact is self.defence

    def images(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The images [B, 3, H, W] and labels [B] at `rows` (indices), on the device."""
        return to_float(self.data.images[rows]).to(self.device), self.data.labels[rows].to(self.device)

    def referee(self, *place: object) -> Referee:
        """One whose draws belong to this place in the evaluation."""
        return Referee(self.defence, self.draws, noise_from(self.defence, generator_of(self.seed, *place)))


@dataclass(frozen=True)
class Batch:
    """Images to attack: their `rows` in the data. With them all images `covered` are done with: those in between need
    no attack."""

    number: int
    rows: Tensor
    covered: Tensor


@dataclass(frozen=True)
class Attacked:
    """Which `rows` of the data an attack met, and where its restarts ended: what another attack continues from."""

    rows: Tensor
    last: list[Tensor]

    def only(self, rows: Tensor) -> AttackOutcome:
        """The part for `rows`, all of them among its own."""
        place = (self.rows == rows[:, None]).int().argmax(1)
        last = [iterate[place.to(iterate.device)] for iterate in self.last]
        return AttackOutcome(torch.zeros(len(rows), dtype=torch.bool), torch.empty(0), last=last)


@dataclass(frozen=True)
class Task:
    """Attack number `index`, `planned`, on the images `rows` of batch `batch`.

    `follows` is the attack before, for one that continues it. Adversarial images are kept of the `rows` that are `new`
    (bool): nothing has broken them before. Up to `samples` of them become pictures. `followed`: the next attack
    continues this one, so that its last iterates are kept as well. `shown_later`: how many become pictures is not known
    yet, so that what they would be made of is kept (see `picture_unit`).
    """

    index: int
    planned: PlannedAttack
    batch: int
    rows: Tensor
    new: Tensor
    samples: int
    follows: Attacked | None = None
    followed: bool = False
    shown_later: bool = False


def task_of(
    plan: Sequence[PlannedAttack], results: Results, batch: Batch, index: int, samples: int, bench: Bench
) -> Task:
    """What attack number `index` of the plan is to do with a batch, by the results of those before it.

    `samples`: how many pictures there may be of it in all.
    """
    planned, known = plan[index], results.attacks
    rows = batch.rows
    if planned.cumulative:
        rows = rows[~results.broken(known[:index])[rows]]
    return Task(
        index,
        planned,
        batch.number,
        rows,
        new=~results.broken(known)[rows],
        samples=max(0, samples - len(known[index].samples)),
        follows=get_last(bench.journal, index - 1, batch.number) if planned.continues else None,
        followed=index + 1 < len(plan) and plan[index + 1].continues,
    )


def clean_entry(number: int) -> str:
    """The journal's name for the clean answers of batch `number`."""
    return f"clean-{number:05d}"


def attack_entry(index: int, batch: int) -> str:
    """The journal's name for what attack number `index` did to a batch."""
    return f"attack-{index:02d}-{batch:05d}"


def last_entry(index: int, batch: int) -> str:
    """The journal's name for where attack number `index` ended on a batch."""
    return f"last-{attack_entry(index, batch)}"


def keep_last(journal: Journal, index: int, batch: int, attacked: Attacked) -> None:
    """Keep where the restarts of attack number `index` ended, until the one that continues it is done."""
    tensors = {f"{number:03d}": iterate for number, iterate in enumerate(attacked.last)}
    journal.put(last_entry(index, batch), {"rows": attacked.rows, **tensors})


def get_last(journal: Journal, index: int, batch: int) -> Attacked | None:
    """What `keep_last` has kept, if it has."""
    entry = journal.get(last_entry(index, batch))
    if entry is None:
        return None
    return Attacked(entry.tensors["rows"], [entry.tensors[name] for name in sorted(entry.tensors) if name != "rows"])


def clean_unit(bench: Bench, number: int, rows: Tensor) -> Entry:
    """The clean answers of batch `number`: kept, or else found and kept."""
    name = clean_entry(number)
    kept = bench.journal.get(name)
    if kept is not None:
        return kept
    started, referee = worked(), bench.referee(number, "clean")
    found = referee.answers(bench.images(rows)[0])
    facts = UnitFacts(passes=referee.passes, seconds=worked() - started)
    return bench.journal.put(name, {"answers": found.to(torch.int16)}, facts)


def gradient_unit(bench: Bench, config: EvalConfig, rows: Tensor) -> Entry:
    """What is found out about the gradient at the images `rows` (indices): kept, or else found and kept."""
    kept = bench.journal.get(DIAGNOSTICS)
    if kept is not None:
        return kept
    images, labels = bench.images(rows)
    rng = generator_of(bench.seed, DIAGNOSTICS)
    noise = noise_from(bench.defence, rng)
    facts = diagnose(bench.defence, images, labels, eps=config.eps, batch=config.batch, noise=noise, rng=rng)
    return bench.journal.put(DIAGNOSTICS, {}, facts)


def attack_unit(bench: Bench, task: Task, on_step: Callable[[int, AttackOutcome], None]) -> Entry:
    """Attack a batch and keep what comes of it.

    `on_step` hears how often the attack has yielded, and its outcome; it may raise to end it: nothing is kept then.
    """
    started, config = worked(), task.planned.config
    place = (task.batch, config.model_dump_json())  # the streams of random numbers hang on it
    images, labels = bench.images(task.rows)
    rng = generator_of(bench.seed, *place)
    noise = noise_from(bench.defence, rng)
    referee = Referee(bench.defence, bench.draws, noise)
    outcome = AttackOutcome.untouched(images)
    if len(images):
        before = None if task.follows is None else task.follows.only(task.rows)
        running = run_attack(
            bench.seen_by(config), images, labels, config, rng=rng, noise=noise, judge=referee.stands, before=before
        )
        count = 0
        for count, outcome in enumerate(running, start=1):
            on_step(count, outcome)
        if outcome.own is not None and not bench.defence.random and not bench.believable:
            _again_by_itself(bench, task, outcome, referee, lambda further, part: on_step(count + further, part))
    distance = float((outcome.images - images).abs().max()) if len(images) else 0.0
    assert distance <= config.eps + 1e-6, f"left the ball: {distance} > {config.eps}"

    again = bench.referee(*place, "again")
    answered = again.answers(outcome.images)[:, :, -1]
    broken = outcome.broken.cpu()
    speechless = int((majority(answered) == NO_ANSWER).sum())
    fallen = torch.nonzero(broken).squeeze(1).to(images.device)
    ties = again.tied(outcome.images[fallen], labels[fallen]) if len(fallen) else 0
    found = broken & task.new
    ends = _ends(bench, task, outcome, images, labels, majority(answered) == labels)
    tensors = {
        "rows": task.rows,
        "broken": broken,
        "rescored": majority(answered) == labels,
        "right": (answered == labels).T,
        "found": task.rows[found],
        "images": outcome.images[found.to(images.device)],
    }
    shown = fallen[: task.samples]
    pictures: list[Sample] = []
    if task.shown_later:
        tensors[SHOWN] = outcome.images[shown]
    else:
        pictures = _pictures(
            bench, task.index, task.planned, task.batch, task.rows[shown.cpu()].tolist(), outcome.images[shown]
        )
    facts = AttackFacts(
        passes=outcome.passes + referee.passes + again.passes + (ends.passes if ends else NO_PASSES),
        seconds=worked() - started,
        distance_max=distance,
        tied=ties,
        speechless=speechless,
        samples=tuple(pictures),
        extra=outcome.extra,
        ends=ends.facts() if ends else None,
    )
    if outcome.own is not None:
        tensors["own"] = outcome.own
    if task.followed:  # before the entry: where that is, this is
        keep_last(bench.journal, task.index, task.batch, Attacked(task.rows, outcome.last))
    return bench.journal.put(attack_entry(task.index, task.batch), tensors, facts)


def _again_by_itself(
    bench: Bench, task: Task, outcome: AttackOutcome, referee: Referee, on_step: Callable[[int, AttackOutcome], None]
) -> None:
    """What an attack claims and the judge denies is asked of the network itself, and the outcome mended by that.

    The copy that attacks see differs from it by rounding: where a point lies so near to the border that this decides,
    the break is lost by our own arithmetic, and would count as robustness.
    """
    assert outcome.own is not None
    lost = torch.nonzero(outcome.own & ~outcome.broken).squeeze(1)
    if not len(lost):
        return
    config = task.planned.config
    images, labels = bench.images(task.rows[lost.cpu()])
    rng = generator_of(bench.seed, task.batch, config.model_dump_json(), "itself")
    again = AttackOutcome.untouched(images)
    noise = noise_from(bench.defence, rng)
    running = run_attack(bench.defence, images, labels, config, rng=rng, noise=noise, judge=referee.stands)
    for count, again in enumerate(running, start=1):
        on_step(count, again)
    assert again.own is not None
    outcome.passes += again.passes
    outcome.own[lost] = again.own
    fell = torch.nonzero(again.broken).squeeze(1)
    outcome.mark(lost[fell], again.images[fell], images[fell], config.eps)
    standing = int((~outcome.own).sum())
    said = [str(extra.get("warnings", "")) for extra in (outcome.extra, again.extra)]
    lines = dict.fromkeys(line for words in said for line in words.splitlines())
    outcome.extra.update(
        own_correct=standing,
        own_accuracy=standing / len(outcome.own),
        asked_again=len(lost),
        warnings="\n".join(lines),
    )


def _ends(
    bench: Bench, task: Task, outcome: AttackOutcome, images: Tensor, labels: Tensor, right: Tensor
) -> Look | None:
    """What the defence's gradient is worth where an attack by gradients ended; None for other attacks.

    It is looked at for some images that still stand (and are `right`), each where one of its restarts ended.
    """
    config = task.planned.config
    if not ATTACKS[config.kind].by_gradients or not outcome.last:
        return None
    some = torch.nonzero(right.to(images.device) & ~outcome.broken).squeeze(1)[:AT_THE_END]
    places = torch.arange(len(some), device=images.device)
    ends = torch.stack([last.to(images.device)[some] for last in outcome.last])
    points = ends[places % len(ends), places]
    rng = generator_of(bench.seed, task.batch, config.model_dump_json(), "ends")
    return look(bench.defence, points, labels[some], noise=noise_from(bench.defence, rng), rng=rng)


def picture_unit(bench: Bench, planned: PlannedAttack, index: int, batch: int, entry: Entry, samples: int) -> Entry:
    """Make the pictures of an attack that another machine has carried out, up to `samples`, and keep it with them."""
    tensors = dict(entry.tensors)
    shown = tensors.pop(SHOWN)[:samples].to(bench.device)
    rows = tensors["rows"][tensors["broken"]][: len(shown)].tolist()
    facts = entry.read(AttackFacts)
    pictures = _pictures(bench, index, planned, batch, rows, shown)
    return bench.journal.put(attack_entry(index, batch), tensors, facts.model_copy(update={"samples": tuple(pictures)}))


def _pictures(
    bench: Bench, index: int, planned: PlannedAttack, batch: int, rows: list[int], adversarial: Tensor
) -> list[Sample]:
    """Some adversarial examples, of the images `rows`, as pictures in the evaluation's folder, if it has one."""
    if bench.journal.folder is None:
        return []
    names = bench.defence.class_names
    return save_samples(
        bench.journal.folder,
        index,
        planned.name,
        [bench.places[row] for row in rows],
        bench.images(torch.tensor(rows, dtype=torch.int64))[0],
        adversarial,
        [names[int(bench.data.labels[row])] for row in rows],
        planned.config.eps,
        bench.referee(batch, index, "samples").in_words,
    )
