"""One job at a time has the cluster; it is connected to for a job, and left after it, however that ends."""

import time

import pytest

from foundation.cluster.pool import Pool, computes_on
from foundation.errors import StudioError
from tests.toy_cluster import Context, ThreadBackend


def test_a_program_without_a_cluster_computes_itself() -> None:
    context = Context()
    with Pool().lent(context) as cluster:
        assert cluster is None
    assert context.said == []


def test_each_job_connects_anew_and_a_second_one_computes_here_meanwhile() -> None:
    backends: list[ThreadBackend] = []

    def connect() -> ThreadBackend:
        backends.append(ThreadBackend())
        return backends[-1]

    pool, context = Pool(connect), Context()
    with pool.lent(context) as first:
        assert first is not None and not backends[0].closed
        with pool.lent(context) as second:
            assert second is None
    assert backends[0].closed
    with pytest.raises(ZeroDivisionError), pool.lent(context):
        _ = 1 / 0
    with pool.lent(context) as third:
        assert third is not None
    assert [backend.closed for backend in backends] == [True, True, True]
    said = [now.message for now in context.said]
    assert said == [
        "Connecting to the cluster",
        "Another job has the cluster: this one is computed here",
        *said[:1] * 2,
    ]


def test_a_cluster_that_is_away_is_there_again_for_the_next_job() -> None:
    found: list[ThreadBackend] = []

    def connect() -> ThreadBackend:
        if not found:
            raise StudioError("Nobody answers.")
        return found[0]

    pool = Pool(connect)
    with pytest.raises(StudioError, match="Nobody answers"), pool.lent(Context()):
        raise AssertionError
    found.append(ThreadBackend())
    with pool.lent(Context()) as cluster:
        assert cluster is not None


def test_models_that_are_only_sent_stay_off_the_gpu() -> None:
    context = Context()
    context.device = "cuda"
    assert computes_on(context, None) == "cuda"
    with Pool(ThreadBackend).lent(context) as cluster:
        assert computes_on(context, cluster) == "cpu"


def test_a_worker_with_a_seat_stays_for_the_next_job_and_keeps_what_it_was_sent() -> None:
    backends: list[ThreadBackend] = []

    def connect() -> ThreadBackend:
        backends.append(ThreadBackend())
        return backends[-1]

    pool, models = Pool(connect, seats=2), {"a": object()}
    with pool.seat(Context()) as first, pool.seat(Context()) as second:
        assert first is not None and second is not None and first is not second
        assert first.cluster.workers == 1
        sent = first.share(models)
        assert first.share({"a": models["a"]}) is sent
        with pool.lent(Context()) as cluster:
            assert cluster is not None and cluster.workers == backends[0].workers
    assert len(backends) == 1 and not backends[0].closed
    with pool.seat(Context()) as again:
        assert again is first, "the last that ended"
        assert again.share(models) is sent and again.share({"a": object()}) is not sent
    pool.rest()
    assert backends[0].closed
    with pool.seat(Context()) as later:
        assert later not in (None, first, second)
    assert len(backends) == 2
    pool.rest()


def test_a_worker_with_nothing_to_do_goes_after_a_while() -> None:
    backend = ThreadBackend()
    pool = Pool(lambda: backend, seats=1, idle_seconds=0.05)
    with pool.seat(Context()):
        time.sleep(0.1)
        assert not backend.closed
    ends = time.monotonic() + 20
    while not backend.closed:
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_what_goes_wrong_lets_the_connection_go() -> None:
    backends: list[ThreadBackend] = []

    def connect() -> ThreadBackend:
        backends.append(ThreadBackend())
        return backends[-1]

    pool = Pool(connect, seats=2)
    with pool.seat(Context()), pytest.raises(StudioError), pool.seat(Context()):
        raise StudioError("The cluster is gone.")
    assert not backends[0].closed, "another job has it"
    with pool.seat(Context()), pytest.raises(StudioError), pool.seat(Context()):
        raise StudioError("The cluster is gone.")
    pool.rest()
    assert backends[0].closed
    with Pool(connect).seat(Context()) as seat:
        assert seat is None, "where there are none"
