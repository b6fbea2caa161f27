"""Parts that are handed out, whatever becomes of the workers: by workers that are threads."""

import random
import time
from dataclasses import dataclass
from functools import partial

import pytest
from PIL import Image

from foundation.cluster.cluster import MOST_DEATHS, Cluster, Part
from foundation.cluster.shards import PartContext, Shard
from foundation.cluster.worker import MOST_NEWS, Worker, code_digest
from foundation.errors import StudioError
from foundation.memory import OUT_OF_MEMORY
from foundation.progress import Progress
from tests.toy_cluster import Context, ThreadBackend


@dataclass(frozen=True)
class Squares:
    """Hands in the squares up to a number, and returns their sum; stopped, it returns what it has."""

    number: int
    pause: float = 0.0

    def __call__(self, context: PartContext) -> int | None:
        total = 0
        for step in range(self.number + 1):
            if context.stop_requested:
                return total or None
            time.sleep(self.pause)
            total += step * step
            context.hand_in((self.number, step, step * step))
            context.progress(Progress(step, self.number, f"{step}"))
        return total


def sum_of_squares(number: int) -> int:
    return number * (number + 1) * (2 * number + 1) // 6


def squares(count: int, pause: float = 0.0) -> list[Shard[int]]:
    return [Shard(f"part {number}", partial(Squares, number, pause)) for number in range(1, count + 1)]


def drive(backend: ThreadBackend, shards, context=None, **callbacks) -> tuple[bool, list[Part]]:
    found: list[Part] = []
    with Cluster(backend) as cluster:
        done = cluster.run(context or Context(), shards, on_part=found.append, **callbacks)
    return done, found


def test_each_part_is_done_once_and_what_it_says_is_heard() -> None:
    backend, told, given = ThreadBackend(3), [], set()
    done, found = drive(
        backend,
        squares(7),
        on_told=lambda number, now: told.append((number, now.done, now.total)),
        on_given=lambda number, value: bool(given.add((number, value))),
    )
    assert done
    assert sorted((part.number, part.get()) for part in found) == [(n, sum_of_squares(n + 1)) for n in range(7)]
    assert given == {(n, (n + 1, step, step * step)) for n in range(7) for step in range(n + 2)}
    assert {(n, n + 1, n + 1) for n in range(7)} <= set(told)
    assert len(backend.hired) == 3
    assert backend.closed
    assert all(handle.dismissed for handle in backend.hired)


def test_no_more_workers_come_than_there_are_parts() -> None:
    backend = ThreadBackend(50)
    assert drive(backend, squares(2))[0]
    assert len(backend.hired) == 2
    assert drive(ThreadBackend(2), [])[1] == []


def test_a_part_whose_worker_died_is_done_by_another_and_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foundation.cluster.cluster.MOST_DEATHS", 11)  # chance may take all of them at one part
    backend, killed, rng = ThreadBackend(3), [], random.Random(0)

    def kill_sometimes(_number: int, _now: Progress) -> None:
        busy = [handle for handle in backend.alive if handle.begun]
        if busy and len(killed) < 10 and rng.random() < 0.2:
            killed.append(rng.choice(busy))
            killed[-1].dead = True

    done, found = drive(backend, squares(30, 0.001), on_told=kill_sometimes)
    assert done
    assert len(killed) == 10
    assert sorted((part.number, part.get()) for part in found) == [(n, sum_of_squares(n + 1)) for n in range(30)]
    assert len(backend.hired) >= 3 + 9  # the last to die may not be needed any more


def test_a_part_goes_on_from_what_was_handed_in_before_its_worker_died() -> None:
    backend, begun_with, known = ThreadBackend(1), [], []

    @dataclass(frozen=True)
    class Going:
        known: tuple[int, ...]

        def __call__(self, context: PartContext) -> int:
            for step in range(len(self.known), 5):
                context.hand_in(step)
                time.sleep(0.02)
            return 5

    def begin() -> Going:
        begun_with.append(tuple(known))
        return Going(tuple(known))

    def keep(_number: int, value: object) -> bool:
        new = value not in known
        if new:
            known.append(value)
        if value == 2 and len(begun_with) == 1:
            backend.hired[0].dead = True
        return new

    done, found = drive(backend, [Shard("going", begin)], on_given=keep)
    assert (done, [part.get() for part in found], known) == (True, [5], [0, 1, 2, 3, 4])
    assert begun_with == [(), (0, 1, 2)]


def test_a_part_that_kills_every_worker_ends_the_job_in_words() -> None:
    backend = ThreadBackend(2)

    def kill(_number: int, _now: Progress) -> None:
        for handle in backend.alive:
            handle.dead = handle.dead or bool(handle.begun)

    with pytest.raises(StudioError, match=r"5 workers on a toy cluster were lost .* part \('part 1'\).*memory"):
        drive(backend, squares(1, 0.01), on_told=kill)
    assert len(backend.hired) == MOST_DEATHS


