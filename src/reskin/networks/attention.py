"""What SAGAN adds to a network: attention over the whole picture, and weights of bounded size.

Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019, https://arxiv.org/abs/1805.08318;
Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018,
https://arxiv.org/abs/1802.05957.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from reskin.errors import ShapeError
from reskin.networks.patchgan import Discriminator
from reskin.networks.resnet import ResnetGenerator

AFTER_BLOCK = 5
"""Residual block of a generator after which it attends: there the picture is a quarter of its size."""

AFTER_CONVOLUTION = 3
"""Convolution of a discriminator after which it attends: an eighth of the size, for 3 layers."""


class SelfAttention(nn.Module):
    """Adds to each position a mixture of what is at all positions; at the start it adds nothing.

    The paper's symbols: f (queries), g (keys), h (values), v (out) and gamma. Four 1x1 convolutions without
    bias, an eighth of the channels for queries and keys and half of them for values; scores are not divided
    by the root of their length.

    Args:
        channels: of the features, at least 1.
        is_pooled: keys and values are the largest of each 2x2 positions, as in the published code: a quarter
            of the memory.
    """

    def __init__(self, channels: int, *, is_pooled: bool = True) -> None:
        super().__init__()
        self.is_pooled = is_pooled
        self.queries = nn.Conv2d(channels, max(1, channels // 8), 1, bias=False)
        self.keys = nn.Conv2d(channels, max(1, channels // 8), 1, bias=False)
        self.values = nn.Conv2d(channels, max(1, channels // 2), 1, bias=False)
        self.out = nn.Conv2d(max(1, channels // 2), channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape.

        Raises:
            ShapeError: H or W is 1 and the keys are pooled.
        """
        queries, keys, values = self._projected(features)
        # The table of scores is never written out where the device can do without; it wants an axis of heads.
        seen = F.scaled_dot_product_attention(queries[:, None], keys[:, None], values[:, None], scale=1.0)
        seen = seen[:, 0].transpose(1, 2).unflatten(2, features.shape[-2:])  # (N, C/2, H, W)
        return features + self.gamma * self.out(seen)

    def shares(self, features: Tensor) -> Tensor:
        """How much each position takes from each key, (N, H * W, keys); every row adds up to 1."""
        queries, keys, _ = self._projected(features)
        return (queries @ keys.transpose(1, 2)).softmax(dim=2)

    def _projected(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (N, positions, their channels)."""
        if self.is_pooled and min(features.shape[-2:]) < 2:
            raise ShapeError(
                f"attention over {features.shape[-1]}x{features.shape[-2]} positions cannot pool its keys",
                "Use larger pictures.",
            )
        parts = [self.queries(features), self.keys(features), self.values(features)]
        if self.is_pooled:
            parts[1:] = [F.max_pool2d(part, 2) for part in parts[1:]]
        queries, keys, values = (part.flatten(2).transpose(1, 2) for part in parts)
        return queries, keys, values


def attend_in_generator(generator: ResnetGenerator) -> None:
    """Give a ResNet generator self-attention after its fifth block, or after the last if it has fewer.

    >>> from reskin.networks.resnet import ResnetGenerator
    >>> generator = ResnetGenerator(4, 6)
    >>> attend_in_generator(generator)
    >>> type(generator.blocks[5]).__name__
    'SelfAttention'
    """
    channels = _last_width(generator.down)
    generator.blocks.insert(min(AFTER_BLOCK, len(generator.blocks)), SelfAttention(channels))


def attend_in_discriminator(discriminator: Discriminator) -> None:
    """Give a discriminator self-attention after its third convolution, with its norm and activation.

    A discriminator of so few layers that the third is its last attends before that one.

    >>> from reskin.networks.patchgan import patch_discriminator
    >>> discriminator = patch_discriminator(4)
    >>> attend_in_discriminator(discriminator)
    >>> [type(layer).__name__ for layer in discriminator.layers][7:10]
    ['LeakyReLU', 'SelfAttention', 'Conv2d']
    """
    layers = discriminator.layers
    places = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    place = places[min(AFTER_CONVOLUTION, len(places) - 1)]  # of the convolution that comes next
    layers.insert(place, SelfAttention(_last_width(list(layers)[:place])))


def _last_width(layers: Iterable[nn.Module]) -> int:
    """Channels that come out of the last convolution."""
    return [layer.out_channels for layer in layers if isinstance(layer, nn.Conv2d)][-1]


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value, which one power iteration per training pass follows.

    Its state is the vector u, so a run that goes on from a checkpoint finds the same value.

    Args:
        weight: to begin with; any shape.
        dim: the axis of output channels: 1 for a transposed convolution, else 0.
    """

    def __init__(self, weight: Tensor, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.u: Tensor
        u = torch.randn(weight.shape[dim], dtype=weight.dtype, device=weight.device)
        self.register_buffer("u", F.normalize(u, dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, its largest singular value now near 1; in evaluation u stays as it is."""
        if weight.is_meta:  # a network without memory, of which only the sizes are asked
            return weight
        # Written as sums, which autocast leaves in float32: a rough norm would scale the whole layer.
        matrix = weight.transpose(0, self.dim).flatten(1)
        with torch.no_grad():
            v = F.normalize((matrix * self.u[:, None]).sum(dim=0), dim=0)
            if self.training:
                self.u.copy_(F.normalize((matrix * v).sum(dim=1), dim=0))
            outer = self.u[:, None] * v  # a copy, since the next pass changes u before this one's gradient
        return weight / (matrix * outer).sum()


def add_spectral_norm(network: nn.Module) -> None:
    """Put every convolution and linear layer of `network` under spectral norm; draw its weights before.

    >>> layer = nn.Linear(2, 2, bias=False)
    >>> with torch.no_grad():
    ...     layer.weight.copy_(torch.diag(torch.tensor([3.0, 1.0]))) is None
    False
    >>> add_spectral_norm(layer)
    >>> for _ in range(20):
    ...     output = layer(torch.eye(2))
    >>> [round(value, 4) for value in layer.eval()(torch.ones(2)).tolist()]
    [1.0, 0.3333]
    """
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            dim = int(isinstance(layer, nn.ConvTranspose2d))
            parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight, dim))


def without_norms(network: nn.Module) -> None:
    """Take the instance norms out of `network`; the other layers keep their names.

    >>> from reskin.networks.patchgan import patch_discriminator
    >>> discriminator = patch_discriminator(4)
    >>> without_norms(discriminator)
    >>> any(isinstance(layer, nn.InstanceNorm2d) for layer in discriminator.modules())
    False
    """
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.InstanceNorm2d):
                setattr(parent, name, nn.Identity())
