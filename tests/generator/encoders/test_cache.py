import threading

import torch

from generator.encoders.cache import EmbeddingCache


def test_computes_once_and_lets_the_least_recently_used_go() -> None:
    cache = EmbeddingCache(max_bytes=2 * 4 * 10)  # two vectors of ten numbers
    computed: list[str] = []

    def get(key: str) -> torch.Tensor:
        def compute() -> torch.Tensor:
            computed.append(key)
            return torch.full((10,), float(len(computed)))

        return cache.get(key, compute)

    first = get("a")
    get("b")
    assert get("a") is first
    get("c")  # b leaves
    assert len(cache) == 2
    assert get("a") is first
    get("b")
    assert computed == ["a", "b", "c", "b"]


def test_what_is_larger_than_the_whole_cache_is_returned_but_not_kept() -> None:
    cache = EmbeddingCache(max_bytes=8)
    assert torch.equal(cache.get("a", lambda: torch.ones(3)), torch.ones(3))
    assert len(cache) == 0
    cache.get("b", lambda: torch.ones(2))
    assert len(cache) == 1


def test_holds_no_graph() -> None:
    weight = torch.ones(2, requires_grad=True)
    assert not EmbeddingCache().get("a", lambda: weight * 2).requires_grad


def test_threads_that_miss_together_get_one_result() -> None:
    cache = EmbeddingCache(max_bytes=8)
    meet = threading.Barrier(2)
    got: list[torch.Tensor] = []

    def compute() -> torch.Tensor:
        meet.wait(timeout=10)
        return torch.ones(2)

    threads = [threading.Thread(target=lambda: got.append(cache.get("a", compute))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got[0] is got[1]
    assert len(cache) == 1  # counted once
