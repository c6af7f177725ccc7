"""PSNR and SSIM against values worked out by hand, the reference sheet and torchmetrics."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from reskin.errors import ShapeError
from reskin.metrics.psnr import psnr
from reskin.metrics.ssim import ssim


def waves(side: int) -> Tensor:
    """The picture of the sheet, 1/2 sin(i/5) cos(j/7) + 1/2, in [0, 1]."""
    i, j = torch.arange(float(side))[:, None], torch.arange(float(side))[None]
    return (0.5 * torch.sin(i / 5) * torch.cos(j / 7) + 0.5).expand(1, 3, side, side)


@pytest.mark.parametrize(("change", "wanted"), [("half", 0.657864), ("square", 0.699143), ("flat", 0.770158)])
def test_ssim_of_the_sheet(change: str, wanted: float) -> None:
    picture = waves(256)
    other = {"half": 0.5 * picture, "square": picture**2, "flat": 0.5 * picture + 0.25}[change]
    assert ssim(picture * 2 - 1, other * 2 - 1).item() == pytest.approx(wanted, abs=2e-6)


def test_ssim_of_flat_pictures_by_hand() -> None:
    # No variance: only the lightness term is left, (2xy + C1) / (x² + y² + C1) with C1 = 1e-4.
    low, high = torch.full((1, 3, 16, 16), -0.5), torch.full((1, 3, 16, 16), 0.5)  # 0.25 and 0.75
    wanted = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert ssim(low, high).item() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("size", [(11, 11), (24, 40), (64, 64)])
def test_agree_with_torchmetrics(size: tuple[int, int]) -> None:
    a, b = torch.rand(3, 3, *size) * 2 - 1, torch.rand(3, 3, *size) * 2 - 1
    b = 0.7 * a + 0.3 * b
    for index in range(3):
        one, two = a[index : index + 1], b[index : index + 1]
        theirs = peak_signal_noise_ratio(one, two, data_range=2.0)
        assert psnr(one, two)[0] == pytest.approx(theirs.item(), abs=1e-4)
    assert torch.equal(ssim(a, b)[1:2], ssim(a[1:2], b[1:2]))
    theirs = valid_ssim_of_torchmetrics(a, b)
    torch.testing.assert_close(ssim(a, b), theirs, atol=1e-4, rtol=0)


def valid_ssim_of_torchmetrics(a: Tensor, b: Tensor) -> Tensor:
    """Its map keeps the size by mirroring; the part whose windows lie inside is what the paper means."""
    maps = [
        structural_similarity_index_measure(
            (one[None] + 1) / 2, (two[None] + 1) / 2, data_range=1.0, return_full_image=True
        )[1]
        for one, two in zip(a, b, strict=True)
    ]
    whole = torch.cat(maps)
    margin = (whole.shape[-1] - (a.shape[-1] - 10)) // 2
    inside = whole[..., margin : whole.shape[-2] - margin, margin : whole.shape[-1] - margin]
    assert inside.shape[-2:] == (a.shape[-2] - 10, a.shape[-1] - 10)
    return inside.mean(dim=(1, 2, 3))


def test_psnr_by_hand() -> None:
    black, grey = torch.full((1, 3, 2, 2), -1.0), torch.zeros(1, 3, 2, 2)
    assert psnr(black, grey).item() == pytest.approx(6.0206, abs=1e-4)  # 10 log10(4 / 1)
    assert psnr(black * 127.5, grey, peak=255).item() == pytest.approx(6.0206, abs=1e-4)
    assert psnr(grey, grey).item() == float("inf")


def test_ssim_says_what_it_wants() -> None:
    with pytest.raises(ShapeError, match="11 px"):
        ssim(torch.zeros(1, 3, 10, 32), torch.zeros(1, 3, 10, 32))


def test_ssim_of_half_precision_is_computed_in_full() -> None:
    a = torch.rand(1, 3, 32, 32).bfloat16()
    b = (a + 0.01).bfloat16()
    torch.testing.assert_close(ssim(a, b), ssim(a.float(), b.float()))
