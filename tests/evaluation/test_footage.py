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


def test_haze_over_what_is_dark_is_a_fault() -> None:
    found = {name: Closeness(50, 1.0, 1) for name in ("input", "target", "reinhard")}
    found |= {"hazy": Closeness(5, 1.0, 2, haze=21), "clear": Closeness(15, 1.0, 2, haze=19)}
    assert choose(found, ["hazy", "clear"])[0] == "clear"
    assert faults(found, "hazy") == ["it lifts dark tones by 21 levels, as haze does"]


def test_haze_is_what_rises_above_the_dark_of_both_clips(tmp_path: Path) -> None:
    """A hundredth of each frame is dark: at 10 and 30 levels, where the target's is at 20; one is all fog."""

    def frame(dark: int) -> np.ndarray:
        made = np.full((40, 50, 3), 120, np.uint8)
        made[:1] = dark  # a fortieth
        return made

    def lifted(picture: np.ndarray) -> np.ndarray:
        return np.where(picture == 120, picture, 60).astype(np.uint8)

    a, b = tmp_path / "a", tmp_path / "b"
    for number, dark in enumerate((10, 30, 90)):
        write_image(a / "test" / f"{number}.png", frame(dark))
    for number in range(3):
        write_image(b / "test" / f"{number}.png", frame(20))
        write_image(a / "train" / f"{number}.png", frame(10))
        write_image(b / "train" / f"{number}.png", frame(20))
    found = compare_footage(a, b, {"lifted": lifted})
    assert found["input"].haze == 0
    assert found["lifted"].haze == pytest.approx(((60 - 20) + (60 - 30)) / 2)


def test_colours_that_turn_into_such_as_neither_film_has_are_a_fault(tmp_path: Path) -> None:
    """A warm figure before a cool wall, and a target with a warm wall: to swap them is wanted, to make them
    green and pink is not."""

    def drawn(figure: tuple[int, int, int], wall: tuple[int, int, int]) -> np.ndarray:
        frame = np.full((40, 50, 3), wall, np.uint8)
        frame[10:30, 10:30] = figure
        return frame

    before = drawn((200, 130, 110), (90, 110, 200))
    write_image(tmp_path / "a" / "test" / "0.png", before)
    write_image(tmp_path / "b" / "test" / "0.png", drawn((90, 110, 200), (200, 130, 110)))
    made = {
        "cooler": drawn((150, 100, 110), (70, 100, 200)),
        "swapped": drawn((90, 110, 200), (200, 130, 110)),
        "green": drawn((60, 180, 90), (200, 90, 120)),
        "grey": drawn((90, 90, 90), (120, 120, 120)),
    }
    ways = {name: lambda _, frame=frame: frame for name, frame in made.items()}
    found = compare_footage(tmp_path / "a", tmp_path / "b", ways)
    assert found["input"].colours == pytest.approx(1) and found["cooler"].colours > 0.9
    assert found["swapped"].colours < -0.9 and found["grey"].colours == 1
    assert found["green"].colours < 0.4 and found["green"].new == pytest.approx(100)
    assert found["input"].new == found["swapped"].new == 0
    turned = {name: any("neither film" in fault for fault in faults(found, name)) for name in made}
    assert turned == {"cooler": False, "swapped": False, "green": True, "grey": False}


@pytest.mark.sweep
def test_noise_is_measured_as_what_a_change_makes_of_it(domains: tuple[Path, Path]) -> None:
    def steep(frame: np.ndarray) -> np.ndarray:
        return np.clip(128 + 3.0 * (frame.astype(float) - 128), 0, 255).astype(np.uint8)

    def flat(frame: np.ndarray) -> np.ndarray:
        return np.full_like(frame, 90)

    found = compare_footage(*domains, {"steep": steep, "flat": flat})
    assert found["input"].noise == pytest.approx(1)
    assert 1.8 < found["steep"].noise <= 3.1 and found["flat"].noise == 0
