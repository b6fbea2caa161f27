"""The repository's own source: where it lies, its modules, and what their syntax trees say."""

import ast
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("app", "clip_model", "crossmax_studio", "foundation", "generator", "robust_model")


def modules(*folders: str) -> list[Path]:
    """The modules below some folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


LIBRARY = modules(*PACKAGES)
COMMANDS = modules("benchmarks", "scripts")
TESTS = modules("tests")


@functools.lru_cache(
    maxsize=2
)  # for the rules that read one source after another; more trees would cost more than they save
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


@functools.lru_cache(maxsize=2)
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Every node of a tree, walked through once for all rules."""
    return tuple(ast.walk(tree))


def imports(tree: ast.AST, package: str = "") -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that is imported anywhere; of ``from a import b`` both a and a.b."""
    for node in nodes(tree):
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


def dotted(node: ast.expr) -> str:
    """The source of a name, or of what belongs to something."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
        return f"{dotted(node.value)}.{node.attr}"
    return ast.unparse(node)


@functools.lru_cache(maxsize=2)
def calls(tree: ast.AST) -> tuple[tuple[ast.Call, str], ...]:
    """Every call, with the dotted name of what is called ("" where it has none)."""
    return tuple(
        (node, dotted(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else "")
        for node in nodes(tree)
        if isinstance(node, ast.Call)
    )


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value that a call gives to a parameter by its name."""
    return next((word.value for word in call.keywords if word.arg == name), None)


Rule = Callable[[str, Path], list[str]]
"""From a module's source, and its path relative to the root, to the violations found in it."""


def violations(rules: Mapping[str, tuple[Rule, Sequence[Path]]]) -> dict[str, list[str]]:
    """What each rule finds in its modules; every module is read and parsed once for all of them."""
    found: dict[str, list[str]] = {name: [] for name in rules}
    places = {name: frozenset(paths) for name, (_, paths) in rules.items()}
    for path in sorted(frozenset().union(*places.values())):
        source, relative = path.read_text("utf-8"), path.relative_to(ROOT)
        for name, (rule, _) in rules.items():
            if path in places[name]:
                found[name] += rule(source, relative)
    return found
