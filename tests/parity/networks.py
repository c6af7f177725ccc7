"""The papers' networks as plain functions of a table of weights, written from their descriptions.

Nothing of the package is used here: convolutions and padding are torch's, norms are spelled out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


def layers(w: Weights, prefix: str) -> list[Weights]:
    """The layers under a name in their order, each with its weight, bias, scale and shift."""
    found: dict[str, Weights] = {}
    for key, value in w.items():
        if key.startswith(prefix + "."):
            layer, _, kind = key.rpartition(".")
            found.setdefault(layer, {})[kind] = value
    return list(found.values())


def conv(x: Tensor, layer: Weights, *, stride: int = 1, padding: int = 0, mirrored: int = 0) -> Tensor:
    x = F.pad(x, (mirrored,) * 4, mode="reflect") if mirrored else x
    return F.conv2d(x, layer["weight"], layer.get("bias"), stride=stride, padding=padding)


def upconv(
    x: Tensor, layer: Weights, *, output_padding: int = 1, padding: int = 1, stride: int = 2
) -> Tensor:
    return F.conv_transpose2d(
        x, layer["weight"], layer.get("bias"), stride=stride, padding=padding, output_padding=output_padding
    )


def normed(x: Tensor, dims: tuple[int, ...] = (2, 3)) -> Tensor:
    """Mean 0 and (biased) variance 1 over `dims`, eps 1e-5: instance norm, or batch norm over (0, 2, 3)."""
    mean = x.mean(dims, keepdim=True)
    variance = (x - mean).square().mean(dims, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def batch_norm(x: Tensor, layer: Weights) -> Tensor:
    return normed(x, (0, 2, 3)) * layer["weight"][:, None, None] + layer["bias"][:, None, None]


def layer_norm(x: Tensor, layer: Weights) -> Tensor:
    """MUNIT's: over a whole picture, unbiased standard deviation plus 1e-5, then scale and shift."""
    flat = x.flatten(1)
    mean, deviation = (value.view(-1, 1, 1, 1) for value in (flat.mean(1), flat.std(1)))
    return (x - mean) / (deviation + 1e-5) * layer["scale"][:, None, None] + layer["shift"][:, None, None]


def block(x: Tensor, pair: list[Weights], *, mirrored: bool = True) -> Tensor:
    """A residual block of two 3x3 convolutions with instance norm, no activation after the sum."""
    how = {"mirrored": 1} if mirrored else {"padding": 1}
    return x + normed(conv(normed(conv(x, pair[0], **how)).relu(), pair[1], **how))


def blur_down(x: Tensor) -> Tensor:
    kernel = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype)
    kernel = (kernel[:, None] * kernel / 16).expand(x.shape[1], 1, 3, 3)
    return F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), kernel, stride=2, groups=x.shape[1])


def blur_up(x: Tensor) -> Tensor:
    kernel = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype)
    kernel = (kernel[:, None] * kernel / 16).expand(x.shape[1], 1, 4, 4)
    wide = F.pad(x, (1,) * 4, mode="replicate")
    return F.conv_transpose2d(wide, kernel, stride=2, padding=2, groups=x.shape[1])[..., 1:-1, 1:-1]


def trunk(w: Weights, name: str, x: Tensor, *, antialias: bool = False) -> tuple[Tensor, list[Tensor]]:
    """The ResNet generator up to its last residual block; and CUT's taps."""
    taps = [F.pad(x, (3,) * 4, mode="reflect")]
    (stem,) = layers(w, f"{name}.stem")
    x = normed(conv(x, stem, mirrored=3)).relu()
    for down in layers(w, f"{name}.down"):
        x = conv(x, down, stride=1 if antialias else 2, padding=1)
        taps.append(x)
        x = blur_down(normed(x).relu()) if antialias else normed(x).relu()
    convolutions = layers(w, f"{name}.blocks")
    for first in range(0, len(convolutions), 2):
        x = block(x, convolutions[first : first + 2])
        taps.append(x)
    return x, taps


def resnet(w: Weights, name: str, x: Tensor, *, antialias: bool = False) -> Tensor:
    x, _ = trunk(w, name, x, antialias=antialias)
    for up in layers(w, f"{name}.up"):
        x = conv(blur_up(x), up, padding=1) if antialias else upconv(x, up)
        x = normed(x).relu()
    return conv(x, layers(w, f"{name}.head")[0], mirrored=3).tanh()


def patchgan(w: Weights, name: str, x: Tensor, *, antialias: bool = False) -> Tensor:
    first, *middle, last = layers(w, name)
    x = F.leaky_relu(conv(x, first, stride=1 if antialias else 2, padding=1), 0.2)
    x = blur_down(x) if antialias else x
    for number, layer in enumerate(middle, start=1):
        is_last = number == len(middle)
        x = F.leaky_relu(normed(conv(x, layer, stride=1 if is_last or antialias else 2, padding=1)), 0.2)
        x = blur_down(x) if antialias and not is_last else x
    return conv(x, last, padding=1)


def batch_norm_patchgan(w: Weights, name: str, x: Tensor) -> Tensor:
    first, *middle, last = layers(w, name)
    x = F.leaky_relu(conv(x, first, stride=2, padding=1), 0.2)
    pairs = list(zip(middle[::2], middle[1::2], strict=True))
    for number, (layer, norm) in enumerate(pairs, start=1):
        stride = 1 if number == len(pairs) else 2
        x = F.leaky_relu(batch_norm(conv(x, layer, stride=stride, padding=1), norm), 0.2)
    return conv(x, last, padding=1)


