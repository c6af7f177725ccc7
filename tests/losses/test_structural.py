"""SSIM and MS-SSIM as losses: the values of the sheet, values by hand, and gradients that stay finite."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from reskin.errors import SettingsError, ShapeError
from reskin.losses.structural import GANIMORPH, SCALE_WEIGHTS, most_scales, ms_ssim, ssim


def waves(side: int) -> Tensor:
    """The picture of the sheet, 1/2 sin(i/5) cos(j/7) + 1/2, in [0, 1]."""
    i, j = torch.arange(float(side))[:, None], torch.arange(float(side))[None]
    return (0.5 * torch.sin(i / 5) * torch.cos(j / 7) + 0.5).expand(1, 3, side, side)


def outside(levels: Tensor) -> Tensor:
    return levels * 2 - 1


def flat(level: float, side: int = 128) -> Tensor:
    return outside(torch.full((1, 3, side, side), level))


def noise(*shape: int, seed: int = 0, **kind: torch.dtype) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), **kind) * 2 - 1  # type: ignore[call-overload]


CHANGES = {"half": lambda x: 0.5 * x, "square": lambda x: x**2, "flat": lambda x: 0.5 * x + 0.25}


@pytest.mark.parametrize(
    ("side", "settings", "wanted"),
    [
        (256, {}, (0.781422, 0.944412, 0.805006)),
        (128, {"window": 7}, (0.781716, 0.943527, 0.805309)),
        (128, {"shrinks": True}, (0.781358, 0.946288, 0.804940)),
        (128, {"scales": 4}, (0.757493, 0.927311, 0.804985)),
    ],
    ids=["256 px", "a: window 7", "b: shrinking window", "c: four scales"],
)
def test_ms_ssim_of_the_sheet(side: int, settings: dict[str, int], wanted: tuple[float, ...]) -> None:
    picture = waves(side)
    for change, value in zip(CHANGES.values(), wanted, strict=True):
        got = ms_ssim(outside(picture), outside(change(picture)), **settings)  # type: ignore[arg-type]
        assert got.item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("change", "wanted"), [("half", 0.657864), ("square", 0.699143), ("flat", 0.770158)])
def test_ssim_of_the_sheet(change: str, wanted: float) -> None:
    picture = waves(256)
    assert ssim(outside(picture), outside(CHANGES[change](picture))).item() == pytest.approx(wanted, abs=1e-6)


def test_flat_pictures_by_hand() -> None:
    """Contrast is full where nothing varies, so only the lightness of the smallest size is left."""
    for low, high, wanted in ((0.0, 1.0, 0.292950), (0.25, 0.75, 0.934187)):
        lightness = (2 * low * high + 1e-4) / (low**2 + high**2 + 1e-4)
        assert lightness ** SCALE_WEIGHTS[-1] == pytest.approx(wanted, abs=1e-6)
        assert ms_ssim(flat(low), flat(high), window=7).item() == pytest.approx(wanted, abs=1e-6)
    assert ms_ssim(flat(0.3), flat(0.3), window=7).item() == 1


def test_a_negative_is_as_unlike_as_can_be_but_not_in_ganimorphs_form() -> None:
    picture = outside(waves(128)).requires_grad_()
    value = ms_ssim(picture, -picture.detach(), window=7)
    value.sum().backward()
    assert value.item() == 0 and picture.grad is not None and picture.grad.isfinite().all()
    assert ms_ssim(picture, -picture, window=8, form=GANIMORPH).item() > 0.99  # its variances have no sign


def direct(x: Tensor, y: Tensor) -> float:
    """GANimorph's form of one 8 x 8 picture in [0, 1], written out: one window covers it all."""
    weights = [math.exp(-(k**2) / 4.5) for k in range(-3, 5)]
    window = torch.tensor([[p * q for q in weights] for p in weights], dtype=torch.float64)
    window /= window.sum()
    mean_x, mean_y = (window * x).sum(), (window * y).sum()
    var_x, var_y = (window * x * x).sum() - mean_x**2, (window * y * y).sum() - mean_y**2
    both = (window * x * y).sum() - mean_x * mean_y
    lightness = (2 * mean_x * mean_y + 0.03**2) / (mean_x**2 + mean_y**2 + 0.03**2)
    return (lightness * (2 * both.abs() + 0.05**2) / (var_x.abs() + var_y.abs() + 0.05**2)).item()


def test_ganimorphs_form_is_what_its_formula_says() -> None:
    x, y = noise(8, 8, dtype=torch.float64), noise(8, 8, seed=1, dtype=torch.float64)
    got = ms_ssim(x[None, None], y[None, None], scales=1, window=8, form=GANIMORPH).item()
    assert got == pytest.approx(direct((x + 1) / 2, (y + 1) / 2), abs=1e-12)


