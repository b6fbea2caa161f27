"""Parts of the page, built by themselves."""

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr


def built(make: Callable[[gr.BrowserState], Any]) -> Any:
    async def build() -> Any:
        with gr.Blocks(analytics_enabled=False):
            part = make(gr.BrowserState({}))
            part.build()
        return part

    return asyncio.run(build())  # where no event loop runs, Gradio makes some that it never closes