def unet(w: Weights, name: str, x: Tensor, depth: int) -> Tensor:
    """The U-Net with batch norm, of `depth` downsamplings, without dropout."""
    skips = [conv(x, layers(w, f"{name}.down.0")[0], stride=2, padding=1)]
    for level in range(1, depth):
        convolution, *norm = layers(w, f"{name}.down.{level}")
        x = conv(F.leaky_relu(skips[-1], 0.2), convolution, stride=2, padding=1)
        skips.append(batch_norm(x, norm[0]) if norm else x)
    x = skips.pop()
    for level in range(depth - 1, 0, -1):
        convolution, norm_after = layers(w, f"{name}.up.{level}")
        x = batch_norm(upconv(x.relu(), convolution, output_padding=0), norm_after)
        x = torch.cat([skips.pop(), x], dim=1)
    return upconv(x.relu(), layers(w, f"{name}.up.0")[0], output_padding=0).tanh()


def attention(w: Weights, name: str, x: Tensor) -> Tensor:
    """AttentionGAN's second version: nine contents and the input, blended by ten masks."""
    features, _ = trunk(w, f"{name}.content", x)
    contents, masks = features, features
    for up in layers(w, f"{name}.content.up"):
        contents = normed(upconv(contents, up)).relu()
    contents = conv(contents, layers(w, f"{name}.content.head")[0], mirrored=3).tanh()
    *ups, last = layers(w, f"{name}.attention")
    for up in ups:
        masks = normed(upconv(masks, up)).relu()
    shares = conv(masks, last).softmax(1)
    parts = [shares[:, k : k + 1] * contents[:, 3 * k : 3 * k + 3] for k in range(9)]
    return torch.stack(parts).sum(0) + shares[:, 9:] * x


def content_code(w: Weights, name: str, x: Tensor) -> Tensor:
    stem, *rest = layers(w, name)
    x = normed(conv(x, stem, mirrored=3)).relu()
    for down in rest[:2]:
        x = normed(conv(x, down, stride=2, mirrored=1)).relu()
    for first in range(2, len(rest), 2):
        x = block(x, rest[first : first + 2])
    return x


def style_code(w: Weights, name: str, x: Tensor) -> Tensor:
    stem, *downs, last = layers(w, name)
    x = conv(x, stem, mirrored=3).relu()
    for down in downs:
        x = conv(x, down, stride=2, mirrored=1).relu()
    return conv(x.mean((2, 3), keepdim=True), last).flatten(1)


def styled(w: Weights, name: str, content: Tensor, style: Tensor) -> Tensor:
    """MUNIT's decoder: AdaIN in the residual blocks (shift, then scale), layer norm after each upsampling."""
    for number, layer in enumerate(layers(w, f"{name}.mlp")):
        style = style.relu() if number else style
        style = style @ layer["weight"].T + layer["bias"]
    x, channels = content, content.shape[1]
    numbers = iter(style.split(channels, dim=1))

    def adain(features: Tensor) -> Tensor:
        shift, scale = next(numbers), next(numbers)
        return normed(features) * scale[..., None, None] + shift[..., None, None]

    convolutions = layers(w, f"{name}.blocks")
    for first, second in zip(convolutions[::2], convolutions[1::2], strict=True):
        x = x + adain(conv(adain(conv(x, first, mirrored=1)).relu(), second, mirrored=1))
    *ups, last = layers(w, f"{name}.enlarger")
    for convolution, norm in zip(ups[::2], ups[1::2], strict=True):
        wide = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = layer_norm(conv(wide, convolution, mirrored=2), norm).relu()
    return conv(x, last, mirrored=3).tanh()


def multiscale(w: Weights, name: str, x: Tensor, scales: int) -> list[Tensor]:
    judged = []
    for scale in range(scales):
        y = x
        *downs, last = layers(w, f"{name}.scales.{scale}")
        for down in downs:
            y = F.leaky_relu(conv(y, down, stride=2, mirrored=1), 0.2)
        judged.append(conv(y, last))
        x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    return judged


def unit_encoder(w: Weights, name: str, x: Tensor) -> Tensor:
    stem, *rest = layers(w, name)
    x = F.leaky_relu(conv(x, stem, padding=3), 0.01)
    for down in rest[:2]:
        x = normed(conv(x, down, stride=2, padding=1)).relu()
    for first in range(2, len(rest), 2):
        x = block(x, rest[first : first + 2], mirrored=False)
    return block(x, layers(w, "enc_shared"), mirrored=False)


def unit_decoder(w: Weights, name: str, code: Tensor) -> Tensor:
    x = block(code, layers(w, "dec_shared"), mirrored=False)
    *convolutions, up1, up2, last = layers(w, name)
    for first in range(0, len(convolutions), 2):
        x = block(x, convolutions[first : first + 2], mirrored=False)
    for up in (up1, up2):
        x = normed(upconv(x, up)).relu()
    return upconv(x, last, output_padding=0, padding=0, stride=1).tanh()


def unit_discriminator(w: Weights, name: str, x: Tensor) -> Tensor:
    *downs, last = layers(w, name)
    for down in downs:
        x = F.leaky_relu(conv(x, down, stride=2, padding=1), 0.01)
    return conv(x, last)
