"""Coupled networks: two generators, or two discriminators, that are one where it matters.

Liu and Tuzel, "Coupled Generative Adversarial Networks", NeurIPS 2016, https://arxiv.org/abs/1606.07536.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal

import torch
from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.blocks import Norm, bounded
from reskin.networks.normalization import InstanceNorm2d
from reskin.precision import at_least_float32
from reskin.types import Domain

NOISE_SIZE = 100
"""Numbers in a code, from which a pair of pictures is made."""


class CoupledGenerators(nn.Module):
    """Makes a pair of pictures, one of each domain, from one code; the layers near the code are one.

    Args:
        shared: from (N, 100, 1, 1), for both domains.
        last_a: from what `shared` gives to a picture of domain A.
        last_b: the same for domain B.
        output: what holds the values in range: "tanh" to [-1, 1] or "sigmoid" to [0, 1].
    """

    def __init__(
        self,
        shared: nn.Sequential,
        last_a: nn.Sequential,
        last_b: nn.Sequential,
        *,
        output: Literal["tanh", "sigmoid"] = "tanh",
    ) -> None:
        super().__init__()
        self.shared, self.last_a, self.last_b = shared, last_a, last_b
        self.output = output

    def branch(self, domain: Domain) -> list[nn.Module]:
        """The layers of one domain's generator, from code to picture; some are the other domain's too."""
        return [*self.shared, *(self.last_a if domain == "a" else self.last_b)]

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """A picture of A and a picture of B for each of `codes`, (N, 100)."""
        features = self.shared(codes[:, :, None, None])
        return self._ranged(self.last_a(features)), self._ranged(self.last_b(features))

    def one_domain(self, codes: Tensor, domain: Domain) -> Tensor:
        """The pictures of one domain alone."""
        features = self.shared(codes[:, :, None, None])
        return self._ranged((self.last_a if domain == "a" else self.last_b)(features))

    def _ranged(self, values: Tensor) -> Tensor:
        return bounded(values) if self.output == "tanh" else torch.sigmoid(at_least_float32(values))


class CoupledDiscriminators(nn.Module):
    """Judges pictures of both domains; the layers near the answer are one.

    Args:
        first_a: from pictures of domain A.
        first_b: from pictures of domain B, to as many channels.
        shared: from there to two logits, "fake" and "real".
        picture_size: the height and width of the pictures, px.
    """

    def __init__(
        self, first_a: nn.Sequential, first_b: nn.Sequential, shared: nn.Sequential, *, picture_size: int
    ) -> None:
        super().__init__()
        self.first_a, self.first_b, self.shared = first_a, first_b, shared
        self.picture_size = picture_size

    def branch(self, domain: Domain) -> list[nn.Module]:
        """The layers of one domain's discriminator, from picture to logits; some are also the other's."""
        return [*(self.first_a if domain == "a" else self.first_b), *self.shared]

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """How real pictures of each domain look; higher is more.

        Args:
            a: (N, channels, picture_size, picture_size), of domain A.
            b: as many, of domain B; they go through the shared layers together.

        Returns:
            (N,) and (N,): logit of "real" less logit of "fake", so that cross-entropy over the two is
            binary cross-entropy of this number.

        Raises:
            ShapeError: the pictures have another size.
        """
        for images in (a, b):
            if images.shape[-2:] != (self.picture_size,) * 2:
                raise ShapeError(
                    f"a picture of {images.shape[-1]}x{images.shape[-2]} px, "
                    f"wanted {self.picture_size}x{self.picture_size}"
                )
        logits = at_least_float32(self.shared(torch.cat([self.first_a(a), self.first_b(b)]))).flatten(1)
        margin_a, margin_b = (logits[:, 1] - logits[:, 0]).chunk(2)
        return margin_a, margin_b


def digit_generators(channels: int = 1) -> CoupledGenerators:
    """The paper's pair for handwritten digits, 28 px, values in [0, 1]; only the last layers are private.

    >>> sum(p.numel() for p in digit_generators().parameters())
    7842694
    """
    shared = nn.Sequential(*_up(NOISE_SIZE, 1024, kernel=4, stride=1, padding=0, norm="batch"))
    for many, few in ((1024, 512), (512, 256), (256, 128)):  # 7, 13, 25 px
        shared.extend(_up(many, few, kernel=3, stride=2, padding=1, norm="batch"))
    last_a, last_b = (nn.Sequential(nn.ConvTranspose2d(128, channels, 6, padding=1)) for _ in "ab")
    return CoupledGenerators(shared, last_a, last_b, output="sigmoid")


def digit_discriminators(channels: int = 1) -> CoupledDiscriminators:
    """The paper's pair for handwritten digits, 28 px; only the first layers are private.

    >>> sum(p.numel() for p in digit_discriminators().parameters())
    427593
    """
    first_a, first_b = (nn.Sequential(nn.Conv2d(channels, 20, 5), nn.MaxPool2d(2)) for _ in "ab")
    shared = nn.Sequential(
        nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Conv2d(50, 500, 4), nn.PReLU(), nn.Conv2d(500, 2, 1)
    )
    return CoupledDiscriminators(first_a, first_b, shared, picture_size=28)


def picture_generators(
    width: int = 32, picture_size: int = 128, *, sharing: float = 2 / 3, norm: Norm = "batch"
) -> CoupledGenerators:
    """The paper's pair for faces, for other sizes too: from 4 px, doubled until the size is reached.

    Args:
        width: channels of the last features; each doubling before halves them.
        picture_size: a power of two, at least 8, in px; 128 is the paper's.
        sharing: share of the layers, from the code on, that both domains have in common.
        norm: "batch" is the paper's.

    Raises:
        SettingsError: `picture_size` is no such number.

    >>> a, b = picture_generators(2, 32)(torch.zeros(3, 100))
    >>> a.shape == b.shape == (3, 3, 32, 32)
    True
    """
    widths = [width * 2**n for n in reversed(range(_doublings(picture_size) - 1))]

    def layers() -> list[nn.Sequential]:
        chain = [nn.Sequential(*_up(NOISE_SIZE, widths[0], kernel=4, stride=1, padding=0, norm=norm))]
        for many, few in itertools.pairwise(widths):
            chain.append(nn.Sequential(*_up(many, few, kernel=4, stride=2, padding=1, norm=norm)))
        return [*chain, nn.Sequential(nn.Conv2d(width, 3, 3, padding=1))]

    one, other = layers(), layers()
    split = min(round(sharing * len(one)), len(one) - 1)
    return CoupledGenerators(_joined(one[:split]), _joined(one[split:]), _joined(other[split:]))


def picture_discriminators(
    width: int = 32, picture_size: int = 128, *, sharing: float = 2 / 3, norm: Norm = "batch"
) -> CoupledDiscriminators:
    """The paper's pair for faces, for other sizes too: halved to 2 px, then two layers that see everything.

    The first three convolutions see 5x5, the others 3x3; the last four are followed by dropout of 0.1, 0.3,
    0.3 and 0.5 (which four they are is not published), the layer before the logits by one of 0.5.

    Args:
        width: channels after the first layer; each downsampling doubles them.
        picture_size: as in `picture_generators`.
        sharing: share of the layers, from the logits back, that both domains have in common.
        norm: "batch" is the paper's; the first layer has none.

    Raises:
        SettingsError: `picture_size` is no such number.

    >>> a, b = picture_discriminators(2, 32)(torch.zeros(3, 3, 32, 32), torch.zeros(3, 3, 32, 32))
    >>> a.shape == b.shape == (3,)
    True
    """
    count = _doublings(picture_size) - 1
    drops = ([0.0] * count + [0.1, 0.3, 0.3, 0.5])[-count:]

    def layers() -> list[nn.Sequential]:
        chain, now = [], 3
        for place, drop in enumerate(drops):
            wider, kernel = width * 2**place, 5 if place < 3 else 3
            layer = [nn.Conv2d(now, wider, kernel, stride=2, padding=kernel // 2)]
            chain.append(nn.Sequential(*layer, *([_norm(norm, wider)] if place else []), nn.PReLU()))
            if drop:
                chain[-1].append(nn.Dropout(drop))
            now = wider
        chain.append(nn.Sequential(nn.Flatten(), nn.Linear(4 * now, 2 * now), nn.PReLU(), nn.Dropout(0.5)))
        return [*chain, nn.Sequential(nn.Linear(2 * now, 2))]

    one, other = layers(), layers()
    split = len(one) - min(round(sharing * len(one)), len(one) - 1)
    return CoupledDiscriminators(
        _joined(one[:split]), _joined(other[:split]), _joined(one[split:]), picture_size=picture_size
    )


def invert(
    generators: CoupledGenerators, image: Tensor, domain: Domain, starts: Tensor, *, steps: int
) -> Tensor:
    """The code whose picture of `domain` is nearest to `image`, found by L-BFGS from several starts.

    The generators learn nothing from it and must be in evaluation mode. It may be called where gradients
    are switched off.

    Args:
        generators: what makes pictures of codes.
        image: (C, H, W) of the size that the generators make.
        domain: whose picture it is.
        starts: (K, 100); each is followed by itself, and the one that comes nearest is kept.
        steps: of L-BFGS, from each start.

    Returns:
        (100,).
    """
    device = image.device.type
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
        wanted = image.detach().clone()
        found = [_descend(generators, wanted, domain, start.clone(), steps) for start in starts]
    distances = torch.stack([distance for distance, _ in found])
    return torch.stack([code for _, code in found])[distances.argmin()]


def _descend(
    generators: CoupledGenerators, wanted: Tensor, domain: Domain, code: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """The mean squared distance that L-BFGS reaches from `code`, and where."""
    code.requires_grad_()
    search = torch.optim.LBFGS([code], max_iter=steps, history_size=20, line_search_fn="strong_wolfe")

    def distance() -> Tensor:
        search.zero_grad()
        difference = (generators.one_domain(code[None], domain)[0] - wanted).square().mean()
        (code.grad,) = torch.autograd.grad(difference, [code])  # of the code alone, not of the weights
        return difference

    search.step(distance)
    with torch.no_grad():
        return (generators.one_domain(code[None], domain)[0] - wanted).square().mean(), code.detach()


def _up(
    in_channels: int, out_channels: int, *, kernel: int, stride: int, padding: int, norm: Norm
) -> list[nn.Module]:
    """A transposed convolution with its norm and activation."""
    convolution = nn.ConvTranspose2d(in_channels, out_channels, kernel, stride, padding=padding)
    return [convolution, _norm(norm, out_channels), nn.PReLU()]


def _norm(kind: Norm, channels: int) -> nn.Module:
    """A norm that has no scale and shift of its own."""
    return nn.BatchNorm2d(channels, affine=False) if kind == "batch" else InstanceNorm2d(channels)


def _joined(layers: list[nn.Sequential]) -> nn.Sequential:
    """One chain of the layers of several."""
    return nn.Sequential(*(layer for chain in layers for layer in chain))


def _doublings(picture_size: int) -> int:
    """Doublings from one pixel to the picture."""
    doublings = round(math.log2(max(picture_size, 1)))
    if 2**doublings != picture_size or doublings < 3:
        raise SettingsError(f"pictures of {picture_size} px", "Use 8, 16, 32, 64, 128 or 256.")
    return doublings
