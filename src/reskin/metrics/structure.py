"""Whether a translation kept the structure of its source, whatever became of colour, tone and light.

The local correlation of luminance, as in the structure term of SSIM (Wang et al., "Image Quality Assessment:
From
Error Visibility to Structural Similarity", 2004, eq. 10), in square windows, each weighted by the source's
contrast
there: flat regions, where correlation is that of noise, count little.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts
from reskin.metrics.psnr import check_same_shape

FACTS = Facts("structure", "pair", better="higher", best=1.0, symmetric=False)

WINDOW_PX = 9
"""Edge of the window."""

_STEADY = 4.0 / 127.5**2
"""Added to both variances: two levels of 255 squared, so that noise in flat regions correlates with
nothing."""

_LUMA = (0.299, 0.587, 0.114)


def structure(image: Tensor, source: Tensor) -> Tensor:
    """Local correlation of luminance with the source; higher is more of its structure kept, 1 is all.

    Args:
        image: (N, 3, H, W), float, in [-1, 1]: the translation.
        source: the same shape and range.

    Returns:
        (N,) in [-1, 1]: 1 for the source itself, at any contrast that is not lower; 0 where the source has
        no contrast anywhere.

    Raises:
        ShapeError: the shapes differ, not three channels, or an edge is shorter than the window.

    >>> picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    >>> bool(structure(0.5 * picture + 0.2, picture) > 0.99), bool(structure(-picture, picture) < -0.99)
    (True, True)
    """
    check_same_shape(image, source)
    if image.shape[1] != 3 or min(image.shape[2:]) < WINDOW_PX:
        raise ShapeError(
            f"pictures of shape {tuple(image.shape)} for the structure measure",
            f"Wanted (N, 3, H, W) with edges of {WINDOW_PX} px or more.",
        )
    one, two = _luminance(image), _luminance(source)
    mean_one, mean_two = _windowed(one), _windowed(two)
    variance_one = (_windowed(one * one) - mean_one**2).clamp_min(0)
    variance_two = (_windowed(two * two) - mean_two**2).clamp_min(0)
    covariance = _windowed(one * two) - mean_one * mean_two
    scale = ((variance_one + _STEADY) * (variance_two + _STEADY)).sqrt()
    weight = variance_two.sqrt()
    reached = (weight * covariance / scale).sum(dim=(1, 2, 3))
    # The most that the constant in the denominator leaves: of the source itself, or of more contrast.
    larger = torch.maximum(variance_one, variance_two)
    reachable = (larger * variance_two / ((larger + _STEADY) * (variance_two + _STEADY))).sqrt()
    best = (weight * reachable).sum(dim=(1, 2, 3))
    return torch.where(best > 0, reached / best.clamp_min(torch.finfo(best.dtype).tiny), best).float()


def _luminance(images: Tensor) -> Tensor:
    """(N, 1, H, W), float64: variances are differences of nearly equal numbers."""
    weights = torch.tensor(_LUMA, dtype=torch.float64, device=images.device)
    return torch.einsum("c,nchw->nhw", weights, images.double())[:, None]


def _windowed(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, WINDOW_PX, stride=1)
