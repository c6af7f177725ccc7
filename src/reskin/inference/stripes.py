"""A network on a large picture in little memory: layer by layer, each layer in stripes.

Every map of features still exists as a whole, but what a layer needs beside its input and output does not:
convolutions, with their padding and the enlarging before them, work in stripes of rows; norms, in groups of
channels, write over their input where nothing else reads it. The result is that of the whole picture, but for
the order of sums in float32. Cutting the picture into tiles would change the statistics of every norm
(docs/decisions/0009-stripes.md).

The networks are not changed: inside `striped`, their modules' `forward` is exchanged, and works as always in
other threads and where gradients are wanted.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reskin.inference.edges import (
    EDGES,
    enlarger_mode,
    forward_class,
    kind_of,
    norm_before_blur,
    plain_edges,
    reads_rows,
)
from reskin.inference.recomputed import made_by, normalised
from reskin.inference.rows import Rows, convolved, enlarged, in_stripes, joined, mapped, rows_of, transposed
from reskin.networks.adain import LayerNorm, StyledBlock, adain
from reskin.networks.antialias import BlurDownsample, BlurUpsample
from reskin.networks.attention_generator import Attended, AttentionGenerator, attended
from reskin.networks.bilateral_grid import GradeGenerator, apply_grade
from reskin.networks.blocks import ResizeConv2d, bounded, check_input, mirrored
from reskin.networks.concatenating import ConcatBlock
from reskin.networks.cut import CutGenerator, TappedGenerator
from reskin.networks.fast_style import CutTransposed2d, StyleBlock
from reskin.networks.normalization import InstanceNorm2d, instance_norm
from reskin.networks.refiner import RefinerBlock
from reskin.networks.residual import ResidualBlock
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.shared_latent import LatentBlock
from reskin.networks.unet import UnetGenerator
from reskin.precision import at_least_float32

AT_ONCE, AT_ONCE_ON_GPU = 1 << 18, 1 << 20
"""Values of one map that a stripe takes: 1 MB in float32; 4 MB on a GPU, which smaller ones leave idle."""

_LEAST_CHANNELS = 4
"""Norms take at least so many channels at a time, so that the threads have something to share."""

_BLURRED_AT_ONCE = 8
"""In so many groups of channels a convolution, its norm and its blur are made."""

_RECOMPUTED = 16
"""Stripes of maps that are computed twice are so many times as large: the rows around them cost more."""

_mine = threading.local()
_changing = threading.Lock()


@contextmanager
def striped(model: nn.Module, *, at_once: int | None = None) -> Iterator[None]:
    """Inside the block the model computes in stripes, in this thread and where no gradient is wanted.

    The modules are as they were behind the block, also after an exception. Several threads may be inside at
    once, with one model too.

    Args:
        model: attention, global pooling and modules of unknown kinds stay whole.
        at_once: values of one map that a stripe takes; by default what suits the device of the model.
    """
    at_once = at_once or (AT_ONCE_ON_GPU if any(p.is_cuda for p in model.parameters()) else AT_ONCE)
    before = _at_once()
    modules = [module for module in model.modules() if _method_of(module) is not None]
    with _changing:
        exchanged = [patch for module in modules if (patch := _exchange(module)) is not None]
    _mine.at_once = at_once
    try:
        yield
    finally:
        _mine.at_once = before
        with _changing:
            for patch in exchanged:
                patch.release()


def _at_once() -> int:
    """Values that a stripe of this thread takes; 0 outside of `striped`."""
    return getattr(_mine, "at_once", 0)


class _Patch:
    """Stands instead of a module's method, for as long as anyone uses it."""

    def __init__(self, module: nn.Module, name: str, function: Callable[..., Any]) -> None:
        self.module, self.name, self.function = module, name, function
        self.original = getattr(module, name)
        self.users = 0

    def __call__(self, *args: Any, **settings: Any) -> Any:
        is_map = bool(args) and isinstance(args[0], Tensor) and args[0].ndim == 4
        if not is_map or not _at_once() or torch.is_grad_enabled():
            return self.original(*args, **settings)
        return self.function(self.module, *args, **settings)

    def release(self) -> None:
        self.users -= 1
        if not self.users:
            delattr(self.module, self.name)


