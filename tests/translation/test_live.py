"""Frames as they come: the same pictures as a film, cuts, faces, latency, and what can go wrong with a
stream."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.fake_faces import RedDetector, drawn
from tests.translation.conftest import Negative
from tests.translation.test_face_film import Greener

from reskin.errors import ReskinError, SettingsError, VideoError
from reskin.exits import PartialError
from reskin.faces.smoothing import pose_of
from reskin.framing import Framing
from reskin.images import Picture, write_image
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering
from reskin.translation import face_live
from reskin.translation.face_live import LiveFaces
from reskin.translation.face_plan import Cut, FaceOptions
from reskin.translation.film import AS_IT_IS, Film, FilmOptions, Frames
from reskin.translation.live import CutFinder, LiveFrame, LiveReport, translate_live
from reskin.video.raw import Camera, RawFormat

SIZE = (64, 48)


def noise(count: int, *, seed: int = 0) -> list[Picture]:
    wide = np.random.default_rng(seed).integers(60, 200, (48, 64 + count, 3)).astype(np.uint8)
    return [np.ascontiguousarray(wide[:, number : number + 64]) for number in range(count)]


def coming(pictures: list[Picture]) -> Iterator[LiveFrame]:
    for number, picture in enumerate(pictures):
        yield LiveFrame(picture, number / 25, time.monotonic())


def live(model: Any, pictures: list[Picture], **options: Any) -> tuple[list[Picture], LiveReport]:
    made: list[Picture] = []
    settings: dict[str, Any] = {"film": AS_IT_IS, "size": (pictures[0].shape[1], pictures[0].shape[0])}
    report = translate_live(
        model, coming(pictures), lambda picture, _: made.append(picture), "a2b", **(settings | options)
    )
    return made, report


def test_every_frame_comes_out_in_order(negative: Negative) -> None:
    pictures = noise(12)
    made, report = live(negative, pictures)
    assert all(np.array_equal(new, 255 - old) for old, new in zip(pictures, made, strict=True))
    assert report.frames == len(report.latencies) == 12 and min(report.latencies) > 0
    assert report.seconds >= max(report.latencies) - 1e-6 and "12 frames" in report.in_words()


def test_frames_agree_as_those_of_a_film(negative: Negative) -> None:
    pictures = noise(6) + [255 - picture // 3 for picture in noise(6, seed=1)]
    options = FilmOptions(work_size=32, steady=0.8, has_bars=False)
    made, _ = live(negative, pictures, film=options)
    film = Film(Engine(negative, "a2b"), options, [])
    film.begin_shot(0)
    film.begin_shot(6)  # found by the live translation itself
    frames = Frames(pictures, [Fraction(n, 25) for n in range(12)], list(range(12)))
    whole = film.finish(film.translate(film.shrink(frames))).result
    assert all(np.array_equal(one, other) for one, other in zip(made, whole, strict=True))


def test_cuts_are_found_and_fast_motion_is_none() -> None:
    finder = CutFinder()
    dark, light = np.full((48, 64, 3), 30, np.uint8), np.full((48, 64, 3), 200, np.uint8)
    assert [finder.is_cut(p) for p in (dark, dark, light, light, dark)] == [False, False, True, False, True]
    finder = CutFinder()
    stripes = np.zeros((48, 640, 3), np.uint8)
    stripes[:, ::32] = stripes[:, 1::32] = 255
    pan = [np.ascontiguousarray(stripes[:, 8 * n : 8 * n + 64]) for n in range(30)]
    assert sum(finder.is_cut(picture) for picture in pan) <= 1  # the first step cannot be told from a cut


def test_a_cut_in_every_frame_is_translated_all_the_same(negative: Negative) -> None:
    pictures = [np.full((48, 64, 3), 40 + 170 * (n % 2), np.uint8) for n in range(8)]
    made, _ = live(negative, pictures, film=FilmOptions(work_size="full", steady=0.8, has_bars=False))
    assert all(
        np.abs(new.astype(int) - (255 - old)).max() <= 1 for old, new in zip(pictures, made, strict=True)
    )


def test_a_reader_that_goes_is_one_line(negative: Negative) -> None:
    def gone(picture: Picture, moment: Fraction) -> None:
        raise BrokenPipeError

    with pytest.raises(PartialError, match="whoever read standard output has gone after 0 frames") as raised:
        translate_live(negative, coming(noise(5)), gone, "a2b", film=AS_IT_IS, size=SIZE)
    assert "\n" not in str(raised.value)


def test_a_source_that_waits_is_told_of_a_failure(negative: Negative) -> None:
    stopped, told = threading.Event(), list[bool]()

    def slow() -> Iterator[LiveFrame]:
        yield from coming(noise(1))
        told.append(stopped.wait(20))

    def fails(picture: Picture, moment: Fraction) -> None:
        raise VideoError("the disk is full")

    with pytest.raises(VideoError, match="the disk is full"):
        translate_live(negative, slow(), fails, "a2b", film=AS_IT_IS, size=SIZE, stopped=stopped)
    assert told == [True]


def test_too_small_frames_and_wrong_masks_are_refused(negative: Negative, tmp_path: Path) -> None:
    negative.trained_edge = 256
    with pytest.raises(SettingsError, match=r"learnt at 256 px, and the shorter edge of the frames is 48"):
        live(negative, noise(2), film=FilmOptions(has_bars=False))
    write_image(tmp_path / "mask.png", np.full((40, 64, 3), 255, np.uint8))
    with pytest.raises(SettingsError, match=r"mask\.png has 64x40 px, the frames have 64x48"):
        live(negative, noise(2), rendering=Rendering(mask=tmp_path / "mask.png"))
    write_image(tmp_path / "mask.png", np.zeros((48, 64, 3), np.uint8))
    pictures = noise(2)
    made, _ = live(negative, pictures, rendering=Rendering(mask=tmp_path / "mask.png"))
    assert np.array_equal(made[1], pictures[1])


class Trembling(RedDetector):
    """Sees the faces a little off, another way in each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.chance = np.random.default_rng(0)

    def detect(self, image: Picture) -> list[Any]:
        return [face.moved(*self.chance.normal(0, 0.6, 2)) for face in super().detect(image)]


