"""A client of a running studio: its models, and jobs that it does, from a few lines of Python.

    from crossmax_studio.client import Studio
    with Studio("http://127.0.0.1:7860") as studio:
        job = studio.wait(studio.class_image("frog", preset="quick"))
        studio.save(job, "pictures")

It speaks /api/v1 (docs/api.md) and needs httpx alone: neither PyTorch nor models are loaded here. What the studio
refuses is a StudioError with its sentence.
"""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from crossmax_studio.told import Estimate, Job, Preset, id_of, job_of, preset_of, refusal
from foundation.errors import StudioError
from foundation.files.text_files import reason, replace_whole

__all__ = ["Estimate", "Job", "Preset", "Studio", "grid_order"]
PREFIX = "/api/v1"
WAIT_SECONDS = 30.0
"""For which one question waits; there are as many as it takes."""
TIMEOUT = httpx.Timeout(30.0, read=90.0)


class Studio:
    """A running studio, and one owner there.

    Args:
        address: as it printed where it was started, for example "http://127.0.0.1:7860".
        token: of a studio that others can reach: what follows ?token= in that address. Of one with accounts: a token of
            your own, as its page makes them; the jobs are then yours there.
        owner: whose the jobs are: a secret of 32 to 64 letters and digits. A new one by default, which is to be kept
            where somebody wants to come back to the jobs. Without a meaning where there are accounts.
        transport: how requests are sent, for tests.

    Every method raises StudioError where the studio refuses, or does not answer.
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:7860",
        *,
        token: str | None = None,
        owner: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.address = address.partition("?")[0].rstrip("/")
        self.owner = owner or secrets.token_hex(16)
        headers = {"X-Owner": self.owner, **({"Authorization": f"Bearer {token}"} if token else {})}
        try:
            # no proxy of the environment's: it would be told the token
            self._http = httpx.Client(
                base_url=self.address, headers=headers, timeout=TIMEOUT, trust_env=False, transport=transport
            )
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError) as error:
            raise StudioError(f"'{address}' is no address of a studio, or the token or owner is none.") from error

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ what there is

    def models(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The models that can be chosen; of a kind, "classifier" or "encoder", if one is given."""
        query = {} if kind is None else {"kind": kind}
        return list(self._json("GET", "/models", params=query)["models"])

    def evaluations(self, model: str) -> dict[str, Any]:
        """The "data" and the "suites" of attacks on which a model can be evaluated."""
        return dict(self._json("GET", "/evaluate", params={"model": model}))

    def describing(self) -> dict[str, Any]:
        """The vision-language model that can be asked about attacks: its "model", which is None for none."""
        return dict(self._json("GET", "/describe"))

    # ------------------------------------------------------------------ what it does

    def class_image(
        self,
        name: str,
        *,
        model: str | Sequence[str] | None = None,
        preset: str = "balanced",
        title: str = "",
        **fields: Any,
    ) -> Job:
        """Submit a picture of a class, as `crossmax-generator class` draws it.

        Args:
            name: of the class, a synonym, or its number as a text.
            model: a classifier, or several; None for those that draw best of what the studio has.
            fields: others of the recipe.
        """
        recipe = {**_named(model), "classes": [name], **fields}
        return self._submit("/class", {"recipe": recipe, "preset": preset, "title": title})

    def text(
        self,
        prompt: str,
        *,
        model: str | Sequence[str] | None = None,
        preset: str = "balanced",
        source: str | Path | bytes | None = None,
        title: str = "",
        **fields: Any,
    ) -> Job:
        """Submit a picture of a prompt, as `crossmax-generator text` draws it.

        Args:
            model: a CLIP model, or several, of classifiers too, which lead along to what the prompt names; None for
                those that draw best of what the studio has.
            source: a picture to start from (a file, or its bytes), which is uploaded.
            fields: others of the recipe.
        """
        order = {"recipe": {**_named(model), "prompt": prompt, **fields}, "preset": preset, "title": title}
        return self._submit("/text", order | ({} if source is None else {"source": self.upload(source)}))

    def attack(
        self,
        photo: str | Path | bytes,
        *,
        models: Sequence[str] = ("lite0",),
        preset: str = "standard",
        explore: Mapping[str, object] | None = None,
        describe: Mapping[str, object] | None = None,
        with_recipe: bool = True,
        title: str = "",
        **fields: Any,
    ) -> Job:
        """Submit an attack on a photo (a file, or its bytes), which is uploaded.

        Args:
            explore: what is to be found out, for example {"victims": ["lite1"], "survivals": ["jpeg-75"]}.
            describe: what a vision-language model is asked, for example {"samples": 1}; see ``describing``.
            fields: others of the recipe: classes=["tench"], eps=8 / 255...
        """
        order: dict[str, object] = {"recipe": {"models": list(models), **fields}, "preset": preset, "title": title}
        order |= {"source": self.upload(photo), "with_recipe": with_recipe}
        return self._submit("/attack", order | _given(explore=explore, describe=describe))

    def attack_folder(
        self,
        photos: Sequence[str | Path],
        *,
        labels: Mapping[str, str] | None = None,
        alone: bool = False,
        models: Sequence[str] = ("lite0",),
        preset: str = "standard",
        explore: Mapping[str, object] | None = None,
        describe: Mapping[str, object] | None = None,
        title: str = "",
        **fields: Any,
    ) -> Job:
        """Submit an attack on many photos (files), which are uploaded, one after the other as one job.

        Args:
            labels: file name -> the class that the photo shows; without one, what each model says counts.
            alone: attack with each of the models alone, too.
        """
        known = labels or {}
        folder = {
            "photos": [
                {"digest": self.upload(path), "name": Path(path).name, "label": known.get(Path(path).name, "")}
                for path in photos
            ],
            "alone": alone,
        }
        order: dict[str, object] = {"recipe": {"models": list(models), **fields}, "preset": preset, "title": title}
        return self._submit("/attack", order | {"folder": folder} | _given(explore=explore, describe=describe))

    def evaluate(
        self,
        model: str,
        *,
        data: str,
        suites: Sequence[str],
        count: int = 100,
        eps: float = 8 / 255,
        images: Sequence[tuple[str | Path | bytes, str]] = (),
        title: str = "",
    ) -> Job:
        """Submit an evaluation; ``images`` are pictures of your own, each with its class. See ``evaluations``."""
        labelled = [{"digest": self.upload(picture), "label": label} for picture, label in images]
        order = {"model": model, "data": data, "suites": list(suites), "count": count, "eps": eps}
        return self._submit("/evaluate", {**order, "images": labelled, "title": title})

    def grid(
        self,
        x: tuple[str, str | Sequence[object]],
        y: tuple[str, str | Sequence[object]],
        *,
        task: str = "class",
        preset: str = "balanced",
        title: str = "",
        **fields: Any,
    ) -> Job:
        """Submit a picture for every pair of values of two fields of the recipe, as one job.

        Args:
            x, y: a field and its values, from left to right and from top to bottom: ("seed", "1..3").
            task: "class" or "text".
            fields: others of the recipe: models=["tiny-clip"], prompt="a frog"...

        Its "sheet.png" has all pictures with their titles, its "grid.csv" the figures. What it would cost says
        ``estimate("grids", grid_order(...))``.
        """
        return self._submit("/grids", grid_order(x, y, task=task, preset=preset, title=title, **fields))

    def estimate(self, kind: str, order: Mapping[str, object]) -> Estimate:
        """What an order would cost, and how long it would wait behind what is queued now; nothing is submitted.

        Args:
            kind: text, class, attack, grids or evaluate: it ends the address.
            order: as its JSON is described.
        """
        told = self._json("POST", f"/estimate/{kind}", json=dict(order))
        try:
            return Estimate(**{one.name: told[one.name] for one in fields(Estimate)})
        except (KeyError, TypeError) as error:
            raise StudioError("The studio's answer is no estimate: it may be of another version.") from error

    def go_on(self, job: Job | str, *, suites: Sequence[str] = (), picture: int = 1, title: str = "") -> Job:
        """Submit what goes on from where a job ended: an evaluation, perhaps with more ``suites``; a text, from one
        ``picture`` of it; a grid, or an attack on a folder, that was cut short.
        """
        order = {"suites": list(suites), "picture": picture, "title": title}
        return self._submit(f"/jobs/{id_of(job)}/continue", order)

    def submit(self, kind: str, order: Mapping[str, object]) -> Job:
        """Submit what has no method of its own, as its JSON is described; ``kind`` ends the address."""
        return self._submit(f"/{kind}", order)

    def upload(self, picture: str | Path | bytes) -> str:
        """Upload a picture (a file, or its bytes); the digest of its pixels, by which jobs name it."""
        try:
            data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
        except OSError as error:
            raise StudioError(f"The picture '{picture!s}' cannot be read: {reason(error)}.") from error
        headers = {"Content-Type": "application/octet-stream"}
        return str(self._json("POST", "/uploads", content=data, headers=headers)["digest"])

    # ------------------------------------------------------------------ presets of one's own

    def presets(self) -> list[Preset]:
        """This owner's presets, by their names; the ``settings`` of one are a recipe, as orders take it."""
        return [preset_of(told) for told in self._json("GET", "/presets")["presets"]]

    def keep_preset(self, name: str, settings: Mapping[str, object]) -> Preset:
        """Keep a recipe under a name, in place of the one of that name and task."""
        return preset_of(self._json("POST", "/presets", json={"name": name, "settings": dict(settings)}))

    def delete_preset(self, preset: Preset | str) -> None:
        """Delete a preset; one that is not there is no error."""
        self._ask("DELETE", f"/presets/{preset.id if isinstance(preset, Preset) else preset}")

    def export_presets(self, file: str | Path) -> Path:
        """Save all presets as one file, which ``import_presets`` and the page take."""
        path = Path(file)
        try:
            replace_whole(path, self._ask("GET", "/presets/export").content, durable=False)
        except OSError as error:
            raise StudioError(f"The presets cannot be saved as '{path}': {reason(error)}.") from error
        return path

    def import_presets(self, file: str | Path, *, replace: bool = False) -> list[Preset]:
        """Keep the presets of such a file, all or none; of names that are taken both, or (``replace``) the file's."""
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            raise StudioError(f"The presets '{file!s}' cannot be read: {reason(error)}.") from error
        query, headers = {"replace": str(replace).lower()}, {"Content-Type": "application/json"}
        told = self._json("POST", "/presets/import", params=query, content=data, headers=headers)
        return [preset_of(one) for one in told["presets"]]

    # ------------------------------------------------------------------ jobs

    def jobs(self, *, limit: int = 50, before: Job | str = "") -> list[dict[str, Any]]:
        """This owner's jobs in short, the newest first, 200 at most; those older than `before`, if that is given."""
        params = {"limit": str(limit), "before": id_of(before) if before else ""}
        return list(self._json("GET", "/jobs", params=params)["jobs"])

    def job(self, job: Job | str) -> Job:
        """A job as it is now."""
        return job_of(self._json("GET", f"/jobs/{id_of(job)}"))

    def follow(self, job: Job | str, *, timeout: float | None = None) -> Iterator[Job]:
        """A job every now and then until it has ended, or ``timeout`` seconds have passed."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = WAIT_SECONDS if until is None else max(0.0, min(WAIT_SECONDS, until - time.monotonic()))
            now = job_of(self._json("GET", f"/jobs/{id_of(job)}/wait", params={"seconds": left}))
            yield now
            if now.ended or (until is not None and time.monotonic() >= until):
                return

    def wait(self, job: Job | str, *, timeout: float | None = None) -> Job:
        """A job once it has ended.

        Raises:
            StudioError: it failed, or has not ended within ``timeout`` seconds.
        """
        *_, last = self.follow(job, timeout=timeout)
        if not last.ended:
            raise StudioError(f"The job has not ended within {timeout:g} seconds: it goes on, ask for it again.")
        if last.status in ("failed", "interrupted"):
            raise StudioError(last.error or f"The job is {last.status}.")
        return last

    def stop(self, job: Job | str) -> Job:
        """Have a job end soon, and keep what it has."""
        return job_of(self._json("POST", f"/jobs/{id_of(job)}/stop"))

    def edit(
        self,
        job: Job | str,
        *,
        title: str | None = None,
        note: str | None = None,
        favourite: bool | None = None,
    ) -> Job:
        """Give a job another title or note, or make it a favourite; None leaves as it is."""
        order = {"title": title, "note": note, "favourite": favourite}
        return job_of(self._json("POST", f"/jobs/{id_of(job)}/edit", json=order))

    def delete(self, job: Job | str) -> None:
        """Delete a job with its files, for good."""
        self._ask("DELETE", f"/jobs/{id_of(job)}")

    def read(self, job: Job | str, name: str) -> bytes:
        """The bytes of a file of a job."""
        return self._ask("GET", f"/jobs/{id_of(job)}/files/{name}").content

    def save(self, job: Job | str, folder: str | Path, *, names: Sequence[str] | None = None) -> list[Path]:
        """Save the files of a job, all or those that are named, into a folder, which is made; where they are then."""
        place = Path(folder)
        wanted = self.job(job).files if names is None else tuple(names)
        if any(not name or name != Path(name).name or name.startswith(".") for name in wanted):
            raise StudioError("A file of this job has a name that leads elsewhere: nothing was saved.")
        saved = []
        try:
            place.mkdir(parents=True, exist_ok=True)
            for name in wanted:
                replace_whole(place / name, self.read(job, name), durable=False)
                saved.append(place / name)
        except OSError as error:
            raise StudioError(f"The files cannot be saved in '{place}': {reason(error)}.") from error
        return saved

    # ------------------------------------------------------------------ requests

    def _submit(self, path: str, order: Mapping[str, object]) -> Job:
        return job_of(self._json("POST", path, json=dict(order)))

    def _json(self, method: str, path: str, **request: Any) -> Any:
        answer = self._ask(method, path, **request)
        try:
            return answer.json()
        except ValueError as error:
            raise StudioError(f"At {self.address} there is no studio, or one of another version.") from error

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, f"{PREFIX}{path}", **request)
        except httpx.HTTPError as error:
            raise StudioError(f"The studio at {self.address} does not answer ({error}).") from error
        except (TypeError, ValueError) as error:
            raise StudioError(f"This cannot be sent to a studio: {error}.") from error
        if answer.is_success:
            return answer
        raise StudioError(refusal(answer))


def grid_order(
    x: tuple[str, str | Sequence[object]],
    y: tuple[str, str | Sequence[object]],
    *,
    task: str = "class",
    preset: str = "balanced",
    title: str = "",
    **fields: Any,
) -> dict[str, object]:
    """The order of a grid, as `Studio.grid` submits it."""
    recipe = {"task": task, **fields}
    axes = {name: {"field": field, "values": values} for name, (field, values) in (("x", x), ("y", y))}
    return {"recipe": recipe, "preset": preset, "title": title, **axes}


def _named(model: str | Sequence[str] | None) -> dict[str, object]:
    """The field of a recipe that says who draws, where anybody is named."""
    return {} if model is None else {"models": [model] if isinstance(model, str) else list(model)}


def _given(**fields: Mapping[str, object] | None) -> dict[str, object]:
    """Those of the fields that there are, as plain dictionaries."""
    return {name: dict(value) for name, value in fields.items() if value is not None}
