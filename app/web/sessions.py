"""What the server remembers of each open page: little, of a bounded number of pages, and not for ever."""

import datetime
import time
from collections import ChainMap, Counter
from copy import copy
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

from app.visitors.visitor import Account, current_account, visitor_address
from foundation.limits import Limits

ANSWERED_BY = (gr.Dropdown, gr.Radio, gr.CheckboxGroup, gr.Slider, gr.Number)
"""Fields whose values are judged by what they were last told: the choices that they have, and the limits."""


class PageState(SessionState):
    """The state of one page: what its functions keep there, and what its fields may answer.

    Gradio's own keeps every part of the page as it was last told to be, and a copy of the whole page's configuration
    besides, more than a megabyte, from which it makes deep links; there are none here (``app.web.routes``).
    """

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks_config = copy(blocks.default_config)
        # laid over those that all pages share, not copied: there are more than a thousand
        self.blocks_config.blocks = ChainMap({}, blocks.default_config.blocks)  # type: ignore[assignment]
        self.blocks_config.fns = blocks.default_config.fns  # nothing here is rendered later
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._told: tuple[int, Any] = -1, None  # the part that was told last: it is asked at once what it made of that
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = 3600

    def __setitem__(self, key: int, value: Any) -> None:
        block = self.blocks_config.blocks.get(key)
        if isinstance(block, gr.State):
            self._state_ttl[key] = (block.time_to_live, datetime.datetime.now())
            self.state_data[key] = value
        elif isinstance(value, ANSWERED_BY):
            self.blocks_config.blocks[key] = value
        else:
            self._told = key, value

    def __getitem__(self, key: int) -> Any:
        last, value = self._told
        return value if key == last else super().__getitem__(key)

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class Sessions(StateHolder):
    """The states of the open pages.

    At the limit the page goes that was unused for longest, of the address that has most of them: so nobody loses their
    page because somebody else opens many. An address has a limit of its own besides, so that one alone cannot fill
    what all share.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._limits = limits
        self._owners: dict[str, str] = {}
        self._accounts: dict[str, Account | None] = {}
        self._used: dict[str, float] = {}

    def __getitem__(self, session_id: str) -> SessionState:
        with self.lock:
            if session_id in self.session_data and self._accounts[session_id] != current_account():
                self._forget(session_id)  # another user has nothing of it, whoever told them what it is called
            if session_id not in self.session_data:
                self.session_data[session_id] = PageState(self.blocks)
                self._owners[session_id] = visitor_address()
                self._accounts[session_id] = current_account()
            self._used[session_id] = time.monotonic()
            self.session_data.move_to_end(session_id)
            state = self.session_data[session_id]
            owner = self._owners[session_id]
            own = [name for name in self.session_data if self._owners[name] == owner and name != session_id]
            for name in own[: max(0, len(own) + 1 - self._limits.sessions_per_address)]:
                self._forget(name)
            while len(self.session_data) > self._limits.sessions:
                self._forget(self._of_the_busiest(session_id))
            return state

    def update(self, session_id: str) -> None:
        """Count a page as used."""
        if session_id in self.session_data:
            self[session_id]

    def delete_all_expired_state(self) -> None:
        """Forget the pages that were closed, or left alone, for long. Gradio calls this every second."""
        before = time.monotonic() - self._limits.session_seconds
        with self.lock:
            for session_id in [name for name, used in self._used.items() if used < before]:
                self._forget(session_id)

    def _of_the_busiest(self, but: str) -> str:
        """The page that was unused for longest, of the address with most pages."""
        counts = Counter(self._owners[name] for name in self.session_data if name != but)
        address, _ = counts.most_common(1)[0]
        return next(name for name in self.session_data if name != but and self._owners[name] == address)

    def _forget(self, session_id: str) -> None:
        self.session_data.pop(session_id, None)
        self._owners.pop(session_id, None)
        self._accounts.pop(session_id, None)
        self._used.pop(session_id, None)