def squares(faces: LiveFaces, frames: list[Picture], cuts: tuple[int, ...] = ()) -> list[list[float]]:
    found = []
    for number, picture in enumerate(frames):
        faces.times[number] = number / 25
        faces.cuts.extend([number] if number in cuts else [])
        found.append([float(pose_of(face.matrix, 32)[0]) for face in faces.at(number, picture)])
    return found


def test_faces_are_followed_and_hold_still() -> None:
    frames = [drawn([(80, 60, 40)]) for _ in range(50)]
    made = squares(LiveFaces(FaceOptions(), Cut(Framing(), 32), Trembling()), frames)
    assert made[0] == [] and all(len(found) == 1 for found in made[1:])
    x = np.array([found[0] for found in made[1:]])
    raw = np.random.default_rng(0).normal(0, 0.6, 1000)
    assert np.diff(x[5:], 2).std() < 0.6 * np.diff(raw, 2).std()


def test_a_face_is_not_smoothed_over_a_cut() -> None:
    frames = [drawn([(60, 60, 40)])] * 10 + [drawn([(70, 60, 40)])] * 10
    kept = squares(LiveFaces(FaceOptions(), Cut(Framing(), 32), RedDetector()), frames)
    cut = squares(LiveFaces(FaceOptions(), Cut(Framing(), 32), RedDetector()), frames, cuts=(10,))
    there = kept[9][0] + 10
    assert kept[11][0] < there - 0.2 and abs(cut[11][0] - there) < 0.1 and cut[10] == []


@pytest.mark.parametrize(("only", "count"), [("all", 2), ("largest", 1)])
def test_only_the_largest_face_of_a_frame(only: Any, count: int) -> None:
    frames = [drawn([(40, 60, 24), (110, 60, 40)])] * 4
    made = squares(LiveFaces(FaceOptions(only=only), Cut(Framing(), 32), RedDetector()), frames)
    assert len(made[-1]) == count and min(abs(x - 110) for x in made[-1]) < 1


