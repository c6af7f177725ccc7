"""Measures of probabilities, features and labels, by hand and by formulas written out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from reskin.errors import DataError, ShapeError, WeightsError
from reskin.metrics.cycle import cycle_l1, noise_probe
from reskin.metrics.diversity import diversity
from reskin.metrics.domain import domain_share, fit_domains
from reskin.metrics.inception_score import inception_score
from reskin.metrics.ms_ssim import ms_ssim, protocol
from reskin.metrics.named_classes import named_share
from reskin.metrics.neighbours import QUANTILE, nearer_than_real, nearest
from reskin.metrics.segmentation import IGNORED, ConfusionMatrix, segmentation_scores
from reskin.networks.alexnet import AlexNet, read_alexnet


def drawn(edge: int) -> torch.Tensor:
    """I[i, j] = sin(i / 5) cos(j / 7) / 2 + 1/2 on three channels, in [-1, 1]."""
    rows, columns = torch.arange(edge).double(), torch.arange(edge).double()
    level = torch.sin(rows / 5)[:, None] * torch.cos(columns / 7) / 2 + 0.5
    return level.expand(1, 3, edge, edge) * 2 - 1


def test_ms_ssim_of_known_images() -> None:
    image = drawn(256)
    darker, squared = (image + 1) / 2 - 1, ((image + 1) / 2) ** 2 * 2 - 1
    assert ms_ssim(image, darker).item() == pytest.approx(0.781422, abs=2e-6)
    assert ms_ssim(image, squared).item() == pytest.approx(0.944412, abs=2e-6)
    image = drawn(128)
    assert ms_ssim(image, (image + 1) / 2 - 1).item() == pytest.approx(0.781716, abs=2e-6)
    assert ms_ssim(image, -image).item() == 0  # each negative mean counts as 0


def test_ms_ssim_agrees_with_torchmetrics() -> None:
    smooth = torch.nn.functional.interpolate(torch.rand(2, 3, 12, 12), (200, 180), mode="bilinear")
    image, reference = smooth * 2 - 1, (smooth * 0.8 + 0.1 * torch.rand(2, 3, 200, 180)) * 2 - 1
    expected = multiscale_structural_similarity_index_measure(
        (image + 1) / 2, (reference + 1) / 2, data_range=1.0, reduction="none"
    )
    found = ms_ssim(image, reference)
    assert np.allclose(found, expected, atol=2e-3)  # it takes the product over the mean of all channels


def test_ms_ssim_states_its_protocol() -> None:
    assert protocol(176) == (5, 11) and protocol(175) == (5, 7) and protocol(112) == (5, 7)
    assert protocol(111) == (4, 7) and protocol(7) == (1, 7)
    with pytest.raises(ShapeError, match="7 px"):
        protocol(6)


def test_noise_probe_finds_what_is_hidden() -> None:
    """A translation to grey that hides the image in a hundredth of a level, and one that does not."""
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    hidden = noise_probe(images, lambda x: x / 12750, lambda y: y * 12750)
    open_way = noise_probe(images, lambda x: x * 0.9, lambda y: y)
    assert (hidden > 100).all() and (open_way < 1.05).all()
    again = noise_probe(images, lambda x: x / 12750, lambda y: y * 12750)
    assert torch.equal(hidden, again)
    one = noise_probe(images, lambda x: x, lambda y: y, levels=2.0)
    expected = cycle_l1(images, lambda x: x + 2 / 127.5 * math.sqrt(2 / math.pi), lambda y: y) * 1275
    assert torch.allclose(one, expected, rtol=0.15)  # the mean size of Gaussian noise


def test_inception_score_by_hand() -> None:
    """Two inputs with two outputs: classes 0 and 1, and twice class 0."""
    rows = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
    found = inception_score(rows)
    assert found.score == pytest.approx(0.562335, abs=1e-6)
    assert found.conditional == pytest.approx(math.log(2) / 2)
    assert found.exponential[1] == pytest.approx(math.sqrt(2))
    assert inception_score(rows[:, :1]).conditional == 0  # one output of each input
    with pytest.raises(ShapeError, match="add up"):
        inception_score(rows * 2)
    with pytest.raises(ShapeError, match="Wanted"):
        inception_score(rows[0])


def test_diversity_follows_the_protocol() -> None:
    calls: list[int] = []

    def distance(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
        calls.append(len(one))
        difference = (one - two).abs().mean(dim=(1, 2, 3))
        assert (difference > 0).all()  # never an output with itself
        return difference

    outputs = [torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 2, 2) for _ in range(5)]
    found = diversity(outputs, distance)
    assert calls == [19] * 5 and found.pairs == 19 and len(found.of_inputs) == 5
    assert 1.2 < found.mean < 2.2  # 5/3 is the mean of all pairs
    assert found == diversity(outputs, distance)
    with pytest.raises(ShapeError, match="2 or more"):
        diversity([outputs[0][:1]], distance)
    with pytest.raises(ShapeError, match="no inputs"):
        diversity([], distance)


def test_copies_of_training_images_are_found() -> None:
    training, held_out = torch.randn(200, 8), torch.randn(200, 8)
    assert nearer_than_real(training[:50] + 0.01, held_out, training) == 1
    assert nearer_than_real(torch.randn(200, 8), held_out, training) < QUANTILE + 0.08
    found = nearest(training[[7, 3]], training)
    assert found.indices.tolist() == [7, 3] and found.distances.max() < 1e-6


def test_domain_classifier_separates_and_says_so() -> None:
    of_a, of_b = torch.randn(100, 6), torch.randn(300, 6) + torch.tensor([2.0, 0, 0, 0, 0, 0])
    classifier = fit_domains(of_a, of_b)
    assert domain_share(torch.randn(500, 6) + torch.tensor([4.0, 0, 0, 0, 0, 0]), classifier) > 0.99
    # Both domains count alike: halfway between them neither wins by its number of images.
    halfway = torch.randn(4000, 6) + torch.tensor([1.0, 0, 0, 0, 0, 0])
    assert domain_share(halfway, classifier) == pytest.approx(0.5, abs=0.08)
    share = domain_share(halfway, classifier, domain="a")
    assert share == pytest.approx(1 - domain_share(halfway, classifier))
    with pytest.raises(ShapeError, match="2 or more"):
        fit_domains(of_a[:1], of_b)


def test_named_classes() -> None:
    scores = torch.tensor([[0.0, 9.0, 5.0], [9.0, 5.0, 0.0]])
    assert named_share(scores, [2], first=2).tolist() == [1, 0]
    with pytest.raises(ShapeError, match="from 0 to 2"):
        named_share(scores, [3])


def test_segmentation_scores_agree_with_torchmetrics() -> None:
    draw = np.random.default_rng(0)
    matrix, predicted, true = ConfusionMatrix(4), [], []
    for _ in range(3):
        truth = draw.integers(0, 4, (9, 7))
        guess = np.where(draw.random((9, 7)) < 0.6, truth, draw.integers(0, 4, (9, 7)))
        truth[0, :3] = IGNORED
        matrix.update(guess, truth)
        predicted.append(torch.from_numpy(guess))
        true.append(torch.from_numpy(truth))
    found = matrix.compute()
    given = {"num_classes": 4, "ignore_index": IGNORED}
    guess, truth = torch.stack(predicted), torch.stack(true)
    pixel = multiclass_accuracy(guess, truth, average="micro", **given).item()
    assert found.pixel_accuracy == pytest.approx(pixel, abs=1e-6)
    assert found.class_accuracy == pytest.approx(multiclass_accuracy(guess, truth, **given).item(), abs=1e-6)
    assert found.iou == pytest.approx(multiclass_jaccard_index(guess, truth, **given).item(), abs=1e-6)
    assert matrix.images == 3 and found.pixels == 3 * 60


def test_absent_classes_and_no_class() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([[0, 0, 1, IGNORED]]), np.array([[0, 0, 1, 1]]))
    published, kept = matrix.compute(), matrix.compute(absent="skip")
    assert published.pixel_accuracy == 0.75  # no class where there is one is an error
    assert published.class_accuracy == pytest.approx((1 + 0.5 + 0) / 3)
    assert kept.class_accuracy == pytest.approx((1 + 0.5) / 2)
    assert kept.iou == pytest.approx(0.75) and math.isnan(kept.of_classes[2])
    by_hand = segmentation_scores(np.array([[3, 1], [2, 4]]))
    assert by_hand.iou == pytest.approx(0.535714, abs=1e-6)


def test_strange_labels_are_refused() -> None:
    matrix = ConfusionMatrix(3)
    with pytest.raises(DataError, match="the id 3"):
        matrix.update(np.array([[0]]), np.array([[3]]))
    with pytest.raises(ShapeError, match="labels of"):
        matrix.update(np.array([[0]]), np.array([[0, 1]]))
    with pytest.raises(DataError, match="no pixel"):
        matrix.compute()


@pytest.mark.sweep
def test_alexnet_reads_torchvisions_file_and_no_other(tmp_path: Path) -> None:
    network = AlexNet()
    state = network.state_dict() | {"classifier.1.weight": torch.zeros(4096, 9216)}
    torch.save(state, tmp_path / "alexnet.pth")
    read = read_alexnet(tmp_path / "alexnet.pth")
    image = torch.rand(1, 3, 64, 64)
    assert all(torch.equal(*pair) for pair in zip(read.taps(image), network.taps(image), strict=True))
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no weights of AlexNet"):
        read_alexnet(tmp_path / "other.pth")
