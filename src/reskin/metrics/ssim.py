"""Structural similarity: whether two pictures have the same lightness, contrast and structure everywhere.

Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE Transactions on
Image Processing 2004, https://doi.org/10.1109/TIP.2003.819861, eq. 13.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts
from reskin.metrics.psnr import check_same_shape

FACTS = Facts("ssim", "pair", better="higher", best=1.0, symmetric=True)

WINDOW_PX = 11
"""Side of the window in which mean, variance and covariance are taken."""

_SIGMA_PX = 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim(image: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity of each picture; higher is closer, 1 is equal.

    Values are brought to [0, 1] first, because the lightness term depends on where 0 lies. The window is a
    Gaussian of 11 px with sigma 1.5 px that stays inside the picture; each colour channel counts alike.

    Args:
        image: (N, C, H, W), float, in [-1, 1]; H, W >= 11.
        reference: same shape and range as `image`.

    Returns:
        (N,) in [-1, 1].

    Raises:
        ShapeError: the shapes differ (nothing is broadcast), or a side is shorter than the window.

    >>> import torch
    >>> ssim(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))
    tensor([1.])
    """
    check_same_shape(image, reference)
    if min(image.shape[-2:]) < WINDOW_PX:
        size = " x ".join(str(side) for side in image.shape[-2:])
        raise ShapeError(f"SSIM of pictures of {size} px", f"It wants sides of {WINDOW_PX} px or more.")
    # Variances are differences of nearly equal numbers: in TF32 or bfloat16 they would be mostly rounding.
    x, y = (image.double() + 1) / 2, (reference.double() + 1) / 2
    moments = _blur(torch.stack([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, square_x, square_y, product = moments
    variance_x, variance_y = square_x - mean_x**2, square_y - mean_y**2
    covariance = product - mean_x * mean_y
    lightness = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return (lightness * structure).mean(dim=(1, 2, 3)).float()


def _blur(images: Tensor) -> Tensor:
    """The Gaussian mean around every pixel whose window lies inside: (..., H, W) to (..., H - 10, W - 10)."""
    offsets = torch.arange(WINDOW_PX, dtype=images.dtype, device=images.device) - WINDOW_PX // 2
    weights = torch.exp(-(offsets**2) / (2 * _SIGMA_PX**2))
    # Eleven shifted sums each way: convolutions in double precision take a slow path on a CPU.
    for dim in (-2, -1):
        size = images.shape[dim] - WINDOW_PX + 1
        shifted = (images.narrow(dim, start, size) for start in range(WINDOW_PX))
        total = torch.zeros((), dtype=images.dtype, device=images.device)
        for weight, part in zip(weights / weights.sum(), shifted, strict=True):
            total = total + weight * part
        images = total
    return images