def test_faces_of_live_frames_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_live, "open_detector", lambda name: RedDetector())
    pictures = [drawn([])] * 3 + [drawn([(80, 60, 40)])] * 10
    options = replace(AS_IT_IS, work_size=32, faces=FaceOptions())
    made, _ = live(Greener(), pictures, film=options)
    assert all(np.array_equal(one, other) for one, other in zip(made[:3], pictures[:3], strict=True))
    assert made[-1][60, 80, 1] > pictures[-1][60, 80, 1] + 15 and np.array_equal(
        made[-1][:20], pictures[-1][:20]
    )


@pytest.mark.parametrize("pixel_format", ["rgb24", "bgr24"])
def test_raw_frames_come_and_go(pixel_format: Any) -> None:
    raw = RawFormat(64, 48, pixel_format)
    pictures = noise(3)
    out = io.BytesIO()
    for picture in pictures:
        raw.write(out, picture)  # type: ignore[arg-type]
    first = pictures[0][0, 0] if pixel_format == "rgb24" else pictures[0][0, 0, ::-1]
    assert out.getvalue()[:3] == first.tobytes() and len(out.getvalue()) == 3 * raw.frame_bytes
    back = list(raw.read(io.BytesIO(out.getvalue())))  # type: ignore[arg-type]
    assert all(np.array_equal(one, other) for one, other in zip(back, pictures, strict=True))


class Dribbling(io.RawIOBase):
    """Gives a few bytes at a time, as a pipe may."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def readinto(self, into: Any) -> int:
        count = min(1000, len(into), len(self.content))
        into[:count] = self.content[:count]
        self.content = self.content[count:]
        return count


def test_frames_come_in_pieces() -> None:
    pictures = noise(2)
    stream = Dribbling(b"".join(picture.tobytes() for picture in pictures))
    assert all(np.array_equal(a, b) for a, b in zip(RawFormat(64, 48).read(stream), pictures, strict=True))


@pytest.mark.parametrize(
    ("length", "says"),
    [
        (0, "standard input ends before the first frame"),
        (100, r"in the middle of frame 1 \(100 of 9216 bytes\)"),
        (9216 + 9215, r"in the middle of frame 2 \(9215 of 9216 bytes\).*rgb24 frames of 64x48"),
    ],
)
def test_a_stream_that_ends_within_a_frame_is_one_line(length: int, says: str) -> None:
    with pytest.raises(VideoError, match=says) as raised:
        list(RawFormat(64, 48).read(io.BytesIO(bytes(length))))  # type: ignore[arg-type]
    assert "\n" not in str(raised.value) and raised.value.exit_code == 2


@pytest.mark.parametrize("size", [(0, 48), (64, 0), (20_000, 48)])
def test_impossible_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(SettingsError, match="frames of"):
        RawFormat(*size)


class Device:
    """A camera that gives a frame each time that it is let."""

    def __init__(self, pictures: list[Picture]) -> None:
        self.pictures, self.let, self.released = pictures, threading.Semaphore(1), False

    def read(self) -> tuple[bool, Picture | None]:
        self.let.acquire()
        return (True, self.pictures.pop(0)[..., ::-1]) if self.pictures else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_slow_taker_gets_the_newest_frame_of_a_camera() -> None:
    pictures = noise(5)
    device = Device(list(pictures))
    with Camera(0, device) as camera:
        frames = camera.frames()
        assert np.array_equal(next(frames)[0], pictures[0])
        for _ in range(3):
            device.let.release()
        while len(device.pictures) > 1 or camera.dropped < 2:
            time.sleep(0.001)
        assert np.array_equal(next(frames)[0], pictures[3])
        for _ in range(2):
            device.let.release()
        assert [np.array_equal(picture, pictures[4]) for picture, _ in frames] == [True]
    assert camera.dropped == 2 and device.released


def test_a_camera_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ReskinError, match=r"there is no camera 77\. Check that it is connected") as raised:
        Camera(77)
    assert "\n" not in str(raised.value)
    with pytest.raises(VideoError, match="camera 3 gives no picture"):
        Camera(3, Device([]))
