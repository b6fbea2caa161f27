"""The rules that hold the three packages together, read from their source and from importing them.

Every rule is a function from a module's source to the violations found in it, and is itself tested on bad examples.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import (
    COMMANDS,
    LIBRARY,
    PACKAGES,
    ROOT,
    Rule,
    calls,
    dotted,
    imports,
    keyword,
    nodes,
    parse,
    top,
    violations,
)

MAY_IMPORT = {
    "app": {"clip_model", "robust_model", "generator", "foundation"},
    "clip_model": {"robust_model", "generator", "foundation"},
    "crossmax_studio": {"app", "robust_model", "generator", "foundation"},
    "robust_model": {"generator", "foundation"},
    "generator": {"foundation"},
    "foundation": set[str](),
}
NEEDS_CURE = {"torchvision", "timm", "open_clip"}
CURE = "foundation.torchvision_cure"
UNPICKLING_ERRORS = ["from pickle import UnpicklingError"]  # what torch.load raises when it refuses to unpickle
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
AUTOATTACK = {"autoattack", "pyautoattack"}
RANDOM_FUNCTIONS = {"rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like"} | {
    "normal",
    "bernoulli",
    "multinomial",
    "poisson",
}
RANDOM_METHODS = {
    *("normal_", "uniform_", "random_", "bernoulli_", "exponential_", "log_normal_", "cauchy_", "geometric_"),
    *("bernoulli", "multinomial"),
}
GLOBAL_SEEDS = {"manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state"}


# The rules: (source, path relative to the root) -> violations


def wrong_directions(source: str, path: Path) -> list[str]:
    """Imports against app -> robust_model -> generator, of gradio outside app, or of tests and tools."""
    own = path.parts[0]
    package = ".".join(path.parent.parts)
    allowed = set(PACKAGES) if path.name == "__main__.py" else MAY_IMPORT[own] | {own}
    banned = (set(PACKAGES) - allowed) | {"tests", "benchmarks", "scripts"}
    if own != "app":
        banned.add("gradio")
    return [f"{path}:{line} imports {name}" for line, name in imports(parse(source), package) if top(name) in banned]


def uncured_imports(source: str, path: Path) -> list[str]:
    """Imports of torchvision and its dependants that the cure does not precede, at the top of the same module."""
    tree = parse(source)
    at_the_top = {node.lineno for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))}
    package = ".".join(path.parent.parts)
    cures = [line for line, name in imports(tree, package) if name == CURE and line in at_the_top]
    first = min(cures, default=sys.maxsize)
    return [
        f"{path}:{line} imports {name} before {CURE}"
        for line, name in imports(tree)
        if top(name) in NEEDS_CURE and line <= first
    ]


def is_error_import(node: ast.ImportFrom) -> bool:
    return ast.unparse(node) in UNPICKLING_ERRORS


def unpickling(source: str, path: Path) -> list[str]:
    """Whatever could run code that hides in a file of weights or arrays."""
    tree = parse(source)
    harmless = {node.lineno for node in nodes(tree) if isinstance(node, ast.ImportFrom) and is_error_import(node)}
    found = [
        f"{path}:{line} imports {name}"
        for line, name in imports(tree)
        if top(name) in UNPICKLERS and line not in harmless
    ]
    for call, name in calls(tree):
        weights_only, allow = keyword(call, "weights_only"), keyword(call, "allow_pickle")
        safe = isinstance(weights_only, ast.Constant) and weights_only.value is True
        if name in ("torch.load", "torch.hub.load", "torch.jit.load") and not safe:
            found.append(f"{path}:{call.lineno} {name} without weights_only=True")
        if name == "torch.save" or name.endswith("read_pickle"):
            found.append(f"{path}:{call.lineno} {name}")
        if allow is not None and not (isinstance(allow, ast.Constant) and allow.value is False):
            found.append(f"{path}:{call.lineno} {name} with allow_pickle")
    for line, name in imports(tree):
        if name in ("torch.load", "torch.save"):
            found.append(f"{path}:{line} imports {name} by name")
    return found


def global_randomness(source: str, path: Path) -> list[str]:
    """Draws that do not come from a torch.Generator that was passed in, and seeding of global generators."""
    tree = parse(source)
    found = []
    for line, name in imports(tree):
        if top(name) in ("random",) or name.startswith("numpy.random"):
            found.append(f"{path}:{line} imports {name}")
        if name.startswith("torchvision.transforms") and name.split(".")[-1].startswith("Random"):
            found.append(f"{path}:{line} imports {name}, which draws from the global generator")
    for node in nodes(tree):
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            if name.startswith(("np.random.", "numpy.random.")):
                found.append(f"{path}:{node.lineno} names {name}")
    for call, name in calls(tree):
        owner, _, function = name.rpartition(".")
        if owner in ("torch", "torch.random", "torch.cuda", "torch.mps") and function in GLOBAL_SEEDS:
            found.append(f"{path}:{call.lineno} calls {name}")
        draws = function in (RANDOM_FUNCTIONS if owner == "torch" else RANDOM_METHODS)
        if owner and draws and not owner.endswith("init") and keyword(call, "generator") is None:
            found.append(f"{path}:{call.lineno} calls {name} without generator=")
    return found


def work_at_import(source: str, path: Path) -> list[str]:
    """Bare calls, loops and context managers in the body of a module or a class, outside the main guard."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            if isinstance(node, ast.If):
                if "__name__" not in ast.unparse(node.test):
                    yield from statements(node.body + node.orelse)
            elif isinstance(node, ast.Try):
                yield from statements(node.body + node.orelse + node.finalbody)
                for handler in node.handlers:
                    yield from statements(handler.body)
            elif isinstance(node, ast.ClassDef):
                yield from statements(node.body)
            else:
                yield node

    found = []
    for node in statements(parse(source).body):
        busy = isinstance(node, (ast.For, ast.While, ast.With, ast.Delete, ast.AugAssign))
        bare = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
        if busy or bare:
            found.append(f"{path}:{node.lineno} works at import: {ast.unparse(node).splitlines()[0]}")
    return found


