"""FID, its statistics and its resize; KID's error; density and coverage: by other formulas and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.image.fid import _compute_fid

from reskin.errors import ShapeError, WeightsError
from reskin.metrics.coverage import coverage
from reskin.metrics.fid import (
    FEWEST_IMAGES,
    FeatureStatistics,
    bootstrap_error,
    clean_resize,
    frechet_distance,
)
from reskin.metrics.kid import jackknife_error, kernel_distance
from reskin.networks.inception import Inception, read_inception


def statistics_of(*parts: torch.Tensor) -> FeatureStatistics:
    statistics = FeatureStatistics()
    for part in parts:
        statistics.update(part)
    return statistics


def test_statistics_in_parts_are_those_of_the_whole() -> None:
    x = torch.randn(50, 7) * 3 + 1000  # far from 0: sums of squares would lose half of the digits
    mean, covariance = statistics_of(x[:1], x[1:20], x[20:20], x[20:]).compute()
    assert np.allclose(mean, x.double().mean(0), rtol=1e-12)
    assert np.allclose(covariance, np.cov(x.double().numpy(), rowvar=False), rtol=1e-9)


@pytest.mark.parametrize("count", [4, 200])
def test_fid_agrees_with_torchmetrics(count: int) -> None:
    """Also with fewer images than numbers in a feature, where the covariances have no inverse."""
    x, y = torch.randn(count, 12) @ torch.randn(12, 12), torch.randn(count, 12) * 2 + 0.3
    one, two = statistics_of(x), statistics_of(y)
    (mean_x, cov_x), (mean_y, cov_y) = one.compute(), two.compute()
    expected = _compute_fid(mean_x, cov_x, mean_y, cov_y).item()
    assert frechet_distance(one, two).mean == pytest.approx(expected, rel=1e-4 if count == 4 else 1e-9)


def test_fid_of_a_shift_is_its_square() -> None:
    x, shift = torch.randn(40, 5).double(), torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
    found = frechet_distance(statistics_of(x), statistics_of(x + shift))
    assert found.mean == pytest.approx(shift.square().sum().item(), rel=1e-9)
    assert frechet_distance(statistics_of(x), statistics_of(x)).mean == pytest.approx(0, abs=1e-9)


def test_fid_of_few_images_warns() -> None:
    x = torch.randn(FEWEST_IMAGES, 2)
    assert frechet_distance(statistics_of(x), statistics_of(x)).warning == ""
    assert "1999 images" in frechet_distance(statistics_of(x), statistics_of(x[1:])).warning


def test_bootstrap_error_of_fid_is_about_its_spread_over_new_images() -> None:
    wanted = statistics_of(torch.randn(400, 3))
    draws = [torch.randn(60, 3) + 1 for _ in range(40)]
    true = np.std([frechet_distance(statistics_of(x), wanted).mean for x in draws], ddof=1)
    found = np.mean([bootstrap_error(x, wanted) for x in draws[:5]])
    assert 0.6 * true < found < 1.6 * true


def test_statistics_refuse_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="1 features"):
        statistics_of(torch.zeros(1, 3)).compute()
    with pytest.raises(ShapeError, match=r"Wanted \(N, 3\)"):
        statistics_of(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ShapeError, match="3 and 4"):
        frechet_distance(statistics_of(torch.zeros(2, 3)), statistics_of(torch.zeros(2, 4)))


def test_clean_resize_is_pillow_in_float() -> None:
    image = np.random.default_rng(0).integers(80, 176, (40, 30, 3), dtype=np.uint8)
    found = clean_resize(image, 16)
    assert found.shape == (1, 3, 16, 16)
    rounded = np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BICUBIC)).astype(float)
    levels = (found[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(levels.clip(0, 255) - rounded).max() < 1.5  # Pillow rounds bytes twice
    assert not np.allclose(levels, levels.round(), atol=1e-3)
    # Stripes of one pixel become even grey: nothing is sampled between them.
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert (clean_resize(stripes, 16)[..., 2:-2].abs() < 0.02).all()


@pytest.mark.sweep
def test_inception_takes_its_own_size_and_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ShapeError, match="299"):
        Inception()(torch.zeros(1, 3, 256, 256))
    path = tmp_path_factory.mktemp("weights") / "other.pth"
    torch.save({"fc.weight": torch.zeros(1000, 2048)}, path)
    with pytest.raises(WeightsError, match="no weights of FID's Inception"):
        read_inception(path)


def test_kid_error_is_the_jackknife_written_out() -> None:
    x, y = torch.randn(6, 3), torch.randn(5, 3) + 0.5

    def spread(values: list[float]) -> float:
        return (len(values) - 1) / len(values) * float(np.square(np.subtract(values, np.mean(values))).sum())

    def without(rows: torch.Tensor, index: int) -> torch.Tensor:
        return torch.cat([rows[:index], rows[index + 1 :]])

    of_x = [_mmd(without(x, i), y) for i in range(6)]
    of_y = [_mmd(x, without(y, i)) for i in range(5)]
    assert jackknife_error(x, y) == pytest.approx(math.sqrt(spread(of_x) + spread(of_y)), rel=1e-9)
    assert kernel_distance(x[:5], y).error == pytest.approx(jackknife_error(x[:5], y))
    assert math.isnan(jackknife_error(x[:2], y))


def _mmd(x: torch.Tensor, y: torch.Tensor) -> float:
    def kernel(one: torch.Tensor, two: torch.Tensor) -> np.ndarray:
        return (one.double().numpy() @ two.double().numpy().T / 3 + 1) ** 3

    n, m = len(x), len(y)
    of_x, of_y = kernel(x, x), kernel(y, y)
    within = (of_x.sum() - np.trace(of_x)) / (n * (n - 1)) + (of_y.sum() - np.trace(of_y)) / (m * (m - 1))
    return float(within - 2 * kernel(x, y).mean())


def test_coverage_is_the_definition_written_out() -> None:
    found, real, k = torch.randn(15, 4).numpy(), torch.randn(12, 4).numpy(), 3
    inside, covered = 0, set()
    for i, centre in enumerate(real):
        radius = sorted(np.linalg.norm(real - centre, axis=1))[k]
        for each in found:
            if np.linalg.norm(each - centre) < radius:
                inside += 1
                covered.add(i)
    result = coverage(torch.from_numpy(found), torch.from_numpy(real), k=k)
    assert result.density == pytest.approx(inside / (k * 15))
    assert result.coverage == pytest.approx(len(covered) / 12)


def test_coverage_knows_collapse() -> None:
    real = torch.randn(200, 3)
    collapsed = real[:1].expand(200, 3) + 0.001
    assert coverage(torch.randn(200, 3), real).coverage > 0.9
    assert coverage(collapsed, real).coverage < 0.1 and coverage(collapsed, real).density > 0.5
    with pytest.raises(ShapeError, match="neighbourhoods of 5"):
        coverage(real, real[:5])
