"""Resizing: sides stay in proportion, a flat picture stays flat, and nothing leaves the range."""

from __future__ import annotations

import torch

from reskin.networks.resizing import resized, shrunk, working_size


def test_the_longest_side_is_met_and_no_picture_grows() -> None:
    assert working_size(480, 640, 320) == (240, 320)
    assert working_size(480, 640, 0) == working_size(480, 640, 9999) == (480, 640)
    assert working_size(20, 640, 320) == (20, 320)
    assert working_size(100, 3200, 320) == (32, 320)
    assert shrunk(torch.zeros(1, 3, 48, 64), 32).shape == (1, 3, 32, 32)


def test_values_stay_in_range_and_means_are_kept() -> None:
    checks = (torch.arange(64).view(8, 8) % 2 * 2.0 - 1).repeat(1, 3, 8, 8)
    for shape in ((1, 3, 40, 90), (1, 3, 128, 64)):
        made = resized(checks, torch.Size(shape))
        assert made.shape == shape and made.abs().max() <= 1
        assert made.mean().abs() < 0.01
    flat = torch.full((1, 3, 64, 64), 0.25)
    torch.testing.assert_close(resized(flat, torch.Size((1, 3, 20, 20))), flat[..., :20, :20])
    assert resized(flat, flat.shape) is flat
