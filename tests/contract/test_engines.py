"""Every method with every engine that is installed gives what PyTorch gives, at any size and number."""

from __future__ import annotations

import importlib.util
from typing import Literal, get_args

import pytest
import torch
from tests.contract.test_methods import tiny
from torch import Tensor

from reskin.device import Compute, computes_bf16
from reskin.engine_names import EngineName
from reskin.inference.engine import Engine
from reskin.inference.engines.measured import MOST_LEVELS, difference
from reskin.inference.engines.settle import BACKENDS
from reskin.inference.rendering import Rendering
from reskin.methods import trained_names
from reskin.methods.styled import Styled

CPU = torch.device("cpu")
SIZES = ((37, 50), (64, 41), (5, 7))
"""Height and width, px: odd ones, and one that is padded."""

SEARCHING = {"cogan"}
"""Methods that find each translation by gradient descent: no graph of operators holds that."""

REMEMBERING = {"vid2vid", "recycle_gan"}
"""Methods for which PyTorch translates what remembers the frames before."""


def test_every_engine_is_known() -> None:
    assert {backend.name for backend in BACKENDS} == set(get_args(EngineName)) - {"auto", "torch"}


def compute(engine: EngineName, precision: Literal["fp32", "bf16"]) -> Compute:
    return Compute(CPU, precision, engine=engine)


def engine_of(name: str, engine: EngineName, precision: Literal["fp32", "bf16"]) -> Engine:
    """A tiny model of the method; its weights are always the same."""
    model = tiny(name)
    if name.startswith("grade"):  # a new one changes nothing
        torch.manual_seed(1)
        for weights in model.parameters():
            torch.nn.init.normal_(weights, std=0.3)
    styles = model.sample_styles(2, seed=0) if isinstance(model, Styled) else None
    return Engine(model, model.directions[0], compute(engine, precision), Rendering(styles))


def pictures(number: int, height: int, width: int) -> Tensor:
    source = torch.Generator().manual_seed(height)
    coarse = torch.rand(number, 3, 6, 6, generator=source) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


@pytest.mark.parametrize("name", trained_names())
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_an_engine_gives_what_pytorch_gives(name: str, engine: EngineName) -> None:
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    exact, other = engine_of(name, "torch", "fp32"), engine_of(name, engine, "fp32")
    near = None
    if engine == "openvino" and computes_bf16(CPU):
        near = engine_of(name, engine, "bf16")
    for number in (1, 3):
        for height, width in SIZES:
            images = pictures(number, height, width)
            wanted = torch.stack(exact.run_parts(images))
            assert difference(torch.stack(other.run_parts(images)), wanted, "fp32") <= MOST_LEVELS["fp32"]
            if near is not None:
                made = torch.stack(near.run_parts(images))
                assert difference(made, wanted, "bf16") <= MOST_LEVELS["bf16"]
    is_plain = name not in SEARCHING and not other.remembers
    assert other.used.engine == (engine if is_plain else "torch")
    assert is_plain or name in SEARCHING | REMEMBERING
