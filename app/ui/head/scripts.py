"""The scripts that every visitor's browser is sent with the page, which ask the server for nothing, and their style."""

from pathlib import Path

from foundation.files.text_files import read_text

FOLDER = Path(__file__).parent
NAMES = ("page", "theme", "keys", "viewer", "saying")


def head_scripts() -> str:
    """The scripts for the head of the page, each in an element of its own, and a style sheet.

    The sheet is here since the framework narrows what it is handed to its part of the page, where no dialog lies.
    """
    style = f"<style>\n{read_text(FOLDER / 'viewer.css')}</style>\n"
    return style + "".join(f"<script>\n{read_text(FOLDER / f'{name}.js')}</script>\n" for name in NAMES)
