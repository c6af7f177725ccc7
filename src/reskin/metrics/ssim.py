"""Structural similarity: whether two pictures have the same lightness, contrast and structure everywhere.

Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE Transactions on
Image Processing 2004, https://doi.org/10.1109/TIP.2003.819861, eq. 13.
"""

from __future__ import annotations

from torch import Tensor

from reskin.losses import structural
from reskin.metrics.facts import Facts
from reskin.metrics.psnr import check_same_shape

FACTS = Facts("ssim", "pair", better="higher", best=1.0, symmetric=True)

WINDOW_PX = 11
"""Height and width of the window in which mean, variance and covariance are taken."""


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
        ShapeError: the shapes differ (nothing is broadcast), or an edge is shorter than the window.

    >>> import torch
    >>> ssim(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))
    tensor([1.])
    """
    check_same_shape(image, reference)
    # Variances are differences of nearly equal numbers: a measurement can afford double precision for them.
    return structural.ssim(image.double(), reference.double(), window=WINDOW_PX).float()
