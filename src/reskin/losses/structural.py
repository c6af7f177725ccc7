"""Structural similarity with a gradient: lightness, contrast and structure, at one size or at several.

Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE Transactions on
Image Processing 2004, https://doi.org/10.1109/TIP.2003.819861; and Wang et al., "Multi-scale Structural
Similarity for Image Quality Assessment", Asilomar 2003, https://doi.org/10.1109/ACSSC.2003.1292216.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from reskin.errors import SettingsError, ShapeError
from reskin.precision import at_least_float32

_SIGMA_PX = 1.5

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, full size first (Wang et al. 2003, section 3.2); their sum is 1.0001."""


class Form(NamedTuple):
    """What SSIM's authors fixed and others have changed.

    Attributes:
        k1: keeps the lightness term from dividing by 0.
        k2: the same for contrast and structure.
        is_absolute: whether variances and covariances count by their size alone, so that a negative is as
            good as its original.
        is_centred: whether a window of even size has its peak in its middle, not half a px before it.
        pool: changes the means at each scale, (N, C), before their powers, such as into that of the batch.
    """

    k1: float = 0.01
    k2: float = 0.03
    is_absolute: bool = False
    is_centred: bool = True
    pool: Callable[[Tensor], Tensor] | None = None


WANG = Form()
"""The form of the papers."""

GANIMORPH = Form(k1=0.03, k2=0.05, is_absolute=True, is_centred=False)
"""The form in GANimorph's published code, which goes with a window of 8 px."""


def ssim(image: Tensor, reference: Tensor, *, window: int = 11, form: Form = WANG) -> Tensor:
    """Structural similarity of each picture; higher is closer, 1 is equal.

    Values are brought to [0, 1] first, because the lightness term depends on where 0 lies. The window is a
    Gaussian with sigma 1.5 px that stays inside the picture; each colour channel counts alike.

    Args:
        image: (N, C, H, W), float, in [-1, 1].
        reference: same shape and range as `image`.
        window: width of the Gaussian window, px; H and W at least this.
        form: constants of the formula.

    Returns:
        (N,) in [-1, 1]; float64 where the input is, else float32.

    Raises:
        ShapeError: the shapes differ (nothing is broadcast), or an edge is shorter than the window.

    >>> ssim(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))
    tensor([1.])
    """
    _check(image, reference, scales=1, window=window, shrinks=False)
    lightness, structure = _maps(_levels(image), _levels(reference), window, form)
    return (lightness * structure).mean(dim=(1, 2, 3))


def ms_ssim(
    image: Tensor,
    reference: Tensor,
    *,
    scales: int = 5,
    window: int = 11,
    shrinks: bool = False,
    form: Form = WANG,
) -> Tensor:
    """Structural similarity at several sizes, each half of the one before; higher is closer, 1 is equal.

    Contrast and structure count at every size, lightness at the smallest one only. The mean over a picture
    and channel is taken at each size, negative ones count as 0, and the product of their powers is the value;
    with fewer than five scales the exponents are scaled so that they still add up to 1.

    Args:
        image: (N, C, H, W), float, in [-1, 1]; shortest edge at least window * 2 ** (scales - 1).
        reference: same shape and range as `image`.
        scales: 1 to 5 sizes.
        window: width of the Gaussian window, px.
        shrinks: make the window as small as the picture where that is smaller, instead of refusing it.
        form: constants of the formula.

    Returns:
        (N,) in [0, 1], or what the form's `pool` leaves of them; float64 where the input is, else float32.

    Raises:
        ShapeError: the shapes differ, or the pictures are too small for so many scales.
        SettingsError: `scales` is not 1 to 5 or `window` is below 2.

    >>> black, white = torch.full((1, 3, 128, 128), -1.0), torch.ones(1, 3, 128, 128)
    >>> ms_ssim(black, white, window=7)
    tensor([0.2930])
    """
    _check(image, reference, scales=scales, window=window, shrinks=shrinks)
    weights = _exponents(scales)
    x, y = _levels(image), _levels(reference)
    product: Tensor | float = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            x, y = F.avg_pool2d(torch.cat([x, y]), 2).chunk(2)
        lightness, structure = _maps(x, y, min(window, *x.shape[-2:]), form)
        is_last = scale == scales - 1
        mean = (lightness * structure if is_last else structure).mean(dim=(2, 3))
        product = product * _power(form.pool(mean) if form.pool else mean, weight)
    assert isinstance(product, Tensor)
    return product.mean(dim=1)


