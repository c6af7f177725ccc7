"""Footage: the same for a seed, true classes, true motion, looks that differ but line up."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest

from reskin.errors import SettingsError
from reskin.worlds.footage import CLASSES, Footage, WorldFrame


def same(one: WorldFrame, two: WorldFrame) -> bool:
    arrays = ("image", "other", "labels", "flow")
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in arrays)


@pytest.mark.sweep
def test_a_frame_does_not_depend_on_what_was_drawn_before() -> None:
    straight, jumping = (Footage("film", seed=4, frames=13, size=(48, 32), scene_frames=4) for _ in range(2))
    in_order = list(straight)
    for index in (12, 0, 8, 3, 4, 9, 1):
        assert same(jumping.frame(index), in_order[index])


def test_a_scene_does_not_depend_on_how_many_frames_are_asked_for() -> None:
    short, long = (Footage("game", seed=4, frames=frames, size=(64, 64)) for frames in (20, 90))
    assert same(short.frame(12), long.frame(12))


def test_looks_are_the_same_frames_swapped() -> None:
    game, film = (Footage(look, seed=2, frames=3, size=(48, 48)).frame(1) for look in ("game", "film"))
    assert np.array_equal(game.image, film.other)
    assert np.array_equal(game.other, film.image)
    assert np.array_equal(game.labels, film.labels)


def test_other_seeds_and_other_scenes_are_other_places() -> None:
    frames = [Footage("game", seed=seed, frames=24, size=(64, 64), scene_frames=12) for seed in (1, 2)]
    views = [frames[0].frame(0), frames[0].frame(12), frames[1].frame(0)]
    for first in range(3):
        for second in range(first):
            assert np.mean(views[first].labels != views[second].labels) > 0.1


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (160, 90), (40, 300), (1024, 32)])
@pytest.mark.thinned(6)
def test_shapes_and_types_at_many_sizes(size: tuple[int, int]) -> None:
    frame = Footage("film", seed=1, frames=2, size=size).frame(0)
    width, height = size
    assert frame.image.shape == frame.other.shape == (height, width, 3)
    assert frame.labels.shape == (height, width)
    assert frame.flow.shape == (height, width, 2)
    assert frame.image.dtype == frame.other.dtype == frame.labels.dtype == np.uint8
    assert frame.flow.dtype == np.float32
    assert frame.labels.max() < len(CLASSES)


@pytest.mark.parametrize("size", [(64, 64), (96, 32), (32, 96)])
@pytest.mark.thinned(3)
def test_scenery_fills_the_frame_all_through_a_scene(size: tuple[int, int]) -> None:
    """Where no piece lies the canvas is black; no painted surface of the game is that dark."""
    for seed in range(2):
        footage = Footage("game", seed=seed, frames=40, size=size, scene_frames=40)
        for time in (0, 1, 20, 38, 39):
            image = footage.frame(time).image
            assert image.max(axis=2).min() > 25
            assert image[: size[1] // 12].max(axis=2).min() > 150
            assert footage.frame(time).labels[-1, :].min() >= CLASSES.index("grass")


@pytest.mark.slow
def test_largest_size() -> None:
    frame = Footage("game", seed=1, frames=1, size=(1024, 1024)).frame(0)
    assert frame.image.shape == (1024, 1024, 3)
    assert frame.image.min(axis=2).max() > 200


@pytest.mark.sweep
def test_every_scene_shows_every_class_in_a_similar_share() -> None:
    shares = []
    for seed in range(8):
        frame = Footage("game", seed=seed, frames=36, size=(96, 96)).frame(18)
        shares.append(np.bincount(frame.labels.ravel(), minlength=len(CLASSES)) / frame.labels.size)
    common = [
        CLASSES.index(name)
        for name in ("sky", "grass", "road", "pavement", "wall", "roof", "tree", "vehicle")
    ]
    assert len(CLASSES) >= 6
    assert np.min(shares, axis=0)[common].min() > 0.02
    assert np.ptp(np.stack(shares)[:, common], axis=0).max() < 0.16
    assert (np.mean(shares, axis=0) > 0).all()


@pytest.mark.sweep
def test_each_class_has_its_own_colour_in_each_look() -> None:
    views = [Footage("game", seed=seed, frames=1, size=(96, 96)).frame(0) for seed in range(6)]
    labels = np.stack([view.labels for view in views])
    for name in ("image", "other"):
        pixels = np.stack([getattr(view, name) for view in views]).astype(np.float64)
        means = np.stack([pixels[labels == number].mean(axis=0) for number in range(len(CLASSES))])
        apart = np.linalg.norm(means[:, None] - means[None], axis=2)[~np.eye(len(CLASSES), dtype=bool)]
        assert apart.min() > 14, name


def test_no_transfer_of_brightness_can_follow() -> None:
    """The sky is the brightest of these in the game and the darkest in the film."""
    view = Footage("game", seed=5, frames=1, size=(96, 96)).frame(0)
    light = {
        name: [
            float(picture[view.labels == CLASSES.index(name)].mean()) for picture in (view.image, view.other)
        ]
        for name in ("sky", "wall", "roof", "window")
    }
    assert light["sky"][0] > light["window"][0] + 20
    assert light["sky"][1] < light["window"][1] - 50
    assert light["roof"][1] < light["wall"][1] - 50


def test_edges_of_the_looks_coincide() -> None:
    """Where the class changes, both looks change; the strongest steps of one are steps of the other."""
    view = Footage("game", seed=6, frames=1, size=(128, 128)).frame(0)
    steps = [np.abs(np.diff(picture.astype(int), axis=1)).sum(axis=2) for picture in (view.image, view.other)]
    border = view.labels[:, 1:] != view.labels[:, :-1]
    for step in steps:
        assert step[border].mean() > 4 * step[~border].mean()


def interior(frame: WorldFrame, after: WorldFrame, places: np.ndarray) -> np.ndarray:
    """Where a pixel and its surroundings show one class, here and where it moves to, inside the frame."""
    height, width = frame.labels.shape

    def pure(labels: np.ndarray) -> np.ndarray:
        kernel = np.ones((5, 5), np.uint8)
        return cv2.erode(labels, kernel) == cv2.dilate(labels, kernel)

    x, y = places[..., 0], places[..., 1]
    inside = (x >= 2) & (x <= width - 3) & (y >= 2) & (y <= height - 3)
    columns, rows = np.rint(x).astype(int).clip(0, width - 1), np.rint(y).astype(int).clip(0, height - 1)
    return (
        inside
        & pure(frame.labels)
        & pure(after.labels)[rows, columns]
        & (after.labels[rows, columns] == frame.labels)
    )


@pytest.mark.parametrize(
    "size", [(128, 128), *(pytest.param(size, marks=pytest.mark.slow) for size in ((192, 108), (320, 240)))]
)
def test_flow_leads_to_the_same_thing_in_the_next_frame(size: tuple[int, int]) -> None:
    footage = Footage("game", seed=9, frames=12, size=size)
    grid = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), axis=-1).astype(np.float32)
    errors, still = [], []
    for frame, after in pairwise(footage):
        places = grid + frame.flow
        back = cv2.remap(after.image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        good = interior(frame, after, places)
        assert good.mean() > 0.4
        errors.append(np.abs(back.astype(int) - frame.image)[good].mean())
        still.append(np.abs(after.image.astype(int) - frame.image)[good].mean())
    assert np.mean(errors) < 0.55
    assert np.mean(errors) < 0.35 * np.mean(still)


def test_flow_of_each_band_is_that_of_its_depth() -> None:
    """The sky stands still, the road moves with the camera, the verge before it faster."""
    footage = Footage("game", seed=3, frames=12, size=(128, 128))
    ways = {name: [] for name in ("sky", "road")}
    verge = []
    for frame in list(footage)[:-1]:
        for name, found in ways.items():
            found.append(np.median(frame.flow[frame.labels == CLASSES.index(name)][:, 0]))
        verge.append(np.median(frame.flow[-2, :, 0]))
    road = np.mean(ways["road"])
    assert np.abs(ways["sky"]).max() == 0
    assert abs(road) > 0.4
    assert np.mean(verge) == pytest.approx(1.35 * road, abs=0.03)


def test_flow_leads_nowhere_at_a_cut() -> None:
    footage = Footage("film", seed=1, frames=10, size=(48, 48), scene_frames=4)
    frames = list(footage)
    assert [frame.scene for frame in frames] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert [index for index, frame in enumerate(frames) if frame.is_last] == [3, 7, 9]
    for frame in frames:
        assert frame.is_last == (not frame.flow.any())


def test_grain_is_mild_and_new_in_each_frame() -> None:
    footage = Footage("film", seed=1, frames=3, size=(128, 128))
    sky = np.s_[2:12, 2:126]
    one, two = (footage.frame(index).image[sky].astype(float) for index in (0, 1))
    assert 2.0 < (one - two).std() / np.sqrt(2) < 5.0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"size": (31, 64)}, "31x64"),
        ({"size": (64, 1025)}, "64x1025"),
        ({"look": "cartoon"}, "cartoon"),
        ({"frames": 0}, "0 frames"),
        ({"scene_frames": 0}, "scenes of 0"),
        ({"seed": -1}, "-1"),
        ({"frame_rate": Fraction(0)}, "0 frames per second"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, object], word: str) -> None:
    values: dict[str, object] = {"look": "game", "seed": 1, "frames": 2, **changes}
    with pytest.raises(SettingsError, match=word):
        Footage(values.pop("look"), **values)  # type: ignore[arg-type]


def test_frames_out_of_range() -> None:
    footage = Footage("game", seed=1, frames=2, size=(32, 32))
    for index in (-1, 2):
        with pytest.raises(IndexError):
            footage.frame(index)


def test_importing_loads_no_heavy_package() -> None:
    code = "import sys, reskin.worlds.footage; print(sorted({'cv2', 'av', 'torch'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
