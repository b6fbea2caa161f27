"""Workers that Ray keeps (https://docs.ray.io): on this machine, or on all machines of a cluster.

Each is an actor that is never restarted by Ray itself: who hands parts out wants to know that one was lost.
"""

import collections
import ctypes
import importlib.util
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from foundation.cluster.shards import Answer, Handle, Introduction, LostError, News, Shared, Work
from foundation.cluster.worker import Worker
from foundation.errors import StudioError

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorHandle

T = TypeVar("T")

AUTO = "auto"
HOW = "pip install 'crossmax-studio[cluster]'"
CONNECT_SECONDS = 10.0
LOOK_SECONDS = 2.0
"""How often it is looked whether the cluster is still there."""
GONE_SECONDS = 15.0
"""How long nobody may answer: Ray itself would wait, and end this whole program at last."""
GONE = (
    "The cluster is gone: nobody answers there any more. What is finished is kept; start the cluster, and begin "
    "again to go on."
)
KEPT = 4
"""Shared values that a worker keeps: those of a job, and of the one before."""
_CALLS = 4
"""What an actor answers at once: while it works it says how far it is, and hears that it should end."""
_ADDRESS = re.compile(r"(?:ray://)?(?P<host>\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}
"""Nothing is told to anybody, and no warning is for those who write Ray programs. A client that has lost its cluster
does not begin another, and one that has gone away does not end this program while a job hears of it."""


class RayBackend:
    """Workers of a Ray cluster, each with one GPU or with `threads` CPU threads.

    Args:
        address: "auto" for the cluster that this machine is part of or, where there is none, one begun here and ended
            with the program; or HOST:PORT, or ray://HOST:PORT from outside of it.
        device: "auto" for GPUs where the cluster has some, "cpu", or "cuda".
        threads: of each worker.
        workers: how many; None for as many as there is room for.
        spared: how many of those, where it is as many as there is room for, are left to others; one stays at least.

    Raises:
        StudioError: Ray is not installed, nobody answers there, or there is no room for a worker.
    """

    def __init__(
        self, address: str = AUTO, *, device: str = AUTO, threads: int = 1, workers: int | None = None, spared: int = 0
    ) -> None:
        check_reach(address)
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        if _has_token():
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray looks for it by itself only where it begins a cluster
        import ray

        self._ray = ray
        self._ours = not ray.is_initialized()
        with _signals_kept():
            self._place = _begin(address) if self._ours else "the Ray cluster of this program"
        self._threads = threads
        try:
            self._device, room = room_of(ray.cluster_resources(), device, threads)
        except StudioError:
            self.close()
            raise
        self.workers = max(1, room - spared) if workers is None else workers
        self._actor = ray.remote(Worker)
        self._watched = address if address.startswith("ray://") else ray.get_runtime_context().gcs_address
        self._looked = time.monotonic()
        self._silent_since: float | None = None  # not when it last answered: a job that pauses does not ask

    @property
    def description(self) -> str:
        """What it is, in words that follow "on"."""
        return self._place

    @property
    def device(self) -> str:
        """What a worker computes on: "cpu" or "cuda"."""
        return self._device

    def hire(self) -> Handle:
        """Begin to start one more worker. StudioError where the cluster is gone."""
        while not self._answers():  # Ray would wait here for much longer, and hear of no stop
            time.sleep(1.0)
        gpus = 1 if self._device == "cuda" else 0
        options = {"num_cpus": self._threads, "num_gpus": gpus, "max_concurrency": _CALLS, "max_restarts": 0}
        with _connected():
            return _Actor(self._actor.options(**options).remote(self._device, self._threads))

    def share(self, value: T) -> Shared[T]:
        """Put a value where each machine fetches it once."""
        with _connected():
            return _RayShared(self._ray.put(_Parcel(value)))

    def wait(self, handles: list[Handle], seconds: float) -> None:
        """Return once a part has ended, or a worker is there. StudioError where the cluster is gone."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._answers()
        expected = [ref for handle in handles for ref in cast(_Actor, handle).expected]
        if expected:
            with _connected():
                self._ray.wait(expected, timeout=seconds)
        else:
            time.sleep(seconds)

    def _answers(self) -> bool:
        """Whether anybody answers where the cluster is kept. StudioError where nobody has for too long."""
        now = time.monotonic()
        self._looked = now
        try:
            _reach(self._watched, LOOK_SECONDS)
        except OSError as error:
            self._silent_since = now if self._silent_since is None else self._silent_since
            if now - self._silent_since > GONE_SECONDS:
                raise StudioError(GONE) from error
            return False
        self._silent_since = None
        return True

    def close(self) -> None:
        """Leave the cluster; one that was begun here ends."""
        if self._ours:
            try:
                self._ray.shutdown()
            except Exception:  # it is gone already
                logging.getLogger(__name__).debug("the cluster could not be left", exc_info=True)


class _Actor:
    """One worker: an actor, and what is expected of it."""

    def __init__(self, actor: "ActorHandle[Worker]") -> None:
        self._actor = actor
        self._introduced: ObjectRef[Introduction] | None = actor.introduce.remote()
        self._answer: ObjectRef[tuple[Answer, list[News]]] | None = None
        self._news: ObjectRef[list[News]] | None = None
        self._ticket = 0

    @property
    def expected(self) -> "list[ObjectRef[object]]":
        """What it will have returned when there is something to see."""
        return [ref for ref in (self._introduced, self._answer) if ref is not None]

    def introduction(self) -> Introduction | None:
        if self._introduced is None or not _is_ready(self._introduced):
            return None
        found: Introduction = _got(self._introduced)
        self._introduced = None
        return found

    def begin(self, work: Work) -> None:
        self._ticket += 1
        self._news = None
        with _connected():
            self._answer = self._actor.work.remote(self._ticket, work)

    def look(self) -> tuple[list[News], Answer | None]:
        assert self._answer is not None
        ended = _is_ready(self._answer)  # asked first: what is said after this comes with it
        found: list[News] = []
        if self._news is not None and (ended or _is_ready(self._news)):
            found += _got(self._news)
            self._news = None
        if not ended:
            if self._news is None:
                with _connected():
                    self._news = self._actor.news.remote()
            return found, None
        answer, rest = _answered(self._answer)
        self._answer = None
        return [*found, *rest], answer

    def stop(self) -> None:
        with _connected():
            self._actor.stop.remote(self._ticket)

    def dismiss(self) -> None:
        import ray

        try:
            ray.kill(self._actor)
        except Exception:  # it is gone, or the cluster is
            logging.getLogger(__name__).debug("a worker could not be dismissed", exc_info=True)


_COPIES: "collections.OrderedDict[str, object]" = collections.OrderedDict()
"""Of this process, the shared values that were asked for last."""


@dataclass(frozen=True)
class _Parcel(Generic[T]):
    """A value on its way. Whoever unpacks it imports this module first, and so what has to come before torchvision.

    Not only workers do: Ray's client has what it is given unpacked on the other side.
    """

    content: T


class _RayShared(Generic[T]):
    """A value in Ray's object store; each process makes one copy."""

    def __init__(self, ref: "ObjectRef[_Parcel[T]]") -> None:
        self._ref = ref

    @property
    def value(self) -> T:
        import ray

        name = self._ref.hex()
        if name not in _COPIES:
            _COPIES[name] = ray.get(self._ref).content
            while len(_COPIES) > KEPT:
                _COPIES.popitem(last=False)
        _COPIES.move_to_end(name)
        return cast(T, _COPIES[name])


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Let a request to end reach this program as before, where its C library can be asked for that.

    Ray has it told as a failure, and aborts whatever has not ended three seconds later.
    """
    try:
        libc = ctypes.CDLL(None)
        before = ctypes.create_string_buffer(1024)  # more than a struct sigaction has anywhere
        known = libc.sigaction(signal.SIGTERM, None, before) == 0
    except (OSError, AttributeError, TypeError):
        known = False
    yield
    if known:
        libc.sigaction(signal.SIGTERM, before, None)


@contextmanager
def _connected() -> Iterator[None]:
    """Say in words that the cluster is gone, where Ray's client only says that it has no connection."""
    import ray

    try:
        yield
    except ray.exceptions.RayError:
        raise
    except Exception as error:
        if isinstance(error, ConnectionError) or not ray.is_initialized():
            raise StudioError(GONE) from error
        raise


def _is_ready(ref: "ObjectRef[T]") -> bool:
    import ray

    with _connected():
        return bool(ray.wait([ref], timeout=0)[0])


def _got(ref: "ObjectRef[Any]") -> Any:
    """What a call returned. Raises LostError where its worker is gone."""
    import ray

    try:
        with _connected():
            return ray.get(ref)
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as error:
        raise LostError(_first_words(error)) from error


def _answered(ref: "ObjectRef[tuple[Answer, list[News]]]") -> tuple[Answer, list[News]]:
    """How a part ended, also where it could not be sent there or back."""
    import ray

    try:
        answered: tuple[Answer, list[News]] = _got(ref)
        return answered
    except ray.exceptions.RayTaskError as error:
        return Answer(fault=str(error)), []


def _first_words(error: Exception) -> str:
    """What an error says, without its trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    caused = next((line for line in reversed(lines) if re.match(r"[A-Za-z_.]*(Error|Exception)\b", line)), "")
    said = (caused or (lines[0] if lines else type(error).__name__))[:300]
    return said if said.endswith(".") else f"{said}."


def check_reach(address: str) -> None:
    """Refuse what is no address, or where nobody answers (Ray would wait for minutes), and where Ray is missing."""
    if importlib.util.find_spec("ray") is None:
        raise StudioError(f"Ray is not installed, which --cluster needs: {HOW}")
    if address == AUTO:
        return
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise StudioError(f"'{address[:80]}' is no address of a cluster: use auto, HOST:PORT or ray://HOST:PORT.")
    try:
        _reach(address, CONNECT_SECONDS)
    except OSError as error:
        raise StudioError(
            f"Nobody answers at '{address}' ({error.strerror or error}): start the cluster, or use --cluster auto."
        ) from error


def _reach(address: str, seconds: float) -> None:
    """See that somebody answers at an address. Raises OSError where nobody does."""
    found = _ADDRESS.fullmatch(address)
    assert found is not None
    socket.create_connection((found["host"].strip("[]"), int(found["port"])), seconds).close()


def _has_token() -> bool:
    """Whether a token for clusters lies where Ray looks for one."""
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").is_file()


def _begin(address: str) -> str:
    """Connect, and say to what."""
    from ray import init

    quiet = partial(init, log_to_driver=False, configure_logging=False)
    logging.getLogger("ray").setLevel(logging.ERROR)
    if address != AUTO:
        try:
            quiet(address=address)
        except Exception as error:
            raise StudioError(
                f"The cluster at '{address}' cannot be used: {_first_words(error)} If it asks for a token, name "
                "it here, too (RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH)."
            ) from error
        return f"the Ray cluster at {address}"
    try:
        quiet(address=AUTO)
    except ConnectionError:
        quiet(include_dashboard=False)
        return "a Ray cluster of this machine alone"
    return "the Ray cluster that this machine is part of"


def room_of(resources: "dict[str, float]", device: str, threads: int) -> tuple[str, int]:
    """The device that `device` stands for on a cluster with these resources, and how many workers there is room for."""
    gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    wanted = device.partition(":")[0]
    if wanted == "cuda" and not gpus:
        raise StudioError("The cluster has no GPU: use --device cpu, or auto.")
    if wanted != "cpu" and gpus:
        return "cuda", max(1, min(gpus, cpus // threads))
    if cpus < threads:
        raise StudioError(f"The cluster has {cpus} CPU cores, not {threads} for a worker: use fewer --cluster-threads.")
    return "cpu", cpus // threads
