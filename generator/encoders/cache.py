"""Embeddings that have been computed before."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from torch import Tensor

DEFAULT_BYTES = 64 * 2**20


class EmbeddingCache:
    """A bounded store of tensors, shared by threads; the least recently used leave when it is full.

    Keys name the model's identity and the content, so a cache may serve any number of models, and what it
    holds never goes out of date.
    """

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self.max_bytes = max_bytes
        self._stored: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["EmbeddingCache"], tuple[int]]:
        """What is sent to another process is empty there."""
        return EmbeddingCache, (self.max_bytes,)

    def __len__(self) -> int:
        with self._lock:
            return len(self._stored)

    def get(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """The tensor stored under `key`, else what `compute` returns, which is then stored. Never change it.

        Computing holds no lock: two threads that miss at the same time both compute, and both get the first result.
        """
        with self._lock:
            if key in self._stored:
                self._stored.move_to_end(key)
                return self._stored[key]
        computed = compute().detach()
        with self._lock:
            stored = self._stored.setdefault(key, computed)
            if stored is computed:
                self._bytes += computed.nbytes
            while self._bytes > self.max_bytes:
                _, dropped = self._stored.popitem(last=False)
                self._bytes -= dropped.nbytes
            return stored
