"""The cure for torchvision beside another build of PyTorch, in fresh processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(code: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


def test_torchvision_imports_and_works_behind_the_cure() -> None:
    run("""
import sys
from foundation import torchvision_cure
assert "torchvision" not in sys.modules, "the cure imports what it is to come before"
assert torchvision_cure.declare_missing_operators() is None, "declared twice"

import torch, torchvision
from torchvision.transforms.v2 import functional
assert torchvision.models.resnet18().eval()(torch.zeros(2, 3, 32, 40)).shape == (2, 1000)
assert functional.resize(torch.zeros(2, 3, 8, 9), [4, 5]).shape == (2, 3, 4, 5)
import timm, open_clip
assert "torch._dynamo" not in sys.modules, "the compiler, which takes longer than all of this"
assert "transformers" not in sys.modules, "which takes longer than open_clip itself"
assert torchvision.ops.roi_align.__globals__["is_compile_supported"]("meta") is False
assert "torch._dynamo" in sys.modules
assert torch.compiler.disable.__module__ == "torch.compiler"
assert timm.layers.disable_compiler(lambda number: number + 1)(1) == 2
from open_clip import coca_model, hf_model, model
towers = hf_model.HFTextEncoder
assert towers is model.HFTextEncoder and hf_model.transformers is None
from transformers import BertConfig
small = BertConfig(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=99
)
for _ in range(2):  # the first of them completes the module, for those who have its class already, too
    tower = towers("none", 8, small, pooler_type="cls_pooler", proj_type="linear", pretrained=False)
    assert tower(torch.ones(2, 5, dtype=torch.long)).shape == (2, 8)
    assert hf_model.HFTextEncoder is towers and hf_model.transformers is not None
writer = coca_model.CoCa
coca_model.GENERATION_TYPES = None
try:
    writer.generate(None, torch.zeros(1), seq_len=1)  # too short, or this transformers lacks what writes captions
except AssertionError:
    pass
assert coca_model.GENERATION_TYPES and coca_model.CoCa is writer is open_clip.CoCa
""")


def test_only_what_is_missing_is_declared_and_only_where_the_extension_fails() -> None:
    run("""
import importlib.util, torch

def exists(name):
    return hasattr(torch.ops.torchvision, name)

loaded = []
torch.ops.load_library = loaded.append  # a working installation
from foundation import torchvision_cure
from foundation.torchvision_cure import declare_missing_operators
assert torchvision_cure._keep_alive is None
assert len(loaded) == 1 and loaded[0].endswith((".so", ".pyd"))
assert not exists("nms") and not exists("qnms")

def refuse(path):
    raise OSError("undefined symbol")

torch.ops.load_library = refuse
for present in (), ("nms",), ("qnms",), ("nms", "qnms"):
    others = torch.library.Library("torchvision", "FRAGMENT")
    for name in present:
        others.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    declared = declare_missing_operators()
    assert (declared is None) == (len(present) == 2), present
    assert exists("nms") and exists("qnms"), present
    for library in filter(None, (others, declared)):
        library._destroy()
    assert not exists("nms") and not exists("qnms")

find = importlib.util.find_spec  # no torchvision at all
importlib.util.find_spec = lambda name, *rest: None if name == "torchvision" else find(name, *rest)
assert declare_missing_operators() is None
""")
