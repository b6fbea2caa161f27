"""What the framework leaves open is closed (see tests/conftest.py), so that no later test meets it."""

import asyncio

from gradio.utils import safe_get_lock, safe_get_stop_event


def test_a_loop_that_another_one_replaces_is_closed() -> None:
    loops = []
    for make in (safe_get_lock, safe_get_stop_event, safe_get_lock):
        make()
        loops.append(asyncio.get_event_loop_policy().get_event_loop())
    assert [loop.is_closed() for loop in loops] == [True, True, False]
    asyncio.set_event_loop(None)
    assert loops[-1].is_closed()