def _exchange(module: nn.Module) -> _Patch | None:
    """Put a patch on a module, or join the users of the one that is there."""
    method = _method_of(module)
    assert method is not None, "only modules that have a striped form are exchanged"
    name, function = method
    patch = vars(module).get(name)
    if patch is None:
        patch = _Patch(module, name, function)
        setattr(module, name, patch)
    elif not isinstance(patch, _Patch):
        return None  # someone else has exchanged it, and knows why
    patch.users += 1
    return patch


def _method_of(module: nn.Module) -> tuple[str, Callable[..., Any]] | None:
    """Which method of a module has a striped form, and that form."""
    kind = kind_of(module)
    if kind in _FORWARD:
        return "forward", _FORWARD[kind]
    if kind in EDGES:
        return "forward", _convolution
    if isinstance(module, nn.Conv2d):  # of an unknown kind, that pads for itself or does more besides
        return "_conv_forward", _bare_convolution
    return None


# --- single layers ---


def _convolution(conv: nn.Conv2d, input: Tensor) -> Tensor:
    return _convolved(conv, rows_of(input))


def _convolved(
    conv: nn.Conv2d, rows: Rows, channels: slice = slice(None), *, at_once: int | None = None
) -> Tensor:
    """What a convolution, with its enlarging and padding, makes of a map."""
    if isinstance(conv, ResizeConv2d):
        rows = enlarged(rows, conv.mode)
    edges = EDGES[kind_of(conv)](conv)
    return convolved(rows, conv, edges, at_once=at_once or _at_once(), channels=channels)


