"""Perceptual hashes: stable under what keeps a picture the same, and pairs found as by trying all."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from reskin.curation.phash import SAME, hamming, near_pairs, phash
from reskin.errors import DataError, ShapeError
from reskin.images import Picture, read_image


def picture(seed: int, *, height: int = 120, width: int = 160) -> Picture:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return np.array(small.resize((width, height), Image.Resampling.BICUBIC))


def distance(a: Picture, b: Picture) -> int:
    return (phash(a) ^ phash(b)).bit_count()


@pytest.mark.parametrize("seed", range(8))
def test_the_same_picture_resized_brightened_or_noisy_stays_near(seed: int) -> None:
    image = picture(seed)
    opened = Image.fromarray(image)
    noise = np.random.default_rng(seed).normal(0, 6, image.shape)
    changed = {
        "resized": np.array(opened.resize((64, 48), Image.Resampling.LANCZOS)),
        "stretched": np.array(opened.resize((200, 100), Image.Resampling.LANCZOS)),
        "darker": np.array(ImageEnhance.Brightness(opened).enhance(0.7)),
        "less contrast": np.array(ImageEnhance.Contrast(opened).enhance(0.6)),
        "noisy": np.clip(image + noise, 0, 255).astype(np.uint8),
    }
    assert {
        name: distance(image, other) for name, other in changed.items() if distance(image, other) > SAME
    } == {}


def test_different_pictures_are_far_apart() -> None:
    hashes = np.array([phash(picture(seed)) for seed in range(60)], np.uint64)
    between = np.array([hamming(hashes, value) for value in hashes.tolist()])
    others = between[~np.eye(60, dtype=bool)]
    assert others.min() > 8
    assert 28 < others.mean() < 36


def test_grey_and_colour_of_the_same_picture_agree() -> None:
    image = picture(3)
    grey = np.array(Image.fromarray(image).convert("L"))
    assert phash(grey) == phash(image)


def test_pictures_without_structure_have_the_hash_zero() -> None:
    assert {phash(np.full((30, 50, 3), level, np.uint8)) for level in (0, 3, 128, 255)} == {0}


def test_a_mirrored_picture_is_another() -> None:
    assert distance(picture(1), picture(1)[:, ::-1].copy()) > 16


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8), np.zeros(9, np.uint8)]
)
def test_other_shapes_and_types_are_refused(image: Picture) -> None:
    with pytest.raises(ShapeError):
        phash(image)


@settings(max_examples=60)
@given(
    base=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12),
    flips=st.lists(st.tuples(st.integers(0, 11), st.sets(st.integers(0, 63), max_size=14)), max_size=20),
    within=st.integers(0, 14),
)
@pytest.mark.sweep
def test_pairs_are_those_that_trying_all_finds(
    base: list[int], flips: list[tuple[int, set[int]]], within: int
) -> None:
    values = base + [base[i % len(base)] ^ sum(1 << bit for bit in bits) for i, bits in flips]
    every = [(i, j) for i in range(len(values)) for j in range(i + 1, len(values))]
    expected = [(i, j) for i, j in every if (values[i] ^ values[j]).bit_count() <= within]
    assert near_pairs(np.array(values, np.uint64), within) == expected


def test_no_hashes_have_no_pairs() -> None:
    assert near_pairs(np.array([], np.uint64), 4) == []


def test_many_rows_of_one_group_are_all_compared() -> None:
    hashes = np.arange(2**63, 2**63 + 1300, dtype=np.uint64)
    expected = sum((i ^ j).bit_count() == 1 for i in range(1300) for j in range(i))
    assert len(near_pairs(hashes, 1)) == expected


def test_a_distance_out_of_range_is_refused() -> None:
    with pytest.raises(DataError, match="0 to 64"):
        near_pairs(np.zeros(2, np.uint64), 65)


@pytest.mark.slow
def test_twenty_thousand_hashes_take_seconds() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    for within in (SAME, 12):
        began = time.perf_counter()
        near_pairs(hashes, within)
        assert time.perf_counter() - began < 15


def test_real_pictures_survive_recompression(real_data: Path, tmp_path: Path) -> None:
    files = sorted((real_data / "unpaired" / "horse2zebra").rglob("*.jpg"))[:20]
    for file in files:
        image = read_image(file)
        Image.fromarray(image).resize((160, 160)).save(tmp_path / "small.jpg", quality=60)
        assert distance(image, read_image(tmp_path / "small.jpg")) <= SAME, file.name
