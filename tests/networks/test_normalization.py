"""Instance norm: its values, its gradient in every memory layout, and that nobody makes another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reskin.networks import normalization
from reskin.networks.adain import adain
from reskin.networks.normalization import InstanceNorm2d, instance_norm

SOURCES = Path(normalization.__file__).parents[1]


def by_hand(features: Tensor) -> Tensor:
    """The same from its definition, in float64."""
    features = features.double()
    mean = features.mean(dim=(2, 3), keepdim=True)
    variance = (features - mean).square().mean(dim=(2, 3), keepdim=True)
    return (features - mean) / (variance + 1e-5).sqrt()


def laid_out(images: Tensor, order: str) -> Tensor:
    if order == "plain":
        return images
    if order == "channels last":
        return images.contiguous(memory_format=torch.channels_last)
    return images.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("of_input", ["plain", "channels last"])
@pytest.mark.parametrize("of_grad", ["plain", "channels last", "reversed"])
@pytest.mark.thinned(2)
def test_the_gradient_does_not_depend_on_the_layout(
    dtype: torch.dtype, count: int, of_input: str, of_grad: str
) -> None:
    images, grad = torch.randn(2, count, 8, 6, 10, dtype=dtype)
    exact = images.double().requires_grad_()
    (wanted,) = torch.autograd.grad(by_hand(exact), exact, grad.double())
    for norm in (instance_norm, InstanceNorm2d(8)):
        given = laid_out(images, of_input).detach().requires_grad_()
        normed = norm(given)
        torch.testing.assert_close(normed.double(), by_hand(images), rtol=1e-5, atol=1e-5)
        (found,) = torch.autograd.grad(normed, given, laid_out(grad, of_grad))
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_scales_and_shifts_have_right_gradients_too(count: int) -> None:
    layer = InstanceNorm2d(4, affine=True).double()
    nn.init.normal_(layer.weight)
    images, grad = torch.randn(2, count, 4, 5, 5, dtype=torch.float64)
    layer(images).backward(grad.contiguous(memory_format=torch.channels_last))
    assert layer.weight.grad is not None and layer.bias.grad is not None
    torch.testing.assert_close(layer.weight.grad, (grad * by_hand(images)).sum(dim=(0, 2, 3)))
    torch.testing.assert_close(layer.bias.grad, grad.sum(dim=(0, 2, 3)))


def test_a_style_and_a_permute_behind_it() -> None:
    """What fails with torch's own: AdaIN of one picture, read place by place."""
    images = torch.randn(1, 8, 6, 6, dtype=torch.float64, requires_grad=True)
    shift, scale, look = torch.randn(3, 1, 8, dtype=torch.float64)[:, :, :, None, None].unbind(0)
    weights = torch.randn(36, 8, dtype=torch.float64)
    styled = adain(images, shift[..., 0, 0], scale[..., 0, 0]) * look
    (found,) = torch.autograd.grad((styled.permute(0, 2, 3, 1).reshape(36, 8) * weights).sum(), images)
    by_definition = (by_hand(images) * scale + shift) * look
    total = (by_definition.permute(0, 2, 3, 1).reshape(36, 8) * weights).sum()
    (wanted,) = torch.autograd.grad(total, images)
    torch.testing.assert_close(found, wanted)


def test_it_can_be_changed_in_place_and_differentiated_twice() -> None:
    images = torch.randn(1, 4, 6, 6, dtype=torch.float64, requires_grad=True)

    def slopes(norm: object) -> Tensor:
        assert callable(norm)
        out = torch.relu_(norm(images) + 0.0) if norm is by_hand else torch.relu_(norm(images))
        seen = out.permute(0, 2, 3, 1).reshape(-1, 4).square().mean(dim=0)
        (first,) = torch.autograd.grad(seen.square().sum(), images, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), images)
        return second

    torch.testing.assert_close(slopes(instance_norm), slopes(by_hand))


@pytest.mark.sweep
def test_no_other_module_makes_or_calls_an_instance_norm_of_torch() -> None:
    found = []
    for path in SOURCES.rglob("*.py"):
        if path == Path(str(normalization.__file__)):
            continue
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "instance" in text.lower() else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                is_norm = name.lower().replace("_", "").startswith("instancenorm")
                if is_norm and (owner := ast.unparse(node.func.value)) != "self":
                    found.append(f"{path.name}:{node.lineno} {owner}.{name}")
    assert not found
