"""How many wrong passwords are looked at: for each name, whether somebody has it or not, and from each address."""

import ipaddress
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from foundation.errors import StudioError

REMEMBERED = 10_000
"""Names, and addresses, of which it is known; of more, those go that were tried first."""


class TooManyTriesError(StudioError):
    """No password is looked at for a while."""


class Tries:
    """Counts tries; each counts from its begin, and those that succeed no longer. Safe for threads.

    Args:
        per_name, per_address: how many there may be within ``seconds``.
        clock: seconds that only grow.
    """

    def __init__(self, per_name: int, per_address: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most = {"name": per_name, "address": per_address}
        self._seconds, self._clock, self._lock = seconds, clock, threading.Lock()
        self._made: dict[str, OrderedDict[str, deque[float]]] = {"name": OrderedDict(), "address": OrderedDict()}

    def begin(self, name: str, address: str) -> None:
        """A password is about to be looked at.

        Raises:
            TooManyTriesError: there were too many; this one counts for nothing.
        """
        now, keys = self._clock(), {"name": name, "address": network_of(address)}
        with self._lock:
            for kind, key in keys.items():
                made = self._of(kind, key, now)
                if len(made) >= self._most[kind]:
                    raise TooManyTriesError(_words(self._seconds - (now - made[0]) if made else self._seconds))
            for kind, key in keys.items():
                self._of(kind, key, now).append(now)

    def succeeded(self, name: str, address: str) -> None:
        """It was the right one: the wrong ones of this name are forgotten, and of the address this try is."""
        with self._lock:
            self._made["name"].pop(name, None)
            made = self._made["address"].get(network_of(address))
            if made:
                made.pop()

    def _of(self, kind: str, key: str, now: float) -> deque[float]:
        """The tries of a name or an address that still count. With the lock held."""
        known = self._made[kind]
        made = known.setdefault(key, deque())
        known.move_to_end(key)
        while made and now - made[0] >= self._seconds:
            made.popleft()
        while len(known) > REMEMBERED:
            known.popitem(last=False)
        return made


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the network, of which a household has as many addresses as it likes."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address


def _words(seconds: float) -> str:
    minutes = max(1, math.ceil(seconds / 60))
    return f"Too many wrong passwords: try again in {minutes} minute{'' if minutes == 1 else 's'}."
