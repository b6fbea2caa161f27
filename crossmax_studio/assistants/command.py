"""`python -m app mcp`: the studio as tools of an assistant that starts this program and speaks to its streams."""

import argparse
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

from pydantic import Field

from crossmax_studio.assistants.desk import Desk
from crossmax_studio.assistants.folder import Folder
from crossmax_studio.assistants.own_studio import OwnStudio, command_of
from crossmax_studio.assistants.owner import keep_owner
from crossmax_studio.assistants.server import build_server
from crossmax_studio.client import Studio
from foundation.command_line.flags import AsFlag, Asked, add_flags, read_flags
from foundation.command_line.program import Parser, answered, called
from foundation.files.places import result_folder
from foundation.files.user_data import data_root

TOKEN_VARIABLE = "CROSSMAX_STUDIO_TOKEN"


class ToolsAsked(Asked):
    """What the tools are told."""

    studio: Annotated[
        str, AsFlag(metavar="ADDRESS", shown="one is started when it is first needed, and ends with the tools")
    ] = Field(
        "",
        description="a studio that is running, as it printed its address; its token, or with accounts one of yours, "
        f"may be in {TOKEN_VARIABLE}",
    )
    folder: Annotated[Path | None, AsFlag(read=result_folder, metavar="FOLDER", shown="none")] = Field(
        None, description="the one folder whose pictures the tools may read, and where they may save results"
    )
    data_dir: Annotated[Path | None, AsFlag(read=result_folder, metavar="FOLDER")] = Field(
        None, description="folder for results and uploads of the studio that is started, and for whose they are"
    )
    device: Annotated[str | None, AsFlag(read=str.lower, choices=lambda: ("auto", "cpu", "cuda"))] = Field(
        None, description="where the models of the studio that is started run"
    )


def main(argv: Sequence[str], version: str) -> int:
    """Serve tools until the assistant closes the streams; 2 for a refusal, which is printed as a sentence."""
    return answered(lambda: _serve(build_parser().parse_args(argv), version))


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{called('app')} mcp",
        description="CrossMax Studio as tools for an assistant, by the Model Context Protocol over standard input and "
        "output. An assistant starts this program itself; see docs/api.md.",
    )
    add_flags(parser, ToolsAsked)
    return parser


def _serve(arguments: argparse.Namespace, version: str) -> int:
    asked = read_flags(arguments, ToolsAsked)
    root = data_root(asked.data_dir)
    own = None if asked.studio else OwnStudio(command_of(root, asked.device))
    desk = Desk(_opening(asked.studio, own, root), _folder(asked.folder))
    server = build_server(desk, version)
    _end_with(own)
    try:
        server.run("stdio")
    finally:
        desk.close()
        if own is not None:
            own.close()
    return 0


def _opening(address: str, own: OwnStudio | None, root: Path) -> Callable[[], Studio]:
    """How the studio is reached."""

    def opened() -> Studio:
        given = own.address() if own is not None else address
        named, _, token = given.partition("?token=")
        return Studio(named, token=token or os.environ.get(TOKEN_VARIABLE, "").strip() or None, owner=keep_owner(root))

    return opened


def _folder(path: Path | None) -> Folder | None:
    """What the tools may read and write. OSError: it cannot be made."""
    if path is None:
        return None
    path.mkdir(parents=True, exist_ok=True)
    return Folder(path.absolute())


def _end_with(own: OwnStudio | None) -> None:
    """Have SIGTERM end the studio, too, which would otherwise stay behind."""

    def end(_number: int, _frame: FrameType | None) -> None:
        if own is not None:
            own.close()
        os._exit(0)  # the thread that reads standard input ends no sooner than that

    signal.signal(signal.SIGTERM, end)
