"""What `mkdocs` (see mkdocs.yml) cannot find in docs/: pages that lie elsewhere, and those of the packages.

A hook of mkdocs, which calls the functions `on_...` by name. Nothing is copied in the repository: README.md becomes the
start page, model cards and the like pages of their own, and links between them are turned to the pages. A link to a
file that is no page of the site stays as it is, and fails the build, which is strict.
"""

import ast
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mkdocs.config.defaults import MkDocsConfig  # noqa: E402
from mkdocs.structure.files import File, Files  # noqa: E402
from mkdocs.structure.pages import Page  # noqa: E402

from foundation.files.text_files import read_text  # noqa: E402 -- found by the line above

MODELS = (
    *("crossmax-cifar10", "crossmax-plain-cifar10", "undefended-cifar10"),
    *("crossmax-tiny64", "crossmax-imagenet64", "tiny-clip"),
)
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    **{f"assets/{name}/README.md": f"models/{name}.md" for name in MODELS},
}
"""Pages that lie outside of docs/, and what they are called in the site."""
AS_THEY_ARE = {
    "LICENSE": "LICENSE.txt",
    "assets/text-images.png": "assets/text-images.png",
    "assets/class-images.png": "assets/class-images.png",
}
SECTIONS = {"assets": "index.md#the-shipped-models"}
"""Folders that are linked, and what tells of them."""
FRONT_DOOR = "crossmax_studio"
PACKAGES = ("generator", "robust_model", "clip_model", "app", "foundation")
DRAWING = """\
!!! note "A drawing in Mermaid's language"
    Shown as text here, so that nothing is fetched to draw it.

"""

_LINK = re.compile(r"\]\((?!https?:|mailto:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
_NESTED = re.compile(r"^(?:  )+(?=- )", re.MULTILINE)
"""What stands before items of lists in lists: two columns each level, of which Python-Markdown wants four."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what lies elsewhere, and a page for each package."""
    for path, name in (ELSEWHERE | AS_THEY_ARE).items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    for name in (FRONT_DOOR, *PACKAGES):
        text = front_door() if name == FRONT_DOOR else overviews(name)
        files.append(File.generated(config, f"packages/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page's text with its links turned to pages of the site, and in a form that Python-Markdown reads."""
    del config, files
    source = page.file.src_uri
    linked = _LINK.sub(lambda match: f"]({turned(match['path'], source)}{match['anchor'] or ''})", markdown)
    if not source.startswith("packages/"):  # there `as_markdown` has done it
        linked = _NESTED.sub(lambda match: 2 * match[0], linked)
    return linked.replace("```mermaid\n", DRAWING + "```text\n")


def turned(target: str, page: str) -> str:
    """What a link of a page (its name in the site) to a file beside its source leads to in the site."""
    source = next((path for path, name in ELSEWHERE.items() if name == page), f"docs/{page}")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    known = ELSEWHERE | AS_THEY_ARE | SECTIONS
    found = known.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    return posixpath.relpath(found, posixpath.dirname(page) or ".") if found else target


def front_door() -> str:
    """The page of the package for programs: its overview, then everything that it hands over, by name."""
    module = ast.parse(read_text(ROOT / FRONT_DOOR / "__init__.py"))
    return f"# {FRONT_DOOR}\n\n{as_markdown(ast.get_docstring(module) or '')}\n\n" + "\n".join(
        f"::: {FRONT_DOOR}.{name}\n" for name in exported(module)
    )


def exported(module: ast.Module) -> list[str]:
    """The names in a module's `__all__`."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: Any = ast.literal_eval(node.value)
            return list(names)
    return []


def overviews(package: str) -> str:
    """The page of a package: the overview at its head, then those of the packages in it."""
    parts = [f"# {package}\n\n{overview(ROOT / package / '__init__.py')}\n"]
    for path in sorted((ROOT / package).rglob("__init__.py")):
        name = ".".join(path.parent.relative_to(ROOT).parts)
        if name != package:
            parts.append(f"## {name}\n\n{overview(path)}\n")
    return "\n".join(parts)


def overview(path: Path) -> str:
    return as_markdown(ast.get_docstring(ast.parse(read_text(path))) or "")


def as_markdown(docstring: str) -> str:
    """A docstring as Python-Markdown reads it: what is part of a numbered item stands four columns in, not three."""
    lines, in_item = [], False
    for line in docstring.replace("::\n", ":\n").splitlines():
        in_item = bool(re.match(r"\d+\. ", line)) or (in_item and (not line or line.startswith(" ")))
        lines.append(f" {line}" if in_item and line.startswith(" ") else line)
    return "\n".join(lines)