def test_a_part_that_gets_forward_may_lose_many_workers() -> None:
    backend, known = ThreadBackend(1), []

    def work(context: PartContext) -> int:
        for step in range(len(known), 3 * MOST_DEATHS):
            context.hand_in(step)
            time.sleep(0.005)
        return 1

    def keep(_number: int, value: object) -> bool:
        new = value not in known
        if new:
            known.append(value)
            backend.hired[-1].dead = True
        return new

    assert drive(backend, [Shard("a", lambda: work)], on_given=keep)[0]
    assert known == sorted(known) == list(range(3 * MOST_DEATHS))
    assert len(backend.hired) > MOST_DEATHS


def test_workers_that_cannot_start_end_the_job_in_words() -> None:
    with pytest.raises(StudioError, match=r"cannot start: worker \d is gone"):
        drive(ThreadBackend(2, stillborn=tuple(range(20))), squares(3))


def test_one_that_cannot_start_is_replaced() -> None:
    backend = ThreadBackend(2, stillborn=(0,))
    assert drive(backend, squares(3))[0]
    assert len(backend.hired) == 3


def test_another_version_of_the_program_is_refused() -> None:
    with pytest.raises(StudioError, match="runs another version of CrossMax Studio"):
        drive(ThreadBackend(code="0" * 16), squares(1))
    assert len(code_digest()) == 16


def test_a_stop_ends_what_is_done_within_a_step_and_begins_nothing() -> None:
    backend = ThreadBackend(2)
    started = time.monotonic()
    done, found = drive(backend, [Shard("long", partial(Squares, 10_000, 0.01)) for _ in range(6)], Context(20))
    assert not done
    assert time.monotonic() - started < 5
    assert {part.number for part in found} <= {0, 1}
    assert all(part.get() > 0 for part in found)
    assert sum(handle.begun for handle in backend.hired) == 2


def test_refusals_reach_the_part_and_faults_end_the_job() -> None:
    def refuse(_context: PartContext) -> int:
        raise StudioError("this photo is none")

    def exhaust(_context: PartContext) -> int:
        raise MemoryError

    def fail(_context: PartContext) -> int:
        raise KeyError("planted")

    done, found = drive(ThreadBackend(1), [Shard("a", lambda: refuse), Shard("b", lambda: exhaust), *squares(1)])
    assert done
    assert [part.refusal for part in found] == ["this photo is none", OUT_OF_MEMORY, ""]
    with pytest.raises(StudioError, match="this photo is none"):
        found[0].get()
    with pytest.raises(RuntimeError, match=r"'c'\) failed:\nTraceback(.|\n)*KeyError: 'planted'"):
        drive(ThreadBackend(1), [Shard("c", lambda: fail)])


def test_what_ends_the_job_from_here_lets_its_busy_workers_go() -> None:
    class Discarded(Exception):
        pass

    def discard(_number: int, _now: Progress) -> None:
        raise Discarded

    backend = ThreadBackend(2)
    with Cluster(backend) as cluster:
        with pytest.raises(Discarded):
            cluster.run(Context(), squares(4, 0.01), on_part=lambda _part: None, on_told=discard)
        assert all(handle.dismissed for handle in backend.hired if handle.begun)
        found: list[Part] = []
        assert cluster.run(Context(), squares(4), on_part=found.append)  # and it can be used again
        assert len(found) == 4


def test_a_worker_keeps_what_was_handed_in_and_the_newest_reports() -> None:
    def chat(context: PartContext) -> int:
        for step in range(MOST_NEWS + 50):
            context.progress(Progress(step, 2000))
        context.hand_in("kept")
        return 1

    answer, news = Worker("cpu", 1).work(1, chat)
    assert answer.value == 1
    assert len(news) == MOST_NEWS + 1
    assert news[0].value == "kept"
    assert news[1].now.done == 50


def test_previews_are_sent_as_pictures_and_not_too_often() -> None:
    rendered = []

    def picture() -> Image.Image:
        rendered.append(1)
        return Image.new("RGB", (2000, 1000), (10, 200, 30))

    def draw(context: PartContext) -> int:
        for step in range(1, 21):
            context.progress(Progress(step, 20, losses={"total": 1.0}, preview=picture))
        return 1

    seen = []
    drive(ThreadBackend(1), [Shard("a", lambda: draw)], on_told=lambda _number, now: seen.append(now))
    shown = [now.preview() for now in seen if now.preview is not None]
    assert len(rendered) == len(shown) == 2  # the first, and the last
    assert shown[-1].size == (1024, 512)
    assert max(abs(a - b) for a, b in zip(shown[-1].getpixel((5, 5)), (10, 200, 30), strict=True)) < 8
    assert seen[-1].losses == {"total": 1.0}