def _bare_convolution(conv: nn.Conv2d, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return convolved(rows_of(input), conv, plain_edges(conv), at_once=_at_once())


def _transposed(conv: nn.ConvTranspose2d, input: Tensor, output_size: list[int] | None = None) -> Tensor:
    if output_size is not None or not reads_rows(conv):
        return type(conv).forward(conv, input, output_size)
    return _transposed_rows(conv, rows_of(input))


def _transposed_rows(conv: nn.ConvTranspose2d, rows: Rows) -> Tensor:
    cut = 1 if isinstance(conv, CutTransposed2d) else 0
    return transposed(rows, conv, at_once=_at_once(), cut=cut)


def _downsampled(blur: BlurDownsample, input: Tensor) -> Tensor:
    return _blurred(input)


def _blurred(features: Tensor) -> Tensor:
    """What `BlurDownsample` gives, a group of channels at a time."""
    number, channels, height, width = features.shape
    made = features.new_empty((number, channels, -(-height // 2), -(-width // 2)))
    for group in _groups(features):
        made[:, group] = F.avg_pool2d(F.avg_pool2d(mirrored(features[:, group], 1), 2, stride=1), 2)
    return made


def _upsampled(layer: nn.Module, input: Tensor) -> Tensor:
    mode = enlarger_mode(layer)
    if mode is None:
        return type(layer).forward(layer, input)
    large = enlarged(rows_of(input), mode)
    return in_stripes(large.shape[2], large.row_size, large.read, at_once=_at_once())


# --- norms, in groups of channels ---


def _groups(features: Tensor) -> list[slice]:
    """The channels of a map, a few at a time."""
    number, channels, height, width = features.shape
    step = max(_LEAST_CHANNELS, _at_once() // (number * height * width))
    return [slice(first, min(first + step, channels)) for first in range(0, channels, step)]


def _instance_norm(norm: InstanceNorm2d, input: Tensor, *, is_ours: bool = False, first: int = 0) -> Tensor:
    """An instance norm, over its input if that is ours; `input` begins with the norm's channel `first`."""
    made = input if is_ours else torch.empty_like(input)
    for group in _groups(input):
        of_norm = slice(first + group.start, first + group.stop)
        weight = None if norm.weight is None else norm.weight[of_norm]
        bias = None if norm.bias is None else norm.bias[of_norm]
        made[:, group] = instance_norm(input[:, group], weight, bias, norm.eps)
    return made


def _batch_norm(norm: nn.BatchNorm2d, input: Tensor, *, is_ours: bool = False) -> Tensor:
    if norm.training or norm.running_mean is None:
        return type(norm).forward(norm, input)  # its statistics are of the batch
    made = input if is_ours else torch.empty_like(input)
    for group in _groups(input):
        mean, variance, weight, bias = (
            None if values is None else values[group]
            for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        made[:, group] = F.batch_norm(
            input[:, group], mean, variance, weight=weight, bias=bias, training=False, eps=norm.eps
        )
    return made


def _layer_norm(norm: LayerNorm, features: Tensor, *, is_ours: bool = False) -> Tensor:
    """MUNIT's norm; the variance of all channels is put together from groups: nothing cancels out."""
    groups = _groups(features)
    parts = [
        torch.var_mean(at_least_float32(features[:, group]), dim=(1, 2, 3), correction=0) for group in groups
    ]
    variances, means = torch.stack([part[0] for part in parts]), torch.stack([part[1] for part in parts])
    sizes = means.new_tensor([features[0, group].numel() for group in groups])[:, None]
    mean = (means * (sizes / sizes.sum())).sum(0)
    squares = (sizes * (variances + (means - mean).square())).sum(0)
    spread = (squares / (sizes.sum() - 1)).clamp(min=1e-12).sqrt() + 1e-5
    factor = norm.scale / spread[:, None]  # (N, C)
    shift = norm.shift - mean[:, None] * factor
    made = features if is_ours else torch.empty_like(features)
    for group in groups:
        made[:, group] = torch.addcmul(
            shift[:, group, None, None], features[:, group], factor[:, group, None, None]
        )
    return made


def _adain(features: Tensor, look: Tensor) -> Tensor:
    """`adain` instead of its input; `look` is (N, 2, C): shift and scale."""
    for group in _groups(features):
        features[:, group] = adain(features[:, group], look[:, 0, group], look[:, 1, group])
    return features


_NORMS: dict[type, Callable[..., Tensor]] = {
    InstanceNorm2d: _instance_norm,
    forward_class(nn.BatchNorm2d): _batch_norm,
    LayerNorm: _layer_norm,
}


# --- chains of layers ---


def _flat(layers: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """The layers, with those of sequences inside instead of the sequences."""
    for layer in layers:
        yield from _flat(layer) if type(layer) is nn.Sequential else [layer]


def _chain(value: Tensor | Rows, *layers: nn.Module) -> tuple[Tensor, bool]:
    """What layers make of a map one after the other.

    A convolution's output is seen by the next layer alone, so a norm behind it may write over it.

    Returns:
        The map, and whether it is ours: whether nobody else has it.
    """
    todo, is_ours = list(_flat(layers)), False
    while todo:
        if (step := _fused(value, todo)) is not None:
            value, used = step
            is_ours = True
        else:
            value, is_ours = _single(todo[0], _as_map(value), is_ours)
            used = 1
        del todo[:used]
    return _as_map(value), is_ours


def _as_map(value: Tensor | Rows) -> Tensor:
    if isinstance(value, Tensor):
        return value
    return in_stripes(value.shape[2], value.row_size, value.read, at_once=_at_once())


def _single(layer: nn.Module, value: Tensor, is_ours: bool) -> tuple[Tensor, bool]:
    """One layer; and whether its result is ours."""
    kind = kind_of(layer)
    if kind in _NORMS and value.ndim == 4:
        return _NORMS[kind](layer, value, is_ours=is_ours), True
    keeps = isinstance(layer, (nn.Identity, nn.Dropout)) or getattr(layer, "inplace", False)
    return layer(value), keeps and is_ours


def _fused(value: Tensor | Rows, layers: list[nn.Module]) -> tuple[Tensor, int] | None:
    """A convolution with what is in front of it (activations, enlarging) or behind it (a norm and a blur).

    Returns:
        Its result and how many layers that were; None where no such convolution comes next.
    """
    if isinstance(value, Tensor) and value.ndim != 4:
        return None
    rows, used = rows_of(value) if isinstance(value, Tensor) else value, 0
    while used < len(layers) and (ahead := _readable(layers[used], rows)) is not None:
        rows, used = ahead, used + 1
    conv, behind = (layers[used] if used < len(layers) else None), layers[used + 1 :]
    if (made := _without_the_largest(conv, rows, behind, math.prod(value.shape))) is not None:
        return made[0], used + made[1]
    if isinstance(conv, nn.ConvTranspose2d) and reads_rows(conv):
        return _transposed_rows(conv, rows), used + 1
    if not isinstance(conv, nn.Conv2d) or kind_of(conv) not in EDGES:
        return None
    if blurred := norm_before_blur(conv, behind[:3]):
        return _convolved_and_blurred(conv, blurred, rows), used + 4
    return _convolved(conv, rows), used + 1


def _without_the_largest(
    conv: nn.Module | None, rows: Rows, behind: list[nn.Module], held: int
) -> tuple[Tensor, int] | None:
    """What a convolution, a norm, a ReLU and another convolution make, without the map between them, and how
    many layers that are; None where that map is not twice as large as those before (`held`) and behind."""
    norm, relu, second = [*behind[:3], None, None, None][:3]
    if not isinstance(norm, InstanceNorm2d) or type(relu) is not nn.ReLU or not isinstance(second, nn.Conv2d):
        return None
    between = made_by(conv, rows) if kind_of(second) in EDGES else None
    if between is None:
        return None
    large = math.prod(between.shape)
    blurred = norm_before_blur(second, behind[3:6])
    small = large // between.shape[1] * second.out_channels // math.prod(second.stride)
    if large < 2 * max(held, small // 4 if blurred else small):
        return None
    at_once = _RECOMPUTED * _at_once()
    seen = normalised(between, norm, at_once=at_once)
    if blurred:
        return _convolved_and_blurred(second, blurred, seen, at_once=at_once), 7
    return _convolved(second, seen, at_once=at_once), 4


def _readable(layer: nn.Module, rows: Rows) -> Rows | None:
    """The rows behind a layer that acts on each value alone, or enlarges; None for other layers."""
    if isinstance(layer, (nn.ReLU, nn.LeakyReLU)) and not layer.inplace:
        return mapped(rows, layer)
    mode = enlarger_mode(layer)
    return None if mode is None else enlarged(rows, mode)


def _convolved_and_blurred(
    conv: nn.Conv2d, norm: InstanceNorm2d, rows: Rows, *, at_once: int | None = None
) -> Tensor:
    """A convolution, its norm, a ReLU and a blur to half the size: a group of channels at a time from first
    to last, since what the convolution gives is the largest map of its network."""
    channels = conv.out_channels
    step = max(16, -(-channels // _BLURRED_AT_ONCE))
    made: Tensor | None = None
    for first in range(0, channels, step):
        group = slice(first, min(first + step, channels))
        part = _instance_norm(norm, _convolved(conv, rows, group, at_once=at_once), is_ours=True, first=first)
        part = _blurred(part.relu_())
        if made is None:
            made = part.new_empty((part.shape[0], channels, *part.shape[2:]))
        made[:, group] = part
    assert made is not None, "a convolution has channels"
    return made


def _sequence(sequence: nn.Sequential, input: Tensor) -> Tensor:
    return _chain(input, *sequence)[0]


# --- blocks and generators ---


def _sum(features: Tensor, change: Tensor, is_ours: bool) -> Tensor:
    if is_ours and torch.result_type(features, change) == change.dtype:
        return change.add_(features)
    return features + change


def _residual(block: ResidualBlock | StyleBlock, features: Tensor) -> Tensor:
    layers = [block.conv1, block.norm1, block.relu, block.conv2, block.norm2]
    if isinstance(block, ResidualBlock):
        layers.insert(3, block.dropout)
    return _sum(features, *_chain(features, *layers))


def _latent(block: LatentBlock, features: Tensor) -> Tensor:
    return _sum(features, *_chain(features, block.change))


def _refining(block: RefinerBlock, features: Tensor) -> Tensor:
    change = _convolved(block.conv2, rows_of(_convolved(block.conv1, rows_of(features)).relu_()))
    return _sum(features, change, is_ours=True).relu_()


def _styled(block: StyledBlock, features: Tensor, look: Tensor) -> Tensor:
    first, second = look.unbind(1)
    change = _adain(_convolved(block.conv1, rows_of(features)), first).relu_()
    return _sum(features, _adain(_convolved(block.conv2, rows_of(change)), second), is_ours=True)


def _concatenating(block: ConcatBlock, features: Tensor) -> Tensor:
    change, _ = _chain(features, block.change)
    return _chain(joined(rows_of(change), rows_of(features)), block.join)[0]


def _resnet(net: ResnetGenerator, images: Tensor) -> Tensor:
    check_input(images, channels=net.in_channels, multiple=net.size_multiple, smallest=net.smallest_size)
    # One chain, since a module that is called keeps its input until it is done.
    return bounded(_chain(images, net.stem, net.down, net.blocks, net.up, net.head)[0])


def _unet(net: UnetGenerator, images: Tensor) -> Tensor:
    check_input(images, channels=net.in_channels, multiple=net.size_multiple, smallest=net.size_multiple)
    features, skips = images, []
    for layer in net.down:
        features = layer(features)
        skips.append(features)
    features = net.up[-1](skips.pop())
    for layer in reversed(net.up[:-1]):
        features = _chain(joined(rows_of(skips.pop()), rows_of(features)), layer)[0]
    return bounded(features)


def _attention(net: AttentionGenerator, images: Tensor) -> Attended:
    check_input(images, channels=3, multiple=net.size_multiple, smallest=net.smallest_size)
    inner = net.content
    features = [_chain(images, inner.stem, inner.down, inner.blocks)[0]]
    masks = at_least_float32(_chain(features[0], net.attention)[0]).softmax(dim=1)  # the smaller ones first
    # The features are handed over, so that they are gone when the largest map is made.
    contents = at_least_float32(_chain(features.pop(), inner.up, inner.head)[0]).tanh_().unflatten(1, (-1, 3))

    def put_together(first: int, last: int) -> Tensor:
        part = slice(first, last)
        return attended(images[:, :, part], contents[:, :, :, part], masks[:, :, part]).picture

    row_size = contents[:, :, :, 0].numel()
    picture = in_stripes(images.shape[2], row_size, put_together, at_once=_at_once())
    return Attended(picture, contents, masks)


def _graded(net: GradeGenerator, images: Tensor) -> Tensor:
    grade, height = net.grade(images), images.shape[2]

    def make(first: int, last: int) -> Tensor:
        return apply_grade(images[:, :, first:last], grade, first_row=first, height=height)

    return in_stripes(height, images[:, :, 0].numel(), make, at_once=_at_once())


_FORWARD: dict[type, Callable[..., Any]] = {
    nn.Sequential: _sequence,
    nn.ConvTranspose2d: _transposed,
    CutTransposed2d: _transposed,
    nn.Upsample: _upsampled,
    BlurUpsample: _upsampled,
    BlurDownsample: _downsampled,
    **_NORMS,
    ResidualBlock: _residual,
    StyleBlock: _residual,
    LatentBlock: _latent,
    RefinerBlock: _refining,
    StyledBlock: _styled,
    ConcatBlock: _concatenating,
    ResnetGenerator: _resnet,
    TappedGenerator: _resnet,
    CutGenerator: _resnet,
    UnetGenerator: _unet,
    AttentionGenerator: _attention,
    GradeGenerator: _graded,
}
"""The striped form of `forward` for each class that defines it."""
