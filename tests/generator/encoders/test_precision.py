import pytest
import torch

from foundation.errors import StudioError
from generator.encoders.precision import (
    PRECISIONS,
    choose_precision,
    computing_in,
    enlarge_gradient,
    restore_gradient,
)


def gpu(monkeypatch: pytest.MonkeyPatch, *, has_bf16: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)


def test_a_cpu_computes_in_full_precision_unless_told() -> None:
    assert choose_precision("auto", "cpu") == "fp32"
    assert choose_precision("bf16", "cpu") == "bf16"
    with pytest.raises(StudioError, match="GPU"):
        choose_precision("fp16", "cpu")


def test_a_gpu_computes_in_the_best_half_precision_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, has_bf16=True)
    assert choose_precision("auto", "cuda:1") == "bf16"
    assert choose_precision("fp16", "cuda") == "fp16"
    gpu(monkeypatch, has_bf16=False)
    assert choose_precision("auto", "cuda") == "fp16"
    assert choose_precision("fp32", "cuda") == "fp32"
    with pytest.raises(StudioError, match="fp16 or fp32"):
        choose_precision("bf16", "cuda")


def test_others_are_refused_with_the_choice() -> None:
    with pytest.raises(StudioError, match="int8") as caught:
        choose_precision("int8", "cpu")
    assert all(name in str(caught.value) for name in PRECISIONS)


def test_products_are_taken_in_the_precision() -> None:
    values = torch.ones(2, 2)
    with computing_in("bf16", "cpu"):
        assert (values @ values).dtype == torch.bfloat16
        with computing_in("fp32", "cpu"):
            assert (values @ values).dtype == torch.float32


def test_small_gradients_survive_fp16_and_get_their_size_back() -> None:
    def gradient(enlarged: bool) -> float:
        x = torch.tensor([1.5, -2.0], requires_grad=True)
        low = (restore_gradient(x * 1, "fp16") if enlarged else x).half() * 3
        out = enlarge_gradient(low.float(), "fp16") if enlarged else low.float()
        return float(torch.autograd.grad((out * 2.0**-26).sum(), x)[0][0])

    assert gradient(enlarged=False) == 0.0
    assert gradient(enlarged=True) == pytest.approx(3 * 2.0**-26, rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_precisions_need_no_help(precision: str) -> None:
    x = torch.ones(2)
    assert enlarge_gradient(x, precision) is x  # type: ignore[arg-type]
    assert restore_gradient(x, precision) is x  # type: ignore[arg-type]
