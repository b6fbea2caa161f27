"""Attacks photo after photo, and asks the victims; a journal in a folder knows what is done.

Each picture is made by the product (`generator.production.making.make`: one photo at a time, by its recipe) and saved
as an 8-bit PNG, which is what victims are asked about, after whatever happens to it. The journal has a line for each
piece of work, which is on the disk before the next begins; run again, only what is missing is done.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from benchmarks.attack_success import draw_target
from benchmarks.transfer.methods import METHODS, NOISE, PASSES
from foundation.errors import StudioError
from foundation.files.folders import walk
from foundation.files.json_lines import JsonLines
from foundation.images.distance import l2, linf
from foundation.images.files import load_image, save_png, to_tensor
from foundation.images.pixels import quantise_within
from foundation.protocols import Encoder
from foundation.record import Record
from foundation.seeds import stream
from generator.classes.labels import imagenet, tiny_clip
from generator.classes.synonyms import imagenet_wordnet_ids
from generator.inputs.photos import file_name
from generator.production.making import make
from generator.recipes.pictures import Pictures
from generator.recipes.recipe import Recipe
from generator.synthesis.models import Model, accelerated
from generator.victims.survival import SAVED, SURVIVALS
from generator.victims.victims import Victim, victim_of


class NothingMoreError(Exception):
    """What is asked for was not measured yet, and is not to be."""


CLEAN = "clean"
"""The photo itself, in the place of an attack."""


@dataclass(frozen=True)
class Attack:
    """A way of attacking: by a method, on surrogates, to a random target or away, within so many of 255 levels."""

    surrogates: tuple[str, ...]
    method: str
    targeted: bool = False
    levels: int = 8
    passes: int = PASSES

    @cached_property
    def key(self) -> str:
        """What it goes by in the journal; what its method means is part of it."""
        goal = "targeted" if self.targeted else "untargeted"
        means = "" if self.method == NOISE else self.recipe(target="0" if self.targeted else "").digest()
        return " ".join(["+".join(self.surrogates), goal, str(self.levels), self.method, means]).strip()

    def recipe(self, target: str = "", captions: str = "", seed: int = 0) -> Recipe:
        """The recipe for one photo. `captions` are what a CLIP model chooses among, and is led away from."""
        made = METHODS[self.method].recipe(self.surrogates, self.levels / 255, target=target, passes=self.passes)
        aim = {"captions": captions, "classes": (), "objective": "margin"} if captions else {}
        return made.with_changes(seed=seed, **aim)


MOST_CAPTIONS = 40
"""Labels of a CLIP model that an attack on it knows of: a recipe has room for no more."""


class Line(Record):
    """What was done with one photo: attacked, or shown to victims. Distances and answers are those of the saved file.

    `said` are the names of the classes that victims see, by "victim" or "victim after what happened to the file".
    """

    photo: str
    attack: str
    target: str = ""
    passes: int = 0
    seconds: float = 0.0
    linf: float = 0.0
    l2: float = 0.0
    said: Mapping[str, str] = Field(default_factory=dict)


def asked(victim: str, survival: str = SAVED) -> str:
    """What an answer goes by in a line."""
    return victim if survival == SAVED else f"{victim} after {survival}"


def captions_of(seen: str, labels: Sequence[str], rng: torch.Generator) -> str:
    """The captions of an attack on a CLIP model: the label that it sees, and others that a recipe has room for."""
    order = torch.randperm(len(labels), generator=rng).tolist()
    others = [labels[place] for place in order if labels[place] != seen]
    return " | ".join([seen, *others[: MOST_CAPTIONS - 1]])


class Journal:
    """The lines of a folder, put together by photo and attack."""

    def __init__(self, path: Path) -> None:
        self._lines: dict[tuple[str, str], Line] = {}
        self._file = JsonLines(path, Line, "journal")
        for line in self._file.read():
            self._take(line)

    def __getitem__(self, key: tuple[str, str]) -> Line:
        """What is known of a photo and the key of an attack: an empty line of nothing."""
        return self._lines.get(key) or Line(photo=key[0], attack=key[1])

    def add(self, line: Line) -> None:
        """Write a line down."""
        self._file.add(line)
        self._take(line)

    def _take(self, line: Line) -> None:
        key = (line.photo, line.attack)
        before = self._lines.get(key)
        if before is not None:
            first = line if line.passes else before
            line = first.model_copy(update={"said": {**before.said, **line.said}})
        self._lines[key] = line


@dataclass
class Bench:
    """A folder of photos, a folder of results, and models that are loaded when they are first needed.

    One that is `idle` reads its journal alone, and raises NothingMoreError for what is not there.
    """

    photos: Path
    out: Path
    seed: int
    load: Callable[[str], Model]
    say: Callable[[str], None] = lambda _message: None
    idle: bool = False
    journal: Journal = field(init=False)
    _models: dict[str, Model] = field(default_factory=dict)
    _victims: dict[str, Victim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.journal = Journal(self.out / "journal.jsonl")

    def model(self, name: str) -> Model:
        """A model by its name."""
        if name not in self._models:
            self._models[name] = self.load(name)
        return self._models[name]

    def victim(self, name: str) -> Victim:
        """A model as a victim, in its faster form; a CLIP model chooses among the things that tiny-clip knows."""
        if name not in self._victims:
            model = self.model(name)
            fast = model if isinstance(model, Encoder) else accelerated(model)
            self._victims[name] = victim_of(name, fast, tiny_clip())
        return self._victims[name]

    def drawn(self, limit: int, sure: Sequence[str]) -> list[Path]:
        """The first `limit` photos, in an order drawn from the seed, that all models in `sure` name right.

        Photos lie in folders called by the WordNet numbers of their classes, as ImageNet has them; of one in another
        folder nobody knows what is right, and the models need only agree.
        """
        found = sorted(walk(self.photos, deep=True).pictures)
        places = {wordnet: place for place, wordnet in enumerate(imagenet_wordnet_ids())}
        chosen: list[Path] = []
        for number in torch.randperm(len(found), generator=stream(self.seed, "photos")).tolist():
            if len(chosen) == limit:
                return chosen
            path = found[number]
            try:
                said = self.ask(path, path, CLEAN, sure)
            except NothingMoreError:
                return chosen
            answers = {said[asked(name)] for name in sure}
            right = {imagenet().labels[places[path.parent.name]]} if path.parent.name in places else answers
            if answers == right and len(right) == 1:
                chosen.append(path)
        if len(chosen) < limit:
            raise StudioError(f"Only {len(chosen)} photos in '{self.photos}' are named right by {', '.join(sure)}.")
        return chosen

    def name_of(self, photo: Path) -> str:
        """What a photo goes by."""
        return photo.relative_to(self.photos).with_suffix("").as_posix()

    def ask(
        self, photo: Path, picture: Path, key: str, victims: Sequence[str], survivals: Sequence[str] = (SAVED,)
    ) -> Mapping[str, str]:
        """What victims say of a picture made of a photo; what is known is not asked again."""
        name = self.name_of(photo)
        known = self.journal[name, key].said
        new: dict[str, str] = {}
        shown: dict[str, Tensor] = {}
        for survival in survivals:
            for victim in victims:
                if asked(victim, survival) in known:
                    continue
                if self.idle:
                    raise NothingMoreError
                if survival not in shown:
                    shown[survival] = to_tensor(SURVIVALS[survival].apply(load_image(picture)))
                (verdict,) = self.victim(victim).look(shown[survival])
                new[asked(victim, survival)] = verdict.label
        if new:
            self.journal.add(Line(photo=name, attack=key, said=new))
        return {**known, **new}

    def make(self, photo: Path, attack: Attack, avoided: Sequence[str]) -> Path:
        """Attack a photo unless that is done, and return the file. No target is among the classes `avoided`."""
        name, key = self.name_of(photo), attack.key
        place = self.out / "pictures" / file_name(key) / f"{file_name(name)}.png"
        if self.journal[name, key].passes and place.is_file():
            return place
        if self.idle:
            raise NothingMoreError
        image = to_tensor(load_image(photo))
        began = time.process_time()
        if attack.method == NOISE:
            target, passes = "", 1
            signs = torch.randint(2, image.shape, generator=stream(self.seed, f"noise {name}")) * 2.0 - 1
            made = quantise_within(image + attack.levels / 255 * signs, image, attack.levels / 255)
        else:
            models = {surrogate: self.model(surrogate) for surrogate in attack.surrogates}
            target = self._target(name, attack, avoided)
            recipe = attack.recipe(target, self._captions(photo, models), self.seed)
            result = make(recipe, models, pictures=Pictures(image))
            made, passes = result.images, METHODS[attack.method].passes_of(recipe, result.recipe.steps)
        seconds = time.process_time() - began
        distance = float(linf(made, image))
        if distance > attack.levels / 255 + 1e-6:
            raise StudioError(f"{key} went {255 * distance:.2f} levels from {name}: that is a fault of the attack.")
        place.parent.mkdir(parents=True, exist_ok=True)
        save_png(made, place)
        far = float(l2(made, image))
        self.journal.add(
            Line(photo=name, attack=key, target=target, passes=passes, seconds=seconds, linf=distance, l2=far)
        )
        return place

    def _captions(self, photo: Path, models: Mapping[str, Model]) -> str:
        """What a CLIP model is led away from; "" where classifiers attack."""
        if not all(isinstance(one, Encoder) for one in models.values()):
            return ""
        (name,) = models
        seen = self.ask(photo, photo, CLEAN, [name])[asked(name)]
        return captions_of(seen, self.victim(name).labels, stream(self.seed, f"captions {self.name_of(photo)}"))

    def _target(self, name: str, attack: Attack, avoided: Sequence[str]) -> str:
        """The class that a photo is led to: drawn from the seed, alike for all surrogates of the same classes."""
        if not attack.targeted:
            return ""
        classes = self.victim(attack.surrogates[0]).labels
        for turn in range(100):
            drawn = classes[draw_target(self.seed, f"{name} {turn}", 0, len(classes))]
            if drawn not in avoided and classes.count(drawn) == 1:
                return drawn
        raise StudioError(f"All classes of '{attack.surrogates[0]}' are seen in {name}: there is no other to lead to.")


@dataclass(frozen=True)
class Work:
    """What a table needs: all attacks on the same photos, and what the victims say of each."""

    attacks: Sequence[Attack]
    victims: Sequence[str]
    survivals: Sequence[str] = (SAVED,)


def do(bench: Bench, work: Work, photos: Sequence[Path]) -> Iterator[Path]:
    """Do the work photo by photo, all attacks on each, so that rows can be paired at any time; yield what is done."""
    total, done, new, began = len(photos) * len(work.attacks), 0, 0, time.monotonic()
    keys = {attack: attack.key for attack in work.attacks}
    answers = [asked(victim, survival) for survival in work.survivals for victim in work.victims]
    for photo in photos:
        clean = bench.ask(photo, photo, CLEAN, work.victims, work.survivals)
        for attack, key in keys.items():
            done += 1
            line = bench.journal[bench.name_of(photo), key]
            if line.passes and all(answer in line.said for answer in answers):
                continue
            bench.ask(photo, bench.make(photo, attack, list(clean.values())), key, work.victims, work.survivals)
            new += 1
            left = (time.monotonic() - began) / new * (total - done) / 60
            bench.say(f"{done} of {total}: {key} on {bench.name_of(photo)}; at most {left:.0f} min left")
        yield photo
