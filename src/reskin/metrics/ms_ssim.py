"""MS-SSIM: structural similarity at several sizes.

Wang et al., "Multi-scale Structural Similarity for Image Quality Assessment", Asilomar 2003,
https://doi.org/10.1109/ACSSC.2003.1292216. A nearly constant image scores well whatever its tint: it stands
beside PSNR, not in its stead.
"""

from __future__ import annotations

from torch import Tensor

from reskin.errors import ShapeError
from reskin.losses import structural
from reskin.metrics.facts import Facts
from reskin.metrics.psnr import check_same_shape

FACTS = Facts("ms_ssim", "pair", better="higher", best=1.0, symmetric=True)

WINDOWS_PX = (11, 7)
"""Width of the Gaussian window: that of the paper, and one for images too small for it."""


def protocol(edge: int) -> tuple[int, int]:
    """Scales and window, px, for images of this shorter edge, px; a reported number should state them.

    The paper's five scales and 11 px where they fit; else five scales and 7 px; else as many scales of 7 px
    as fit, with the exponents scaled to add up to 1.

    Raises:
        ShapeError: not even one scale fits.

    >>> protocol(256), protocol(128), protocol(64)
    ((5, 11), (5, 7), (4, 7))
    """
    for window in WINDOWS_PX:
        scales = structural.most_scales(edge, window)
        if scales == len(structural.SCALE_WEIGHTS):
            return scales, window
    scales = structural.most_scales(edge, WINDOWS_PX[-1])
    if not scales:
        raise ShapeError(f"MS-SSIM of images of {edge} px", f"It wants edges of {WINDOWS_PX[-1]} px or more.")
    return scales, WINDOWS_PX[-1]


def ms_ssim(image: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity of each image at several sizes; higher is closer, 1 is equal.

    Args:
        image: (N, C, H, W), float, in [-1, 1]; H, W >= 7. `protocol` says which scales and window are taken.
        reference: same shape and range as `image`.

    Returns:
        (N,) in [0, 1].

    Raises:
        ShapeError: the shapes differ (nothing is broadcast), or an edge is shorter than the window.

    >>> import torch
    >>> ms_ssim(torch.full((1, 3, 256, 256), -0.5), torch.full((1, 3, 256, 256), 0.5)).round(decimals=6)
    tensor([0.9342])
    """
    check_same_shape(image, reference)
    scales, window = protocol(min(image.shape[2:]))
    return structural.ms_ssim(image.double(), reference.double(), scales=scales, window=window).float()