def open_to_any_format(source: str, path: Path) -> list[str]:
    """S1: `Image.open` without ``formats=``, which lets a file choose its parser (of EPS: a program)."""
    return [
        f"{path}:{call.lineno} {name} without formats="
        for call, name in calls(parse(source))
        if name.endswith("Image.open") and keyword(call, "formats") is None
    ] + [f"{path}:{line} imports {name} by name" for line, name in imports(parse(source)) if name == "PIL.Image.open"]


RUN_WHAT_IS_NAMED = {
    *("importlib.import_module", "import_module", "__import__", "runpy.run_module", "runpy.run_path"),
    *("exec", "eval", "exec_module", "pkgutil.resolve_name", "resolve_name"),
}
NAMED_BY_A_FLAG = {("robust_model/zoo/own_network.py", "_find")}
"""Functions that import what a user has typed."""


def _around(call: ast.Call, tree: ast.AST) -> str | None:
    """The innermost function in which a call stands."""
    functions = [node for node in nodes(tree) if isinstance(node, ast.FunctionDef)]
    return next((one.name for one in reversed(functions) if any(node is call for node in ast.walk(one))), None)


def imports_of_variables(source: str, path: Path) -> list[str]:
    """F1: imports of modules whose names are not written here; names out of files must never come to one."""
    found = []
    tree = parse(source)
    for call, name in calls(tree):
        written = bool(call.args) and isinstance(call.args[0], ast.Constant)
        if name in RUN_WHAT_IS_NAMED and not written and (path.as_posix(), _around(call, tree)) not in NAMED_BY_A_FLAG:
            found.append(f"{path}:{call.lineno} {name} of a name that is not written here")
    return found


