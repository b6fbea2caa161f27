"""Whose an assistant's jobs are: one secret for this user, kept in the data directory."""

import re
import secrets
from pathlib import Path

from foundation.files.text_files import read_text, write_text

FILE_NAME = "assistants"
_SECRET = re.compile(r"[0-9a-f]{32}")


def keep_owner(data_root: Path) -> str:
    """The owner of this data directory's assistants, made the first time. FileError: it cannot be kept."""
    path = data_root / FILE_NAME
    if path.is_file() and _SECRET.fullmatch(found := read_text(path, "assistants' secret").strip()):
        return found
    data_root.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = secrets.token_hex(16)
    write_text(path, owner, "assistants' secret", mode=0o600)
    return owner
