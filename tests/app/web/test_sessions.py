"""What a page keeps of its state: the fields whose values are judged by what they were told, not what is shown."""

import gradio as gr
import pytest

from app.web.sessions import PageState


@pytest.mark.slow
def test_fields_keep_their_choices_and_what_is_shown_is_not_kept() -> None:
    with gr.Blocks() as page:
        button, field, text = gr.Button("Start", interactive=False), gr.Dropdown(["a"]), gr.HTML("")
    state = PageState(page)
    told = gr.Button("Start", interactive=True, render=False)
    state[button._id] = told
    assert state[button._id] is told  # asked at once for what it made of an update
    state[field._id] = gr.Dropdown(["b", "c"], render=False)
    state[text._id] = gr.HTML("x" * 1000, render=False)
    assert [name for name, _ in state[field._id].choices] == ["b", "c"]
    assert state[button._id] is button
    assert page.default_config.blocks[field._id] is field  # other pages keep theirs