def joined_uploads(source: str, path: Path) -> list[str]:
    """S1: paths below the uploads made of a variable anywhere but where the one check is."""
    if path.as_posix() == "app/visitors/uploads.py" or "upload" not in source.lower():
        return []
    found = []
    for node in nodes(parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            left, fixed = ast.unparse(node.left), isinstance(node.right, ast.Constant)
            if "upload" in left.lower() and not fixed:
                found.append(f"{path}:{node.lineno} joins {left} with {ast.unparse(node.right)}")
        if isinstance(node, ast.Call):
            joins = ast.unparse(node.func) in ("Path", "os.path.join") and len(node.args) > 1
            base = node.args[0] if joins else node.func.value if isinstance(node.func, ast.Attribute) else node
            joined = joins or (isinstance(node.func, ast.Attribute) and node.func.attr == "joinpath")
            if joined and "upload" in ast.unparse(base).lower():
                found.append(f"{path}:{node.lineno} {ast.unparse(node)}")
    return found


FLAGS_OF_FIELDS = {
    *("foundation/command_line/flags.py", "generator/recipes/fields.py", "app/settings.py"),
    "app/__main__.py",  # a switch that is no option of the app
}


def flags_by_hand(source: str, path: Path) -> list[str]:
    """Flags that are not made of the fields of a configuration."""
    if path.as_posix() in FLAGS_OF_FIELDS or "add_argument(" not in source:
        return []
    found = (node for node, name in calls(parse(source)) if name.endswith(".add_argument"))
    return [f"{path}:{node.lineno} adds a flag by hand" for node in found]


RULES: dict[str, tuple[Rule, list[Path]]] = {
    "import directions": (wrong_directions, LIBRARY),
    "cure before torchvision": (uncured_imports, LIBRARY + COMMANDS),
    "no unpickling": (unpickling, LIBRARY + COMMANDS),
    "randomness is passed in": (global_randomness, LIBRARY),
    "no work at import": (work_at_import, LIBRARY),
    "formats are named": (open_to_any_format, LIBRARY + COMMANDS),
    "imports are written down": (imports_of_variables, LIBRARY + COMMANDS),
    "uploads are found in one place": (joined_uploads, LIBRARY),
    "flags are made of fields": (flags_by_hand, LIBRARY),
}


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What each of the rules finds."""
    return violations(RULES)


@pytest.mark.parametrize("name", RULES)
def test_rule_holds(name: str, found: dict[str, list[str]]) -> None:
    assert RULES[name][1]
    assert not found[name], "\n".join(found[name])


def test_only_the_adapter_imports_autoattack() -> None:
    importers = [
        str(path.relative_to(ROOT))
        for path in LIBRARY + COMMANDS
        if "autoattack" in (source := path.read_text("utf-8")).lower()
        and any(top(name) in AUTOATTACK for _line, name in imports(parse(source)))
    ]
    assert importers == ["robust_model/attacks/autoattack.py"]


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (wrong_directions, "generator/a.py", "import app"),
        (wrong_directions, "generator/a.py", "def f():\n    from robust_model.networks.stack import x"),
        (wrong_directions, "generator/a.py", "import gradio as gr"),
        (wrong_directions, "generator/__main__.py", "import gradio.themes"),
        (wrong_directions, "generator/a.py", "import tests.corpus"),
        (wrong_directions, "robust_model/a.py", "from app.handlers import registry"),
        (wrong_directions, "foundation/a.py", "from generator.recipes.recipe import Recipe"),
        (wrong_directions, "robust_model/a.py", "from gradio import Blocks"),
        (wrong_directions, "app/ui/a.py", "from benchmarks import speed"),
        (uncured_imports, "robust_model/a.py", "import torchvision"),
        (uncured_imports, "robust_model/a.py", "import timm\nfrom foundation import torchvision_cure"),
        (uncured_imports, "robust_model/a.py", "def f():\n    from torchvision.models import resnet18"),
        (uncured_imports, "robust_model/a.py", "def g():\n    import foundation.torchvision_cure\nimport open_clip"),
        (unpickling, "app/a.py", "import pickle"),
        (unpickling, "app/a.py", "from pickle import UnpicklingError, loads"),
        (unpickling, "app/a.py", "def f():\n    from joblib import load"),
        (unpickling, "app/a.py", "import torch\ntorch.load('x')"),
        (unpickling, "app/a.py", "import torch\ntorch.load('x', weights_only=False)"),
        (unpickling, "app/a.py", "from torch import load\nload('x')"),
        (unpickling, "app/a.py", "import torch\ntorch.save({}, 'x')"),
        (unpickling, "app/a.py", "import numpy as np\nnp.load('x', allow_pickle=True)"),
        (global_randomness, "generator/a.py", "import random"),
        (global_randomness, "generator/a.py", "from numpy.random import default_rng"),
        (global_randomness, "generator/a.py", "import numpy as np\nx = np.random.rand(3)"),
        (global_randomness, "generator/a.py", "import torch\ntorch.manual_seed(0)"),
        (global_randomness, "generator/a.py", "import torch\ntorch.cuda.manual_seed_all(0)"),
        (global_randomness, "generator/a.py", "import torch\nx = torch.randn(3)"),
        (global_randomness, "generator/a.py", "x = images.clone().normal_(0, 1)"),
        (global_randomness, "generator/a.py", "x = y.uniform_(0, 1)"),
        (global_randomness, "generator/a.py", "from torchvision.transforms.v2 import RandomCrop"),
        (work_at_import, "app/a.py", "print('hello')"),
        (work_at_import, "app/a.py", "from pathlib import Path\nPath('x').mkdir()"),
        (work_at_import, "app/a.py", "for x in range(3):\n    pass"),
        (work_at_import, "app/a.py", "class A:\n    register('a')"),
        (work_at_import, "app/a.py", "try:\n    f()\nexcept OSError:\n    pass"),
        (open_to_any_format, "app/a.py", "from PIL import Image\nImage.open(path)"),
        (open_to_any_format, "app/a.py", "from PIL.Image import open\nopen(path)"),
        (imports_of_variables, "app/a.py", "import importlib\nimportlib.import_module(name)"),
        (imports_of_variables, "app/a.py", "from importlib import import_module\nimport_module(name)"),
        (imports_of_variables, "app/a.py", "__import__(name)"),
        (imports_of_variables, "app/a.py", "eval(text)"),
        (
            imports_of_variables,
            "robust_model/zoo/own_network.py",
            "def other(name):\n    importlib.import_module(name)",
        ),
        (joined_uploads, "app/ui/a.py", "path = self.studio.uploads / f'{digest}.png'"),
        (joined_uploads, "app/ui/a.py", "path = data.uploads.root / name"),
        (joined_uploads, "app/ui/a.py", "path = uploads.joinpath(name)"),
        (joined_uploads, "app/ui/a.py", "path = Path(uploads, name)"),
        (flags_by_hand, "generator/cli/a.py", "command.add_argument('--x', type=whole(0, 3), help='y')"),
    ],
)
def test_rules_see_violations(rule: Rule, path: str, source: str) -> None:
    assert rule(source, Path(path))


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (wrong_directions, "app/a.py", "import gradio\nfrom robust_model import x\nimport foundation.images.files"),
        (wrong_directions, "foundation/jobs/a.py", "from ..ui import widgets\nfrom . import model"),
        (wrong_directions, "generator/__main__.py", "from app.handlers import registry\nfrom robust_model import zoo"),
        (wrong_directions, "generator/a.py", "from foundation.errors import StudioError\nimport torch"),
        (uncured_imports, "robust_model/a.py", "from foundation import torchvision_cure\nimport torchvision, timm"),
        (uncured_imports, "foundation/a.py", "from . import torchvision_cure\ndef f():\n    import timm"),
        (unpickling, "app/a.py", "import torch\ntorch.load('x', weights_only=True)\njson.load(x)"),
        (unpickling, "app/a.py", "from pickle import UnpicklingError"),
        (global_randomness, "generator/a.py", "import torch\ntorch.rand(3, generator=rng)\nx.normal_(generator=rng)"),
        (global_randomness, "generator/a.py", "rng = torch.Generator()\nrng.manual_seed(3)\nnormal(x)"),
        (
            work_at_import,
            "app/a.py",
            "'''Doc.'''\nX = tuple(range(3))\n@dataclass\nclass A:\n    '''Doc.'''\n    b: int = 1",
        ),
        (work_at_import, "app/a.py", "if __name__ == '__main__':\n    main()"),
        (open_to_any_format, "app/a.py", "Image.open(path, formats=('PNG',))\nwebbrowser.open(path)"),
        (imports_of_variables, "robust_model/a.py", "importlib.import_module('timm')\nmodel.eval()"),
        (
            imports_of_variables,
            "robust_model/zoo/own_network.py",
            "def _find(name):\n    importlib.import_module(name)",
        ),
        (joined_uploads, "app/a.py", "path = root / 'uploads'\nother = uploads.find(digest, owner)"),
        (flags_by_hand, "generator/cli/a.py", "add_flags(command.add_argument_group('files'), Asked)"),
    ],
)
def test_rules_let_good_code_pass(rule: Rule, path: str, source: str) -> None:
    assert rule(source, Path(path)) == []
