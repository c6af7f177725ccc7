"""Measuring translations of footage without a truth, and choosing between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reskin.evaluation.footage import Closeness, choose, compare_footage, faults
from reskin.images import write_image


def textured(seed: int) -> np.ndarray:
    import cv2

    small = np.random.default_rng(seed).integers(40, 200, (6, 9, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (72, 48), interpolation=cv2.INTER_CUBIC), np.uint8)


def darker(picture: np.ndarray) -> np.ndarray:
    return (picture * np.array([0.6, 0.5, 0.7])).astype(np.uint8)


@pytest.fixture
def domains(tmp_path: Path) -> tuple[Path, Path]:
    for number in range(4):
        write_image(tmp_path / "a" / "test" / f"{number}.png", textured(number))
        write_image(tmp_path / "b" / "test" / f"{number}.png", darker(textured(10 + number)))
    return tmp_path / "a", tmp_path / "b"


@pytest.mark.sweep
def test_the_right_change_is_nearer_than_the_input_and_keeps_the_structure(
    domains: tuple[Path, Path],
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 72, 3), dtype=np.uint8)
    found = compare_footage(*domains, {"darker": darker, "noise": lambda _: noise})
    assert found["darker"].distance < 0.5 * found["input"].distance
    assert found["input"].structure == pytest.approx(1) and found["darker"].structure > 0.95
    assert abs(found["noise"].structure) < 0.2
    assert choose(found, ["noise", "darker"])[0] == "darker"


@pytest.mark.sweep
def test_colour_transfer_learns_from_training_frames_as_the_candidates_do(domains: tuple[Path, Path]) -> None:
    a, b = domains
    for_held_out = compare_footage(a, b, {})["reinhard"].distance
    write_image(a / "train" / "0.png", textured(20))
    write_image(b / "train" / "0.png", 255 - textured(21))
    misled = compare_footage(a, b, {})["reinhard"].distance
    assert misled > 1.5 * for_held_out


def test_near_but_broken_loses_to_farther_and_whole() -> None:
    found = {
        "input": Closeness(50, 1.0, 1),
        "target": Closeness(0, 1.0, 5),
        "reinhard": Closeness(20, 0.9, 4),
        "near": Closeness(5, 0.5, 2),
        "clipped": Closeness(6, 0.9, 30),
        "whole": Closeness(15, 0.88, 8),
    }
    name, why = choose(found, ["near", "clipped", "whole"])
    assert name == "whole" and "distance 15.0" in why and "structure 0.88" in why
    assert choose(found, ["near"])[0] == "near" and "none kept" in choose(found, ["near"])[1]


def test_haze_over_what_is_dark_in_both_clips_is_a_fault() -> None:
    found = {
        "input": Closeness(50, 1.0, 1, darkest=2),
        "target": Closeness(0, 1.0, 5, darkest=20),
        "reinhard": Closeness(20, 0.9, 4, darkest=60),
        "hazy": Closeness(5, 1.0, 2, darkest=41),
        "clear": Closeness(15, 1.0, 2, darkest=39),
    }
    name, _ = choose(found, ["hazy", "clear"])
    assert name == "clear"
    assert faults(found, "hazy") == ["its darkest tones are 21 levels above those of both clips, as in haze"]
    found["target"] = Closeness(0, 1.0, 5, darkest=80)  # a clip of fog
    assert choose(found, ["hazy", "clear"])[0] == "hazy"


def test_the_darkest_tones_are_those_of_one_percent_of_a_frame(domains: tuple[Path, Path]) -> None:
    def dark(frame: np.ndarray) -> np.ndarray:
        made = np.full_like(frame, 100)
        made.reshape(-1, 3)[: round(0.02 * made.shape[0] * made.shape[1])] = 7
        return made

    def speckled(frame: np.ndarray) -> np.ndarray:
        made = np.full_like(frame, 100)
        made.reshape(-1, 3)[: round(0.005 * made.shape[0] * made.shape[1])] = 7
        return made

    found = compare_footage(*domains, {"dark": dark, "speckled": speckled})
    assert found["dark"].darkest == 7 and found["speckled"].darkest == 100


@pytest.mark.sweep
def test_noise_is_measured_as_what_a_change_makes_of_it(domains: tuple[Path, Path]) -> None:
    def steep(frame: np.ndarray) -> np.ndarray:
        return np.clip(128 + 3.0 * (frame.astype(float) - 128), 0, 255).astype(np.uint8)

    def flat(frame: np.ndarray) -> np.ndarray:
        return np.full_like(frame, 90)

    found = compare_footage(*domains, {"steep": steep, "flat": flat})
    assert found["input"].noise == pytest.approx(1)
    assert 1.8 < found["steep"].noise <= 3.1 and found["flat"].noise == 0
