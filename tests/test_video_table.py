"""The table of ways to translate a film: what its models see, and what its page says."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from benchmarks import video_table
from benchmarks.equal_time import Sampling, Shots, batches, slope
from benchmarks.video_table import COMPARED, MODELS, ROWS, against, page

from reskin.methods import find_trained
from reskin.parsing import parse


def numbered(count: int, cuts: list[int], *, height: int = 8, width: int = 12) -> Shots:
    """Frames whose first channel is their number, whose second the row, and whose third the column."""
    frames = torch.empty(count, 3, height, width)
    frames[:, 0] = torch.arange(count, dtype=torch.float32)[:, None, None]
    frames[:, 1] = torch.arange(height, dtype=torch.float32)[:, None]
    frames[:, 2] = torch.arange(width, dtype=torch.float32)
    return Shots(frames, cuts)


def test_windows_hold_consecutive_frames_of_one_shot() -> None:
    shots = numbered(10, [0, 4])
    assert shots.starts(3) == [0, 1, 4, 5, 6, 7]
    seen = set()
    for batch in islice(batches(shots, shots, Sampling(2, 8, length=3), 0), 60):
        numbers = batch.a[:, :, 0, 0, 0]
        assert torch.equal(numbers.diff(dim=1), torch.ones(2, 2))
        seen |= set(numbers[:, 0].int().tolist())
    assert seen == {0, 1, 4, 5, 6, 7}


def test_frames_of_a_window_are_cropped_and_mirrored_alike() -> None:
    shots = numbered(6, [0], height=9)
    for batch in islice(batches(shots, shots, Sampling(1, 5, length=3), 1), 20):
        assert batch.a.shape == (1, 3, 3, 5, 5)
        assert torch.equal(batch.a[0, 0, 1:], batch.a[0, 2, 1:])
        assert set(batch.a[0, 0, 2].diff(dim=1).unique().tolist()) <= {1.0, -1.0}


def test_paired_windows_are_the_same_of_both_and_others_are_not() -> None:
    shots = numbered(40, [0])
    for is_paired in (True, False):
        sampling = Sampling(1, 8, length=3, is_paired=is_paired)
        drawn = list(islice(batches(shots, shots, sampling, 2), 12))
        assert all(torch.equal(batch.a, batch.b) for batch in drawn) == is_paired


def test_single_pictures_may_be_whole_frames_squeezed() -> None:
    shots = numbered(4, [0])
    batch = next(batches(shots, shots, Sampling(2, None), 0))
    assert batch.a.shape == batch.b.shape == (2, 3, 8, 8)
    assert batch.a[0, 0].unique().numel() == 1 and float(batch.a[0, 2].mean()) == pytest.approx(5.5, abs=0.01)


def test_slope_is_the_mean_difference_of_neighbours() -> None:
    assert slope(numbered(1, [0]).frames) == pytest.approx(2 / 3)


def test_every_row_has_a_model_whose_settings_are_valid() -> None:
    assert {row.model for row in ROWS} == set(MODELS)
    titles = {row.title for row in ROWS}
    assert {title for pair in COMPARED for title in pair} <= titles
    for model in MODELS.values():
        kind = find_trained(model.method)
        config = parse(kind.Config, model.settings)
        assert kind.frames_of(config) == model.sampling.length
        assert (kind.pairing == "paired") == model.sampling.is_paired == (model.pairs_from is not None)


def test_a_difference_is_stated_seed_by_seed() -> None:
    rows = [{"e1": 3.0, "psnr": 15.0, "sharp": 1.0}, {"e1": 5.0, "psnr": 15.0, "sharp": 0.5}]
    others = [{"e1": 4.0, "psnr": 14.0, "sharp": 1.25}, {"e1": 4.0, "psnr": 15.5, "sharp": 1.0}]
    assert against("this", rows, "that", others) == (
        "- **this** against that: E1 -25, +25 %; PSNR +1.0, -0.5 dB; sharpness -20, -50 %. "
        "Steadier in 1 of 2 seeds, nearer to the truth in 1."
    )


def test_the_page_holds_what_was_trained() -> None:
    values = {"steps": 9, "psnr": 14.0, "ssim": 0.5, "e1": 4.0, "e5": 5.0, "sharp": 1.0, "per_second": 50.0}
    lines = [("CycleGAN", [values, values | {"psnr": 15.0}]), ("Recycle-GAN", [values, values])]
    text = page(lines, seeds=2, seconds=30)
    assert (
        "| CycleGAN | 9 | 14.50 ± 0.50 | 0.500 ± 0.000 | 4.00 ± 0.00 | 5.00 ± 0.00 | 1.00 ± 0.00 | 50 |"
        in text
    )
    assert "- **Recycle-GAN** against CycleGAN: E1 +0, +0 %; PSNR +0.0, -1.0 dB" in text
    assert "equivariance** against" not in text and "--seeds 2 --seconds 30" in text
    assert "**30 seconds are a small budget.**" in text
    assert "a small budget" not in page(lines, seeds=2, seconds=video_table.SHORT_SECONDS)
    assert video_table.CROP % 32 == 0  # what five downsamplings of a predictor need
