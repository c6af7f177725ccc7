"""What is measured of a picture, against values worked out by hand or by another library."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from reskin.curation.inspect.measure import look_at, look_at_files
from reskin.curation.sharpness import sharpness
from reskin.errors import ImageError
from reskin.images import write_image


def flat(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> np.ndarray:
    return np.full((size[1], size[0], 3), colour, np.uint8)


def test_flat_pictures() -> None:
    grey, red = look_at(flat((119, 119, 119))), look_at(flat((255, 0, 0)))
    assert grey.brightness == pytest.approx(50.03, abs=0.05)
    assert grey.contrast == pytest.approx(0, abs=1e-2) and grey.sharpness == 0 and grey.is_grey
    assert (red.brightness, red.saturation) == (
        pytest.approx(53.24, abs=0.05),
        pytest.approx(104.55, abs=0.1),
    )
    assert not red.is_grey and (red.width, red.height) == (40, 30)
    for look in (grey, red):
        assert look.histograms[:100].sum() == pytest.approx(1) and look.histograms.sum() == pytest.approx(3)


def test_a_black_and_white_pattern_has_the_contrast_it_must() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    look = look_at(stripes)
    assert look.contrast == pytest.approx(50, abs=0.1)


def test_sharpness_is_that_of_screening() -> None:
    image = np.kron(np.random.default_rng(3).integers(0, 256, (64, 64, 3)), np.ones((4, 4, 1))).astype(
        np.uint8
    )
    grey = np.asarray(Image.fromarray(image).convert("L"))
    assert look_at(image).sharpness == sharpness(grey) > 0.1


def test_a_little_colour_is_no_greyscale() -> None:
    image = flat((90, 90, 90), (60, 60)).copy()
    assert look_at(image).is_grey
    image[:12, :12] = (200, 40, 40)
    assert not look_at(image).is_grey


def test_blur_lowers_sharpness_and_size_does_not_change_the_rest() -> None:
    blocks = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
    blurred = cv2.GaussianBlur(image, (0, 0), 2)
    assert look_at(blurred).sharpness < look_at(image).sharpness / 4
    large = np.asarray(Image.fromarray(blurred).resize((1024, 1024), Image.Resampling.BICUBIC))
    assert look_at(large).brightness == pytest.approx(look_at(blurred).brightness, abs=0.5)
    assert look_at(large).sharpness == pytest.approx(look_at(blurred).sharpness, rel=0.25)


def test_form_does_not_see_colour_or_contrast() -> None:
    image = np.random.default_rng(2).integers(60, 200, (64, 64, 1), dtype=np.uint8).repeat(3, axis=2)
    faded = (image * 0.5 + 60).astype(np.uint8)
    assert np.abs(look_at(image).form - look_at(faded).form).max() < 0.05
    turned = np.ascontiguousarray(cv2.GaussianBlur(image, (1, 15), 0).transpose(1, 0, 2))
    assert np.abs(look_at(cv2.GaussianBlur(image, (1, 15), 0)).form - look_at(turned).form).max() > 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2, 2), (5000, 3)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    look = look_at(
        np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8), thumbnail_px=64
    )
    assert np.isfinite([look.brightness, look.sharpness, *look.form, *look.style]).all()
    assert max(Image.open(io.BytesIO(look.thumbnail)).size) <= 64


def test_files_come_in_order_and_errors_in_their_place(tmp_path: Path) -> None:
    files = []
    for i in range(30):
        files.append(tmp_path / f"{i}.png")
        write_image(files[-1], flat((i * 8, i * 8, i * 8), (10 + i, 10)))
    files[7].write_bytes(b"")
    steps: list[tuple[int, int]] = []
    found = list(look_at_files(files, report=lambda *step: steps.append(step)))
    assert isinstance(found[7], ImageError)
    assert [look.width for look in found if not isinstance(look, ImageError)] == [
        10 + i for i in range(30) if i != 7
    ]
    assert steps[-1] == (30, 30) and list(look_at_files([])) == []