@pytest.mark.parametrize("window", [4, 5])
@pytest.mark.sweep
def test_the_gradient_is_that_of_the_value(window: int) -> None:
    image = noise(1, 1, 10, 10, dtype=torch.float64).requires_grad_()
    reference = noise(1, 1, 10, 10, seed=1, dtype=torch.float64)
    for form in (GANIMORPH, GANIMORPH._replace(is_absolute=False)):
        assert torch.autograd.gradcheck(
            lambda x, form=form: ms_ssim(x, reference, scales=2, window=window, form=form), image
        )


def test_equal_pictures_are_the_best_and_have_no_slope() -> None:
    image = noise(2, 3, 112, 144).requires_grad_()
    ms_ssim(image, image.detach(), window=7).sum().backward()
    assert image.grad is not None and image.grad.abs().max() < 1e-5
    still = flat(0.5).requires_grad_()
    ms_ssim(still, still.detach(), window=7).sum().backward()
    assert still.grad is not None and still.grad.isfinite().all()


def test_each_picture_and_channel_counts_alone() -> None:
    x, y = noise(3, 3, 64, 64), noise(3, 3, 64, 64, seed=1)
    y = 0.8 * x + 0.2 * y
    whole = ms_ssim(x, y, scales=3)
    torch.testing.assert_close(
        torch.cat([ms_ssim(x[i : i + 1], y[i : i + 1], scales=3) for i in range(3)]), whole
    )
    channels = torch.stack([ms_ssim(x[:, i : i + 1], y[:, i : i + 1], scales=3) for i in range(3)])
    torch.testing.assert_close(channels.mean(dim=0), whole)


def test_half_precision_is_computed_in_full() -> None:
    x, y = noise(1, 3, 64, 64).bfloat16(), noise(1, 3, 64, 64, seed=1).bfloat16()
    assert ms_ssim(x, y, scales=3).dtype == torch.float32
    torch.testing.assert_close(ms_ssim(x, y, scales=3), ms_ssim(x.float(), y.float(), scales=3))


@pytest.mark.parametrize(
    ("side", "settings", "said"),
    [
        (128, {}, r"128 x 128 px at 5 scales .* window of 11 px\. Use 4 scales .* 176 px or more"),
        (64, {"window": 7}, r"Use 4 scales"),
        (12, {"scales": 2}, r"Use 1 scale "),
        (6, {"scales": 2, "window": 7}, r"Use a smaller window"),
        (6, {"scales": 1, "window": 7}, r"wants edges of 7 px"),
        (16, {"shrinks": True}, r"Use 4 scales"),
    ],
)
def test_too_small_a_picture_is_refused_with_what_would_fit(
    side: int, settings: dict[str, int], said: str
) -> None:
    with pytest.raises(ShapeError, match=said) as error:
        ms_ssim(flat(0, side), flat(0, side), **settings)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_the_smallest_picture_that_fits() -> None:
    assert ms_ssim(flat(0, 112), flat(0, 112), window=7).item() == 1
    assert [most_scales(side, 11) for side in (10, 11, 22, 175, 176, 4000)] == [0, 1, 2, 4, 5, 5]


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(ShapeError, match="cannot be compared"):
        ms_ssim(flat(0), flat(0, 64))
    for settings in ({"scales": 6}, {"scales": 0}, {"window": 1}):
        with pytest.raises(SettingsError, match="1 to 5 scales"):
            ms_ssim(flat(0), flat(0), **settings)  # type: ignore[arg-type]


def test_means_may_be_pooled_over_the_batch_before_their_powers() -> None:
    """GANimorph's form: one mean of the whole batch at each scale, worked out here from the definition."""
    a, b = torch.rand(2, 3, 3, 32, 32, dtype=torch.float64) * 2 - 1
    settings: dict[str, Any] = {"scales": 2, "window": 8, "form": GANIMORPH}
    seen: list[Tensor] = []

    def pool(means: Tensor) -> Tensor:
        seen.append(means)
        return means.mean(dim=0, keepdim=True)

    found = ms_ssim(a, b, **settings | {"form": GANIMORPH._replace(pool=pool)})
    assert [tuple(means.shape) for means in seen] == [(3, 3), (3, 3)] and found.shape == (1,)
    weights = torch.tensor(SCALE_WEIGHTS[:2], dtype=torch.float64)
    powers = weights / weights.sum()
    product = seen[0].mean(0).clamp(min=0) ** powers[0] * seen[1].mean(0).clamp(min=0) ** powers[1]
    torch.testing.assert_close(found, product.mean()[None])
    assert not torch.allclose(found, ms_ssim(a, b, **settings).mean()[None], rtol=1e-6)
