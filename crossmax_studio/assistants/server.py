"""The tools, as the Model Context Protocol has them. They are served by the package mcp, where that is installed."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from crossmax_studio.assistants.desk import MOST_WAIT, Answer, Desk
from foundation.errors import StudioError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

PACKAGE = "mcp==2.3.0"
MISSING = (
    f"Assistants are spoken to by a package that is not installed, or not in this version: pip install '{PACKAGE}' (or "
    "pip install 'crossmax-studio[mcp]')."
)
INSTRUCTIONS = (
    "CrossMax Studio draws pictures out of the gradients of image models, attacks photos and evaluates classifiers, on "
    "this computer. Work is done in jobs: a tool waits for a while, and answers with the job and its pictures; what "
    "takes longer is asked for later with `results`. Begin with `models`."
)
Content = list[Any]
"""What a tool answers: a text of JSON, and pictures."""

Wait = Annotated[float, Field(ge=0, le=MOST_WAIT, description="Seconds to wait for the end of the job.")]
Preset = Annotated[str, Field(description="Usual settings by name, as on the command line.")]
Seed = Annotated[int | None, Field(description="Of everything random: the same seed, the same picture.")]
Steps = Annotated[int | None, Field(description="Steps to take; as in the preset where it is left out.")]
Size = Annotated[tuple[int, int] | None, Field(description="Height and width in pixels.")]
Eps = Annotated[float, Field(gt=0, le=255, description="How far each value may move, of 255.")]
JobId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="The id of a job.")]


class Tools:
    """The tools, each a method whose parameters and words the assistant is shown."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def models(
        self, name: Annotated[str, Field(description="One model, for its classes and its data and suites.")] = ""
    ) -> Content:
        """List the models; or show one with its classes, and the data and suites of attacks for `evaluate`."""
        return _content(lambda: self._desk.models(name))

    def text_image(
        self,
        prompt: Annotated[str, Field(description="What the picture should show; several with weights: a:2 | b.")],
        model: Annotated[
            str | None, Field(description="A model of the kind encoder; those that draw best where it is left out.")
        ] = None,
        preset: Preset = "balanced",
        negative: Annotated[str | None, Field(description="What it should not show.")] = None,
        seed: Seed = None,
        steps: Steps = None,
        size: Size = None,
        wait: Wait = 30.0,
    ) -> Content:
        """Draw a picture of a text."""
        fields = {"negative": negative, "seed": seed, "steps": steps, "size": size}
        return _content(lambda: self._desk.text_image(prompt, model, preset, fields, wait))

    def class_image(
        self,
        name: Annotated[str, Field(description="A class of the model; `models` with its name lists them.")],
        model: Annotated[
            str | None, Field(description="A model of the kind classifier; those that draw best where it is left out.")
        ] = None,
        preset: Preset = "balanced",
        seed: Seed = None,
        steps: Steps = None,
        size: Size = None,
        wait: Wait = 30.0,
    ) -> Content:
        """Draw what a classifier believes a class looks like."""
        fields = {"seed": seed, "steps": steps, "size": size}
        return _content(lambda: self._desk.class_image(name, model, preset, fields, wait))

    def grid(
        self,
        x_field: Annotated[str, Field(description="The field that changes from left to right: seed, steps, prompt...")],
        x_values: Annotated[str, Field(description="Its values: '1..3', '5, 10', 'a frog; a ship'.")],
        y_field: Annotated[str, Field(description="The field that changes from top to bottom.")],
        y_values: Annotated[str, Field(description="Its values, likewise.")],
        prompt: Annotated[str | None, Field(description="For pictures of a text.")] = None,
        name: Annotated[str | None, Field(description="For pictures of a class; leave out `prompt` then.")] = None,
        model: Annotated[str | None, Field(description="One model; those that draw best where it is left out.")] = None,
        preset: Preset = "balanced",
        seed: Seed = None,
        steps: Steps = None,
        size: Size = None,
        wait: Wait = 30.0,
    ) -> Content:
        """Draw a picture for every pair of values of two settings, as one job, and show all on a labelled sheet."""
        of_text = prompt is not None or "prompt" in (x_field, y_field)
        fields: dict[str, object] = {"prompt": prompt, "seed": seed, "steps": steps, "size": size}
        fields |= {"classes": None if name is None else [name]}
        fields |= {"models": None if model is None else [model]}
        axes = {"x": (x_field, x_values), "y": (y_field, y_values)}
        return _content(lambda: self._desk.grid("text" if of_text else "class", axes, preset, fields, wait))

    def attack(
        self,
        photo: Annotated[str, Field(description="A picture in the folder of --folder, or ID/image-1.png of a job.")],
        models: Annotated[list[str], Field(min_length=1, description="The models to attack.")],
        towards: Annotated[str, Field(description="The class to be taken for; empty for any other.")] = "",
        eps: Eps = 8.0,
        preset: Preset = "standard",
        seed: Seed = None,
        steps: Steps = None,
        wait: Wait = 30.0,
    ) -> Content:
        """Change a photo a little, such that models see something else in it."""
        fields = {"seed": seed, "steps": steps}
        return _content(lambda: self._desk.attack(photo, models, towards, eps, preset, fields, wait))

    def evaluate(
        self,
        model: Annotated[str, Field(description="A model of the kind classifier.")],
        data: Annotated[str, Field(description="Images; `models` with the model's name lists them.")],
        suites: Annotated[list[str], Field(min_length=1, description="Suites of attacks; listed there, too.")],
        count: Annotated[int, Field(ge=1, description="How many images.")] = 100,
        eps: Eps = 8.0,
        wait: Wait = 30.0,
    ) -> Content:
        """Evaluate how a classifier stands up to attacks."""
        return _content(lambda: self._desk.evaluate(model, data, suites, count, eps, wait))

    def jobs(self) -> Content:
        """List the jobs so far, the newest first."""
        return _content(self._desk.jobs)

    def results(
        self,
        job: JobId,
        wait: Wait = 30.0,
        save: Annotated[bool, Field(description="Also save its files into the folder of --folder.")] = False,
    ) -> Content:
        """Show a job with its result and its pictures, once it has ended or after some seconds."""
        return _content(lambda: self._desk.results(job, wait, save=save))

    def stop(self, job: JobId) -> Content:
        """End a job soon; what it has is kept."""
        return _content(lambda: self._desk.stop(job))


def build_server(desk: Desk, version: str) -> "MCPServer":
    """The server with all tools. StudioError: the package is not here."""
    try:
        from mcp.server.mcpserver import MCPServer
    except ImportError as error:
        raise StudioError(MISSING) from error
    server = MCPServer("crossmax-studio", instructions=INSTRUCTIONS, version=version, log_level="WARNING")
    tools = Tools(desk)
    for tool in (
        *(tools.models, tools.text_image, tools.class_image, tools.grid, tools.attack, tools.evaluate),
        *(tools.jobs, tools.results, tools.stop),
    ):
        server.add_tool(tool, structured_output=False)
    return server


def _content(work: Callable[[], Answer]) -> Content:
    """What a tool found. ToolError with the sentence for what cannot be done."""
    from mcp.server.mcpserver import Image
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        answer = work()
    except StudioError as error:
        raise ToolError(str(error)) from error
    pictures = [Image(data=picture, format="png") for picture in answer.pictures]
    return [json.dumps(answer.facts, ensure_ascii=False), *pictures]
