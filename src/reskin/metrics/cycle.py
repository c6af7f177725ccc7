"""Cycle error: the distance of an image to its reconstruction.

A small error alone proves little. Zhu et al. (ICCV 2017, https://arxiv.org/abs/1703.10593) train for it,
and a network can meet it by hiding the source in faint noise (Chu et al., "CycleGAN, a Master of
Steganography", 2017, https://arxiv.org/abs/1712.02950). Rounding the translation to 8 bits, as every file
does, spoils what is hidden there, and so does noise of half a level: an error that jumps with
`through_8_bits` or in `noise_probe` is the sign of it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("cycle_l1", "cycle", better="lower", best=0.0, symmetric=False)


def cycle_l1(
    images: Tensor,
    there: Callable[[Tensor], Tensor],
    back: Callable[[Tensor], Tensor],
    *,
    through_8_bits: bool = False,
) -> Tensor:
    """Mean absolute difference of each image to its reconstruction; lower is better, 0 is perfect.

    Args:
        images: (N, C, H, W), float, in [-1, 1].
        there: to the other domain; keeps the shape.
        back: from the other domain; keeps the shape.
        through_8_bits: round what `there` gives to the 256 levels of a file before it goes back.

    Returns:
        (N,) in [0, 2]: the unweighted cycle loss of the paper, picture by picture.

    Raises:
        ShapeError: not (N, C, H, W), or a picture comes back in another shape.

    >>> import torch
    >>> cycle_l1(torch.zeros(2, 3, 4, 4), lambda x: x + 0.5, lambda x: x - 0.25)
    tensor([0.2500, 0.2500])
    """
    if images.ndim != 4 or 0 in images.shape:
        raise ShapeError(f"pictures of shape {tuple(images.shape)}", "Wanted (N, C, H, W).")
    halfway = there(images)
    returned = back(round_to_8_bits(halfway) if through_8_bits else halfway)
    if returned.shape != images.shape:
        raise ShapeError(f"pictures of {tuple(images.shape)} came back as {tuple(returned.shape)}")
    return (returned.float() - images.float()).abs().mean(dim=(1, 2, 3))


def round_to_8_bits(images: Tensor) -> Tensor:
    """Pictures in [-1, 1] with every value moved to the nearest that a byte can hold; same shape, float32.

    >>> import torch
    >>> round_to_8_bits(torch.tensor([-1.2, 0.001, 1.0])).mul(127.5).add(127.5).tolist()
    [0.0, 128.0, 255.0]
    """
    return images.float().clamp(-1.0, 1.0).add(1.0).mul(127.5).round().div(127.5).sub(1.0)


def noise_probe(
    images: Tensor,
    there: Callable[[Tensor], Tensor],
    back: Callable[[Tensor], Tensor],
    *,
    levels: float = 0.5,
    seed: int = 0,
) -> Tensor:
    """How many times larger the cycle error is with faint noise on the translation; lower is better.

    About 1 is a reconstruction that reads what everybody sees; far above 1 it reads what is hidden.

    Args:
        images: (N, C, H, W), float, in [-1, 1].
        there: to the other domain; keeps the shape.
        back: from the other domain; keeps the shape.
        levels: deviation of the Gaussian noise, in levels of 255: half of one cannot be seen.
        seed: decides the noise.

    Returns:
        (N,), 1 or more in most cases; an image that was reconstructed to less than a tenth of a level counts
        as one of a tenth of a level.

    Raises:
        ShapeError: as `cycle_l1`.

    >>> import torch
    >>> noise_probe(torch.zeros(1, 1, 4, 4), lambda x: x, lambda x: x + 0.1).round(decimals=1)
    tensor([1.])
    """
    source = torch.Generator().manual_seed(seed)

    def noisy(batch: Tensor) -> Tensor:
        halfway = there(batch)
        noise = torch.randn(halfway.shape, generator=source) * (levels / 127.5)
        return halfway.float() + noise.to(halfway.device)

    plain = cycle_l1(images, there, back).clamp_min(0.1 / 127.5)
    return cycle_l1(images, noisy, back) / plain
