"""`--checkpoint-activations`: the same weights for less memory, for every method that has residual blocks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support import small
from torch import Tensor, nn

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.methods import find_trained, trained_names
from reskin.methods.base import Method
from reskin.networks.resnet import ResnetGenerator
from reskin.runs.settings import sort_settings
from reskin.training.activations import blocks_of, recompute_blocks
from reskin.training.loop import PlainStep, seed_step
from reskin.training.start import build, train_run
from reskin.types import Batch, Step

WITHOUT = {"cogan", "cyclegan_unet", "pix2pix", "grade"}
"""Methods whose generators have no residual blocks."""


def learn(method: Method, precision: Any = "fp32") -> dict[str, Tensor]:
    """What a method holds after two steps on clips or pictures of 32 px; dropout and noise are drawn."""
    frames = () if method.clip_length == 1 else (method.clip_length,)
    kind = next(method.parameters()).dtype
    teach = PlainStep(method, Compute(torch.device("cpu"), precision))
    for number in (1, 2):
        source = torch.Generator().manual_seed(number)
        a, b = (torch.rand((2, 1, *frames, 3, 32, 32), generator=source) * 2 - 1).to(kind)
        seed_step(0, number, 0)
        teach(Batch(a, b), Step(number, 100))
    return method.state_dict() | {f"chance.{i}": v for i, v in enumerate(torch.rand(1, 2))}


def calls_of(blocks: list[nn.Module], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Filled with one entry for each time that a block is computed."""
    calls: list[bool] = []
    for kind in {type(block) for block in blocks}:
        forward = kind.forward

        def spy(self: Any, *inputs: Any, forward: Any = forward) -> Any:
            calls.append(torch.is_grad_enabled())
            return forward(self, *inputs)

        monkeypatch.setattr(kind, "forward", spy)
    return calls


def settings_of(name: str) -> dict[str, Any]:
    fields = find_trained(name).Config.model_fields
    wanted = {"has_dropout": True, "blocks": 2, "norm": "instance"}
    return {key: value for key, value in wanted.items() if key in fields}


@pytest.mark.parametrize("name", sorted(set(trained_names()) - WITHOUT))
@pytest.mark.thinned(4)
@pytest.mark.sweep
def test_every_bit_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, other = (small.tiny(find_trained(name), **settings_of(name)) for _ in range(2))
    assert recompute_blocks(other) > 0
    judges = other.adversary.networks if other.adversary else ()
    blocks = [b for key, network in other.named_children() if key not in judges for b in blocks_of(network)]
    calls = calls_of(blocks, monkeypatch)
    expected, found = learn(plain), {}
    once = sum(calls)
    calls.clear()
    found = learn(other)
    assert sum(calls) > once > 0  # they were computed again
    assert found.keys() == expected.keys()
    assert [key for key in expected if not expected[key].equal(found[key])] == []


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_a_method_without_blocks_says_so(name: str) -> None:
    with pytest.raises(SettingsError, match="no residual blocks"):
        recompute_blocks(small.tiny(find_trained(name), ready=False))


def test_gradients_in_double_precision() -> None:
    """With dropout, against the same generator: the gradient of every weight and of the input."""
    found = []
    for is_recomputed in (False, True):
        torch.manual_seed(0)
        generator = ResnetGenerator(4, 3, has_dropout=True).double()
        if is_recomputed:
            for block in blocks_of(generator):
                block.forward = recomputed_forward(block)
        torch.manual_seed(1)
        images = torch.rand(2, 3, 16, 24, dtype=torch.float64, requires_grad=True)
        features = generator.up(generator.blocks(generator.down(generator.stem(images))))
        generator.head(features).tanh().square().sum().backward()
        found.append([images.grad, *(p.grad for p in generator.parameters())])
    for one, other in zip(*found, strict=True):
        assert one is not None and other is not None
        assert one.dtype == torch.float64 and one.abs().max() > 0 and one.equal(other)


def recomputed_forward(block: nn.Module) -> Any:
    from reskin.training import activations

    return activations.types.MethodType(activations._recomputed, block)


@pytest.mark.sweep
def test_bfloat16_is_computed_again_in_bfloat16() -> None:
    """The gradient is computed outside of autocast, and the blocks are computed again inside of it."""
    plain, other = (small.tiny(find_trained("cyclegan"), blocks=2, has_dropout=True) for _ in range(2))
    recompute_blocks(other)
    expected, found = learn(plain, "bf16"), learn(other, "bf16")
    assert [key for key in expected if not expected[key].equal(found[key])] == []


def test_less_is_kept_for_the_gradient() -> None:
    kept = []
    for is_recomputed in (False, True):
        generator = ResnetGenerator(4, 9)
        if is_recomputed:
            for block in blocks_of(generator):
                block.forward = recomputed_forward(block)
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor, sizes: dict[int, int] = sizes) -> Tensor:
            if not isinstance(tensor, nn.Parameter):
                sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = generator(torch.rand(1, 3, 64, 64))
        kept.append(sum(sizes.values()))
        assert output.requires_grad
    assert kept[1] < 0.75 * kept[0]


def test_parts_that_remember_are_left_alone() -> None:
    """Running statistics would move twice in a step."""
    assert list(blocks_of(ResnetGenerator(4, 3, norm="batch"))) == []
    assert len(list(blocks_of(ResnetGenerator(4, 3)))) == 3


def test_a_copy_computes_with_its_own_weights() -> None:
    generator = ResnetGenerator(4, 2)
    for block in blocks_of(generator):
        block.forward = recomputed_forward(block)
    other = copy.deepcopy(generator)
    with torch.no_grad():
        for parameter in other.blocks.parameters():
            parameter.zero_()
    features = torch.rand(1, 16, 8, 8)
    assert other.blocks(features).equal(features) and not generator.blocks(features).equal(features)


@pytest.mark.sweep
def test_a_run_may_go_on_with_it(
    tiny_cyclegan: dict[str, Any], tmp_path: Path, differences: Callable[[Path, Path], list[str]]
) -> None:
    """Sample grids and running means too are those of a run without it."""
    plain = train_run("cyclegan", out=tmp_path / "plain", **tiny_cyclegan)
    other = train_run("cyclegan", out=tmp_path / "other", **tiny_cyclegan, checkpoint_activations=True)
    assert differences(plain, other) == []
    train_run("cyclegan", out=plain, **tiny_cyclegan, checkpoint_activations=True)  # it is free to change


def test_a_run_of_a_method_without_blocks_does_not_begin(tiny: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="--checkpoint-activations"):
        build(
            sort_settings("toy", tiny | {"checkpoint_activations": True}),
            Compute(torch.device("cpu"), "fp32"),
        )


def test_not_with_a_cuda_graph(tiny: dict[str, Any]) -> None:
    """A recording may not ask for the state of chance, which a block is computed again from."""
    with pytest.raises(SettingsError, match="cuda_graph or checkpoint_activations"):
        sort_settings("toy", tiny | {"checkpoint_activations": True, "cuda_graph": True})