def most_scales(shortest: int, window: int) -> int:
    """How many scales a picture with this shortest edge, px, has room for; 0 if the window does not fit.

    >>> most_scales(128, 7), most_scales(128, 11), most_scales(32, 7)
    (5, 4, 3)
    """
    return min(len(SCALE_WEIGHTS), (shortest // window).bit_length())


def _check(image: Tensor, reference: Tensor, *, scales: int, window: int, shrinks: bool) -> None:
    if not 1 <= scales <= len(SCALE_WEIGHTS) or window < 2:
        raise SettingsError(
            f"MS-SSIM with {scales} scales and a window of {window} px", "Use 1 to 5 scales and 2 px or more."
        )
    if image.shape != reference.shape or image.dim() != 4:
        raise ShapeError(
            f"pictures of {tuple(image.shape)} cannot be compared with {tuple(reference.shape)}",
            "Use (N, C, H, W) of the same size and channels for both.",
        )
    side = min(image.shape[-2:])
    needed = (2 if shrinks else window) * 2 ** (scales - 1)
    if side >= needed:
        return
    size = " x ".join(str(length) for length in image.shape[-2:])
    if scales == 1:
        raise ShapeError(f"SSIM of pictures of {size} px", f"It wants edges of {window} px or more.")
    fewer = most_scales(side, 2 if shrinks else window)
    instead = f"{fewer} scales" if fewer > 1 else "1 scale" if fewer else "a smaller window"
    raise ShapeError(
        f"MS-SSIM of pictures of {size} px at {scales} scales with a window of {window} px",
        f"Use {instead} (--ssim-scales, --ssim-window) or pictures of {needed} px or more (--crop-size).",
    )


def _exponents(scales: int) -> list[float]:
    """The published ones for five scales; for fewer, the first of them, scaled to add up to 1."""
    first = SCALE_WEIGHTS[:scales]
    return list(first) if scales == len(SCALE_WEIGHTS) else [weight / sum(first) for weight in first]


def _levels(images: Tensor) -> Tensor:
    """Values in [0, 1]; variances are differences of nearly equal numbers, so at least float32."""
    return (at_least_float32(images) + 1) / 2


def _maps(x: Tensor, y: Tensor, window: int, form: Form) -> tuple[Tensor, Tensor]:
    """Lightness, and contrast times structure, of every position where the window lies inside."""
    # Variances do not change with the mean; with it near 0 there is little for rounding to eat.
    base_x, base_y = (images.detach().mean(dim=(-2, -1), keepdim=True) for images in (x, y))
    x, y = x - base_x, y - base_y
    moments = torch.stack([x, y, x * x, y * y, x * y])
    mean_x, mean_y, square_x, square_y, product = _Blur.apply(moments, _gaussian(window, form))
    variance_x, variance_y = square_x - mean_x**2, square_y - mean_y**2
    covariance = product - mean_x * mean_y
    if form.is_absolute:
        variance_x, variance_y, covariance = variance_x.abs(), variance_y.abs(), covariance.abs()
    mean_x, mean_y = mean_x + base_x, mean_y + base_y
    c1, c2 = form.k1**2, form.k2**2
    lightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return lightness, (2 * covariance + c2) / (variance_x + variance_y + c2)


def _power(mean: Tensor, exponent: float) -> Tensor:
    """max(mean, 0) ** exponent; where the mean is 0 or less, value and gradient are 0 instead of NaN."""
    is_positive = mean > 0
    return torch.where(is_positive, torch.where(is_positive, mean, 1.0) ** exponent, 0.0)


class _Blur(torch.autograd.Function):
    """The Gaussian mean around every position whose window of w px lies inside, (..., H - w + 1, W - w + 1).

    Shifted sums each way, in both passes: no convolution, so no TF32 and no slow path for float64, and a
    gradient that costs as much as the mean.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weights: list[float]) -> Tensor:
        ctx.weights = weights
        return _sums(images, weights)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        margin = len(ctx.weights) - 1
        return _sums(F.pad(grad, (margin,) * 4), ctx.weights[::-1]), None


def _gaussian(window: int, form: Form) -> list[float]:
    """Weights of a window, sum 1."""
    middle = (window - 1) / 2 if form.is_centred else (window - 1) // 2
    offsets = [position - middle for position in range(window)]
    weights = [math.exp(-(offset**2) / (2 * _SIGMA_PX**2)) for offset in offsets]
    return [weight / sum(weights) for weight in weights]


def _sums(images: Tensor, weights: list[float]) -> Tensor:
    """Weighted sums of neighbours, down and then across."""
    for dim in (-2, -1):
        size = images.shape[dim] - len(weights) + 1
        total = images.narrow(dim, 0, size) * weights[0]
        for start, weight in enumerate(weights[1:], start=1):
            total.add_(images.narrow(dim, start, size), alpha=weight)
        images = total
    return images
