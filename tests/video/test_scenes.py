"""Shots: cuts where they were drawn, none where there are none."""

from __future__ import annotations

import builtins
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reskin.errors import NotAVideoError, SettingsError
from reskin.video.reader import VideoReader
from reskin.video.scenes import find_shots
from reskin.video.writer import VideoWriter


def film(path: Path, pictures: list[np.ndarray]) -> Path:
    height, width = pictures[0].shape[:2]
    with VideoWriter(path, size=(width, height), frame_rate=25) as writer:
        for number, picture in enumerate(pictures):
            writer.write(np.ascontiguousarray(picture), time=Fraction(number, 25))
    return path


def world(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((16, 16, 1), np.uint8))


@pytest.mark.sweep
def test_cuts_and_fades(tmp_path: Path) -> None:
    """Two shots with a pan, a fade to black and up again: cuts in the black, and nowhere else."""
    one, two, three = world(1), world(2), world(3)
    pan = [one[:96, shift : shift + 128] for shift in range(30)]
    still = [two[:96, :128]] * 20
    out = [(two[:96, :128] * (1 - i / 30)).astype(np.uint8) for i in range(30)]
    black = [np.zeros((96, 128, 3), np.uint8)] * 11
    into = [(three[:96, :128] * (i / 30)).astype(np.uint8) for i in range(30)]
    clip = film(tmp_path / "a.mp4", pan + still + out + black + into + [three[:96, :128]] * 20)
    seen: list[tuple[int, int]] = []
    shots = find_shots(clip, progress=lambda *at: seen.append(at))
    assert shots[:2] == [0, 30] and len(shots) > 2 and all(78 <= shot <= 93 for shot in shots[2:])
    assert seen[-1] == (141, 141)


def test_a_fast_pan_is_no_cut(tmp_path: Path) -> None:
    wide = np.concatenate([world(4)] * 6, axis=1)
    clip = film(tmp_path / "b.mp4", [wide[:96, shift * 9 : shift * 9 + 128] for shift in range(60)])
    assert find_shots(clip) == [0]


def test_cuts_in_quick_succession_and_at_the_ends_are_found(tmp_path: Path) -> None:
    pictures = [world(seed)[:96, :128] for seed in (10, 11, 12, 13, 14, 15)]
    clip = film(tmp_path / "e.mp4", [pictures[0]] + [pictures[1]] * 8 + pictures[2:5] + [pictures[5]])
    assert find_shots(clip) == [0, 1, 9, 10, 11, 12]


def test_frames_can_be_read_small(tmp_path: Path) -> None:
    clip = film(tmp_path / "c.mp4", [world(5)] * 12)
    with VideoReader(clip, longest_px=48) as small, VideoReader(clip, longest_px=4800) as whole:
        assert next(iter(small)).image.shape == (32, 48, 3) and small.info.width == 192
        assert next(iter(whole)).image.shape == (128, 192, 3)
        assert whole.key_frames()[0] == 0


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.mp4").write_text("no film", encoding="utf-8")
    with pytest.raises(NotAVideoError):
        find_shots(tmp_path / "x.mp4")
    clip = film(tmp_path / "d.mp4", [world(6)] * 3)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("scenedetect"):
            raise ImportError("No module named 'scenedetect'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match="pip install scenedetect-headless"):
        find_shots(clip)


@pytest.mark.sweep
def test_real_films(real_data: Path) -> None:
    """Cuts that a person saw on a contact sheet: hard ones, and two scenes that go through black."""
    films = real_data / "video"
    assert find_shots(films / "cg" / "film_sintel_faces_audio.mp4") == [0, 79, 158, 220, 228, 244]
    assert find_shots(films / "cg" / "film_sintel_cliff_audio.mp4") == [0, 51]
    assert find_shots(films / "live" / "portrait_woman.mp4") == [0]
