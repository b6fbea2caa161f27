"""The repository's own source: where it lies, its modules, and what their syntax trees say."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("app", "clip_model", "crossmax_studio", "foundation", "generator", "robust_model")


def modules(*folders: str) -> list[Path]:
    """The modules below some folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


LIBRARY = modules(*PACKAGES)
COMMANDS = modules("benchmarks", "scripts")
TESTS = modules("tests")


def parse(source: str) -> ast.Module:
    """The syntax tree of a source.

    Before Python 3.11.8 the depth of a tree that is being made is counted for all threads at once: where another thread
    parses meanwhile, as whoever prints a traceback does, it ends with a SystemError (python/cpython issue 106905).
    """
    for _ in range(5):
        try:
            return ast.parse(source)
        except SystemError:
            continue
    return ast.parse(source)


def imports(tree: ast.AST, package: str = "") -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that is imported anywhere; of ``from a import b`` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield node.lineno, base
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def top(name: str) -> str:
    """The package of a dotted name."""
    return name.split(".")[0]


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Every call, with the dotted name of what is called ("" where it has none)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value that a call gives to a parameter by its name."""
    return next((word.value for word in call.keywords if word.arg == name), None)
