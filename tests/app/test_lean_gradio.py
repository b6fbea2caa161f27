"""Gradio's import without stubs and without a server that nobody starts: and all else as it was."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import pathlib
written = []
pathlib.Path.write_text = lambda path, *rest, **more: written.append(str(path))
parsed = []
import ast
parse = ast.parse
ast.parse = lambda source, *rest, **more: (parsed.append(len(source)), parse(source, *rest, **more))[1]
import app
import gradio
import json, sys
found = {"mcp": "mcp" in sys.modules, "written": written, "parsed": sum(parsed)}
import mcp.types
with gradio.Blocks() as page:
    box = gradio.Textbox("a")
    box.change(str, box, box)
found["listeners"] = len(page.fns)
found["positional"] = box.constructor_args["value"]
lister = gradio.FileExplorer(root_dir=".")
found["callable"] = [function.__name__ for function in lister.server_fns]
import inspect
looked = []
inspect._signature_from_callable = lambda *rest, **more: looked.append(rest)
gradio.Textbox("b"), gradio.FileExplorer()
found["looked"] = len(looked)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_what_is_for_developers_is_left_out_and_the_rest_works() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True)
    found = json.loads(said.stdout)
    same = {"listeners": 1, "positional": "a", "callable": ["ls"]}
    assert found == {"mcp": False, "written": [], "parsed": found["parsed"], "looked": 0, **same}
    assert found["parsed"] < 100_000, "the sources of the components, which are larger, are not parsed"
