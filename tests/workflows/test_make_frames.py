"""The frames that `make` learns from."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reskin.data.folders import held_out_images, training_images
from reskin.data.manifest import read_manifest
from reskin.images import read_image
from reskin.progress import silent
from reskin.video.writer import VideoWriter
from reskin.workflows.make_frames import prepare_set

PLAN: dict[str, Any] = {"short_side": 32, "letterbox": "cut", "leaves_out": True}


def film(path: Path, levels: list[float], *, seed: int = 0) -> Path:
    """A film of noise, of which each frame is seen at its share of the light."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
    with VideoWriter(path, size=(64, 64), frame_rate=Fraction(25)) as writer:
        for number, level in enumerate(levels):
            writer.write((np.roll(picture, number, 1) * level).astype(np.uint8), Fraction(number, 25))
    return path


def prepared(folder: Path, levels: list[float], plan: dict[str, Any] = PLAN) -> Path:
    """The dataset that is made of such a film."""
    out = folder / "out" / "data" / "a"
    prepare_set([film(folder / "film.mp4", levels)], out, plan, count=len(levels), report=silent)
    return out


BLACK_AT_THE_ENDS = [0.0] * 15 + [1.0] * 40 + [0.3, 0.08, 0.02] + [0.0] * 12


@pytest.mark.sweep
def test_black_frames_are_neither_learnt_from_nor_held_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        out = prepared(tmp_path, BLACK_AT_THE_ENDS)
    used = [*training_images(out, "a"), *held_out_images(out, "a")]
    assert min(int(read_image(path).max()) for path in used) > 60
    manifest = read_manifest(out)
    assert manifest is not None and len(manifest.frames) == 70
    assert sum("dark" in (frame.left_out or ()) for frame in manifest.frames) == 29
    assert {frame.split for frame in manifest.used()} == {"train", "test"}
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("frames")]
    assert said == ["frames    A: 29 of 70 are black or of one colour, as in fades and titles, and left out"]


def test_what_is_said_of_borders_names_no_option_that_make_has_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "film.mp4", size=(64, 64), frame_rate=Fraction(25)) as writer:
        for number in range(24):
            picture = np.zeros((64, 64, 3), np.uint8)
            picture[16:48] = rng.integers(60, 256, (4, 8, 3)).repeat(8, 0).repeat(8, 1)
            writer.write(picture, Fraction(number, 25))
    with caplog.at_level(logging.INFO):
        prepare_set([tmp_path / "film.mp4"], tmp_path / "out" / "data" / "a", PLAN, count=24, report=silent)
    (said,) = [record.getMessage() for record in caplog.records if "black bars" in record.getMessage()]
    assert said.endswith("px bottom)") and "--" not in said


@pytest.mark.sweep
def test_once_more_it_changes_nothing(tmp_path: Path) -> None:
    out = prepared(tmp_path, BLACK_AT_THE_ENDS)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    prepare_set([tmp_path / "film.mp4"], out, PLAN, count=len(BLACK_AT_THE_ENDS), report=silent)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("levels", "said"), [([0.0] * 8, "all 8"), ([0.05] * 30 + [1.0] * 10, "30 are nearly black")]
)
@pytest.mark.thinned(2)
def test_a_film_that_is_dark_throughout_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, levels: list[float], said: str
) -> None:
    with caplog.at_level(logging.INFO):
        out = prepared(tmp_path, levels)
    manifest = read_manifest(out)
    assert manifest is not None
    assert not any(set(frame.left_out or ()) - {"between splits"} for frame in manifest.frames)
    assert said in caplog.text


def test_a_folder_that_an_earlier_version_began_goes_on_as_it_was(tmp_path: Path) -> None:
    plan = {key: value for key, value in PLAN.items() if key != "leaves_out"}
    out = prepared(tmp_path, BLACK_AT_THE_ENDS, plan)
    manifest = read_manifest(out)
    assert manifest is not None and not any(frame.left_out for frame in manifest.frames)
    assert manifest.splitting is None
