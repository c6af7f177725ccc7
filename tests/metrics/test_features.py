"""KID and LPIPS by hand and on real weights; the SqueezeNet that both are used with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reskin.errors import ShapeError, WeightsError
from reskin.images import read_image, to_tensor
from reskin.metrics.kid import kernel_distance
from reskin.metrics.lpips import lpips, read_weights
from reskin.networks.squeezenet import read_squeezenet


def test_kid_is_the_formula_written_out() -> None:
    x, y = torch.randn(5, 3), torch.randn(5, 3)
    xs, ys = x.double().numpy(), y.double().numpy()

    def kernel(one: np.ndarray, two: np.ndarray) -> float:
        return float((np.dot(one, two) / 3 + 1) ** 3)

    expected = sum(kernel(a, b) for i, a in enumerate(xs) for j, b in enumerate(xs) if i != j) / 20
    expected += sum(kernel(a, b) for i, a in enumerate(ys) for j, b in enumerate(ys) if i != j) / 20
    expected -= 2 * sum(kernel(a, b) for a in xs for b in ys) / 25
    found = kernel_distance(x, y)
    assert found.mean == pytest.approx(expected, abs=1e-9) and found.deviation == 0


def test_kid_over_subsets_is_near_kid_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.randn(200, 3), torch.randn(200, 3) + 0.5
    whole = kernel_distance(x, y).mean
    monkeypatch.setattr("reskin.metrics.kid.SUBSET_SIZE", 50)
    parts = kernel_distance(x, y)
    assert parts.deviation > 0 and abs(parts.mean - whole) < 0.3 * parts.deviation
    assert parts == kernel_distance(x, y)


def test_kid_refuses_one_picture() -> None:
    with pytest.raises(ShapeError, match="features of"):
        kernel_distance(torch.zeros(1, 4), torch.zeros(3, 4))


def test_lpips_by_hand() -> None:
    """Two channels, one place: (3, 4) and (0, 2) become (.6, .8) and (0, 1)."""
    taps = lambda images: [images[:, :2, :1, :1]]  # noqa: E731
    one, two = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    one[0, :2, 0, 0], two[0, :2, 0, 0] = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 2.0])
    assert lpips(one, two, taps=taps).item() == pytest.approx(0.36 + 0.04, abs=1e-6)
    weighted = lpips(one, two, taps=taps, weights=[torch.tensor([1.0, 0.5])])
    assert weighted.item() == pytest.approx(0.36 + 0.02, abs=1e-6)
    with pytest.raises(ShapeError, match="weights for"):
        lpips(one, two, taps=taps, weights=[torch.ones(3)])


@pytest.mark.sweep
def test_squeezenet_knows_zebras(real_data: Path) -> None:
    """94 of 100 zebra pictures have "zebra" (340) among the first five, says the data's README; here 20."""
    network = read_squeezenet(real_data / "weights" / "squeezenet1_1_caffe_fp16.pth")
    paths = sorted((real_data / "unpaired" / "horse2zebra" / "testB").iterdir())[:20]
    images = torch.cat([to_tensor(read_image(path)) for path in paths])
    images = torch.nn.functional.interpolate(images, (227, 227), mode="bilinear", antialias=True)
    first_five = network.classify(images).topk(5).indices
    assert (first_five == 340).any(dim=1).sum() >= 17


def test_lpips_orders_distances_of_a_photograph(real_data: Path) -> None:
    network = read_squeezenet(real_data / "weights" / "squeezenet1_1_caffe_fp16.pth")
    weights = read_weights(real_data / "weights" / "lpips_lin_squeeze.pth")
    path = min((real_data / "unpaired" / "horse2zebra" / "testA").iterdir())
    image = to_tensor(read_image(path))
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    values = [
        lpips(image + share * noise, image, taps=network.taps, weights=weights).item()
        for share in (0, 0.05, 0.2)
    ]
    assert values[0] == 0 and values == sorted(values)


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"other": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="no weights of SqueezeNet"):
        read_squeezenet(path)
    with pytest.raises(WeightsError, match="no weights of LPIPS"):
        read_weights(path)
    with pytest.raises(WeightsError, match="no weights of SqueezeNet"):
        read_squeezenet(tmp_path / "none.pth")
