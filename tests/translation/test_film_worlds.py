"""What a film gains by its stages, on drawn footage whose truth is known."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from torch import Tensor

from reskin.inference.engine import Engine
from reskin.inference.guided import guided_upsample
from reskin.methods.translator import Translator
from reskin.translation.film import Film, FilmOptions, Frames
from reskin.translation.stabilise import STRENGTH, Stabiliser, warped
from reskin.translation.two_sided import TwoSided
from reskin.types import Direction
from reskin.video.reader import VideoReader
from reskin.video.survey import Shot
from reskin.worlds.footage import Footage, WorldFrame

pytestmark = pytest.mark.slow


def psnr(made: np.ndarray, truth: np.ndarray, where: np.ndarray | slice = slice(None)) -> float:
    difference = (made.astype(float) - truth)[where]
    return float(10 * np.log10(255**2 / np.square(difference).mean()))


@pytest.mark.parametrize("seed", [411, 412, 413])
def test_guided_upsampling_is_two_decibels_above_bicubic(seed: int) -> None:
    frame = Footage("film", seed=seed, frames=1, size=(1024, 576)).frame(0)
    size = (round(1024 / 6), 96)
    small, made = (
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (frame.image, frame.other)
    )
    noise = np.random.default_rng(seed).normal(
        0, 16, made.shape
    )  # nearer to the truth than trained models are
    made = np.clip(made + noise, 0, 255).astype(np.uint8)
    bicubic = cv2.resize(made, (1024, 576), interpolation=cv2.INTER_CUBIC)
    assert psnr(guided_upsample(frame.image, small, made), frame.other) >= psnr(bicubic, frame.other) + 2


def back(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    return warped(picture, flow).astype(float)


def composed(flows: list[np.ndarray]) -> np.ndarray:
    """The motion over several frames: each step is taken where the steps before lead."""
    total = flows[0]
    for flow in flows[1:]:
        step = cv2.remap(
            flow, total, None, cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
        total = total + step
    return np.asarray(total, np.float32)


def unsteadiness(clip: list[np.ndarray], world: list[WorldFrame], apart: int) -> float:
    """Mean squared difference to the frame so many later, moved back by the true flow.

    Only where the world itself is still to be seen there.
    """
    errors = []
    for first in range(len(clip) - apart):
        frames = world[first : first + apart + 1]
        if len({frame.scene for frame in frames}) > 1:
            continue
        flow = composed([frame.flow for frame in frames[:-1]])
        seen = np.abs(back(frames[-1].other, flow) - frames[0].other).max(axis=2) < 12
        errors.append(np.square(back(clip[first + apart], flow) - clip[first])[seen].mean())
    return float(np.mean(errors))


def uncovered(before: WorldFrame) -> np.ndarray:
    """Pixels of the next frame that no pixel of this one moves to, away from the border."""
    height, width = before.labels.shape
    rows, columns = np.mgrid[0:height, 0:width]
    hit = np.zeros((height, width), bool)
    for down in (0, 0.5, -0.5):
        for across in (0, 0.5, -0.5):
            y = np.rint(rows + before.flow[..., 1] + down).astype(int)
            x = np.rint(columns + before.flow[..., 0] + across).astype(int)
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            hit[y[inside], x[inside]] = True
    hit[:4], hit[-4:], hit[:, :4], hit[:, -4:] = True, True, True, True
    return ~hit


def held(
    films: list[np.ndarray], mades: list[np.ndarray], shots: list[int], *, is_best: bool
) -> list[np.ndarray]:
    """A film through the stabiliser, or through that of `--steady best`."""
    stabiliser = Stabiliser(STRENGTH)
    if is_best:
        numbers = list(range(len(films)))
        frames = Frames(films, [Fraction(n) for n in numbers], numbers, small=films, made=mades)
        averaging = TwoSided(lambda number: shots[number])
        mades = [made for ready in averaging.add(frames) + averaging.end() for made in ready.made]
    held = []
    for number, (film, made) in enumerate(zip(films, mades, strict=True)):
        if number and shots[number] != shots[number - 1]:
            stabiliser.reset()
        held.append(stabiliser.step(film, made))
    return held


@pytest.mark.parametrize(
    ("is_best", "left", "left_of_five", "gain"), [(False, 0.35, 0.5, 0.2), (True, 0.05, 0.12, 3.0)]
)
@pytest.mark.parametrize("seed", [401, 402, 403])
def test_the_stabiliser_holds_a_drawn_film_still(
    seed: int, is_best: bool, left: float, left_of_five: float, gain: float
) -> None:
    """The translation is the truth with fresh texture noise in each frame, as of a model that draws anew."""
    world = list(Footage("film", seed=seed, frames=30, size=(160, 96), scene_frames=18))
    chance, raw = np.random.default_rng(seed), []
    for frame in world:
        noise = cv2.GaussianBlur(chance.normal(0, 40, frame.other.shape).astype(np.float32), (3, 3), 0)
        raw.append(np.clip(frame.other + noise, 0, 255).astype(np.uint8))
    made = held([frame.image for frame in world], raw, [frame.scene for frame in world], is_best=is_best)
    assert unsteadiness(made, world, 1) <= left * unsteadiness(raw, world, 1)
    assert unsteadiness(made, world, 5) <= left_of_five * unsteadiness(raw, world, 5)
    gains = [psnr(m, w.other) - psnr(r, w.other) for m, r, w in zip(made, raw, world, strict=True)]
    assert np.mean(gains) >= gain
    new: dict[str, list[np.ndarray]] = {"made": [], "raw": []}
    for number, (before, frame) in enumerate(pairwise(world), 1):
        if before.scene == frame.scene:
            where = uncovered(before)
            new["made"].append((made[number].astype(float) - frame.other)[where].ravel())
            new["raw"].append((raw[number].astype(float) - frame.other)[where].ravel())
    errors = {name: float(np.square(np.concatenate(values)).mean()) for name, values in new.items()}
    assert errors["made"] <= errors["raw"], "what lay over them does not show through"


@pytest.mark.parametrize("is_best", [False, True])
@pytest.mark.parametrize(
    ("clip", "first"),
    [
        ("live/signer_woman.mkv", 10),
        ("live/talking_man_portrait.mp4", 10),
        ("cg/film_sintel_cliff_audio.mp4", 60),
        ("cg/game_voxel_snow.mp4", 30),
    ],
)
def test_real_films_are_never_worse_where_things_move(
    real_data: Path, clip: str, first: int, is_best: bool
) -> None:
    """The translation is a known curve of the frame with fresh texture noise, so its truth is known."""
    with VideoReader(real_data / "video" / clip) as reader:
        frames = [frame.image for frame in reader.frames_at(range(first, first + 20))]
    size = (frames[0].shape[1] * 240 // frames[0].shape[0], 240)
    frames = [np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA), np.uint8) for one in frames]
    chance, truths, raws = np.random.default_rng(0), [], []
    for frame in frames:
        truths.append(40 + 0.6 * frame.astype(float))
        noise = cv2.GaussianBlur(chance.normal(0, 1, frame.shape).astype(np.float32), (0, 0), 1.2)
        raws.append(np.clip(truths[-1] + noise * (14 / noise.std()), 0, 255).astype(np.uint8))
    everywhere, moving = [], []
    mades = held(frames, raws, [0] * len(frames), is_best=is_best)
    for (before, frame), truth, raw, made in zip(
        pairwise([frames[0], *frames]), truths, raws, mades, strict=True
    ):
        moves = np.abs(frame.astype(int) - before).max(axis=2) > 25
        everywhere.append(psnr(made, truth) - psnr(raw, truth))
        if moves.sum() > 50:
            moving.append(psnr(made, truth, moves) - psnr(raw, truth, moves))
    assert np.mean(everywhere) > 0.5
    assert moving and np.mean(moving) >= 0


class Normalising(Translator):
    """Brings every picture to one mean and spread: what instance normalisation does to a whole frame."""

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        mean, spread = images.mean(dim=(2, 3), keepdim=True), images.std(dim=(2, 3), keepdim=True)
        return (images - mean) / spread * 0.35


@pytest.mark.parametrize("bars", [(0, 36, 0, 36), (60, 0, 60, 0), (48, 30, 48, 30)])
def test_borders_cost_nothing_inside_the_picture(bars: tuple[int, int, int, int]) -> None:
    world = Footage("film", seed=421, frames=3, size=(480, 288))
    left, top, right, bottom = bars
    options = FilmOptions(work_size=96)
    alone, framed = (Film(Engine(Normalising(), "a2b"), options, [shot]) for shot in (Shot(0), Shot(0, bars)))
    inside = (slice(top, top + 288), slice(left, left + 480))
    for frame in world:
        wide = np.full((288 + top + bottom, 480 + left + right, 3), 16, np.uint8)
        wide[inside] = frame.image
        one, two = (
            film.finish(film.translate(film.shrink(Frames([picture], [Fraction(0)], [0])))).result[0]
            for film, picture in ((alone, frame.image), (framed, wide))
        )
        truth = frame.other
        assert abs(psnr(one, truth) - psnr(two[inside], truth)) <= 0.1
        outside = np.ones(wide.shape[:2], bool)
        outside[inside] = False
        assert (two[outside] == 16).all()
