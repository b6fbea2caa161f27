"""The rules about files, read from the source: texts go through one pair of functions, paths through one set of types.

Every rule is a function from a module's source to the violations found in it, and is itself tested on bad examples.
"""

import ast
from pathlib import Path

import pytest

from tests.sources import COMMANDS, LIBRARY, Rule, calls, keyword, parse, violations

TEXT_FILES = "foundation/files/text_files.py"
PATH_TEXTS = {"read_text", "write_text"}
FROM_JSON = {"loads", "validate_json", "model_validate_json"}
OPENERS = {"os.open", "av.open", "Image.open", "webbrowser.open"}
EXEMPT = {
    ("foundation/jobs/store/copies.py", "validate_json"): "the server's own records, whose damage is told as such",
    ("foundation/jobs/store/locks.py", "open"): "a lock",
    ("foundation/jobs/store/store.py", "open"): "the server's log, to which is added",
    ("foundation/jobs/store/store.py", "validate_json"): "the server's own curves",
    ("benchmarks/hostile/server.py", "open"): "a server's log, which that benchmark has the server write",
    ("benchmarks/hostile/server.py", "read_text"): "files of /proc, and that log",
    ("foundation/command_line/program.py", "open"): "os.devnull, for standard streams that were closed",
}
"""Who does without the pair, at what, and why."""


def texts_past_the_pair(source: str, path: Path) -> list[str]:
    """Text that is read or written past `foundation.files.text_files`, which alone knows encodings and refuses in
    words."""
    return [
        f"{path}:{call.lineno} {what}: use foundation.files.text_files"
        for call, name in calls(parse(source))
        if (what := _past(call, name)) and path.as_posix() != TEXT_FILES and (path.as_posix(), what) not in EXEMPT
    ]


def _past(call: ast.Call, name: str) -> str:
    """What a call does past the pair; "" for nothing."""
    of_object = isinstance(call.func, ast.Attribute)
    method = call.func.attr if isinstance(call.func, ast.Attribute) else name
    if name in ("json.load", "json.dump") or (of_object and method in PATH_TEXTS):
        return method
    if method in FROM_JSON and call.args and isinstance(call.args[0], ast.Call):
        reader = call.args[0].func
        return method if isinstance(reader, ast.Attribute) and reader.attr in ("read_bytes", "read_text") else ""
    return "open" if method == "open" and name not in OPENERS and _opens_text(call, builtin=name == "open") else ""


def _opens_text(call: ast.Call, *, builtin: bool) -> bool:
    """Whether an `open` is one of a text; what has arguments but no mode is another function of that name."""
    mode = keyword(call, "mode") or next(iter(call.args[1:] if builtin else call.args), None)
    if mode is None:
        return builtin or not call.args
    return isinstance(mode, ast.Constant) and isinstance(mode.value, str) and "b" not in mode.value


def paths_past_the_types(source: str, path: Path) -> list[str]:
    """Flags for paths without a type of `foundation.files.places`, and parsers that do not refuse in one sentence."""
    found = []
    for call, name in calls(parse(source)):
        kind = keyword(call, "type")
        if name.endswith("add_argument") and kind is not None and ast.unparse(kind) in ("Path", "pathlib.Path"):
            found.append(f"{path}:{call.lineno} type=Path: use a type of foundation.files.places")
        if name == "argparse.ArgumentParser":
            found.append(f"{path}:{call.lineno} argparse.ArgumentParser: use foundation.command_line.program.Parser")
    return found


def programs_without_the_net(source: str, path: Path) -> list[str]:
    """Modules that run as programs without `run_program` (benchmarks: `run_benchmark`, which calls it)."""
    main = [node for node in parse(source).body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)]
    run = " ".join(map(ast.unparse, main))
    takes_flags = "argparse" in source or path.name == "__main__.py"
    good = not main or not takes_flags or "run_program(" in run or "run_benchmark(" in run
    return [] if good else [f"{path} runs without foundation.command_line.program.run_program"]


RULES: tuple[Rule, ...] = (texts_past_the_pair, paths_past_the_types, programs_without_the_net)


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What each of the rules finds."""
    return violations({rule.__name__: (rule, LIBRARY + COMMANDS) for rule in RULES})


@pytest.mark.parametrize("rule", RULES)
def test_rule_holds(rule: Rule, found: dict[str, list[str]]) -> None:
    """F10, F14: nobody reads, writes, parses or starts past the one place for it."""
    assert not found[rule.__name__], "\n".join(found[rule.__name__])


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (texts_past_the_pair, "path.read_text(encoding='utf-8')"),
        (texts_past_the_pair, "(folder / 'a').write_text(x)"),
        (texts_past_the_pair, "json.load(file)"),
        (texts_past_the_pair, "json.loads(path.read_bytes())"),
        (texts_past_the_pair, "Model.model_validate_json(path.read_bytes())"),
        (texts_past_the_pair, "open(path)"),
        (texts_past_the_pair, "open(path, 'w')"),
        (texts_past_the_pair, "with path.open() as file: pass"),
        (texts_past_the_pair, "path.open('a', encoding='utf-8')"),
        (paths_past_the_types, "parser.add_argument('--out', type=Path)"),
        (paths_past_the_types, "parser = argparse.ArgumentParser(prog='x')"),
        (programs_without_the_net, "import argparse\nif __name__ == '__main__':\n    main()"),
    ],
)
def test_rules_see_violations(rule: Rule, source: str) -> None:
    assert rule(source, Path("app/a.py"))


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (texts_past_the_pair, "read_text(path)\nwith path.open('rb') as file: pass\nos.open(path, 1)"),
        (texts_past_the_pair, "Model.model_validate_json(read_text(path))\njson.loads(text)\npanel.open(job, state)"),
        (paths_past_the_types, "Parser().add_argument('--out', type=result_file)"),
        (programs_without_the_net, "import argparse\nif __name__ == '__main__':\n    sys.exit(run_program(main))"),
    ],
)
def test_rules_let_good_code_pass(rule: Rule, source: str) -> None:
    assert rule(source, Path("app/a.py")) == []
