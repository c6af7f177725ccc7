"""Peak signal-to-noise ratio: how far two pictures lie apart, pixel by pixel, in decibels."""

from __future__ import annotations

from torch import Tensor

from reskin.errors import ShapeError
from reskin.metrics.facts import Facts

FACTS = Facts("psnr", "pair", better="higher", best=float("inf"), symmetric=True, unit="dB")


def psnr(image: Tensor, reference: Tensor, *, peak: float = 2.0) -> Tensor:
    """Peak signal-to-noise ratio of each picture; higher is closer.

    Args:
        image: (N, C, H, W), float, in [-1, 1].
        reference: same shape and range as `image`.
        peak: width of the value range: 2 for [-1, 1], 255 for bytes.

    Returns:
        (N,) decibels, 10 log10(peak² / mean squared difference); inf where the two pictures are equal.

    Raises:
        ShapeError: the shapes differ (nothing is broadcast) or are not (N, C, H, W).

    >>> import torch
    >>> psnr(torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.2))
    tensor([20., 20.])
    """
    check_same_shape(image, reference)
    error = (image.float() - reference.float()).square().mean(dim=(1, 2, 3))
    return 10.0 * (peak * peak / error).log10()


def check_same_shape(image: Tensor, reference: Tensor) -> None:
    """Refuse two batches of pictures that cannot be compared one by one.

    Raises:
        ShapeError: the shapes differ, or are not (N, C, H, W) with nothing empty.
    """
    if image.shape != reference.shape or image.ndim != 4 or 0 in image.shape:
        raise ShapeError(
            f"pictures of {tuple(image.shape)} cannot be compared with {tuple(reference.shape)}",
            "Both must be (N, C, H, W) and alike.",
        )
