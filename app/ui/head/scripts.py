"""The scripts that every visitor's browser is sent with the page, which ask the server for nothing, and their style."""

from pathlib import Path

from foundation.files.text_files import read_text

FOLDER = Path(__file__).parent
NAMES = ("page", "theme", "keys", "viewer", "saying")


def head_scripts() -> str:
    """The scripts for the head of the page, each in an element of its own, and style sheets.

    The sheets are here since the framework narrows what it is handed to a part of the page, in which no dialog lies and
    not what holds the sidebar, and passes over rules that ask for the room of an element.
    """
    style = "".join(f"<style>\n{read_text(FOLDER / f'{name}.css')}</style>\n" for name in ("viewer", "room"))
    return style + "".join(f"<script>\n{read_text(FOLDER / f'{name}.js')}</script>\n" for name in NAMES)
