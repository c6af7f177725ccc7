"""Faces put back into their film: drawn faces, a detector that sees them, a model whose translation is
known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tests.support.fake_faces import RedDetector, drawn
from tests.support.reports import Reports
from tests.translation.test_resume import Mixing, Restless, stopped_after
from torch import Tensor

from reskin.errors import DataError, SettingsError, WeightsError
from reskin.faces.alignment import landmark_matrix
from reskin.faces.blend import FaceAreas, face_areas, face_mask
from reskin.faces.smoothing import pose_of
from reskin.framing import Framing
from reskin.images import Picture, write_image
from reskin.methods.translator import Stream, Translator
from reskin.translation import face_search
from reskin.translation.clips import VideoResult, translate_video
from reskin.translation.face_film import CutFace, face_share, follow_face, put_face
from reskin.translation.face_plan import Cut, FaceOptions, FoundFaces, PlacedFace, SeenFace, plan_faces
from reskin.translation.film import FilmOptions
from reskin.types import Direction
from reskin.video.encoding import Encoding
from reskin.video.reader import VideoReader
from reskin.video.writer import Sound, VideoWriter

RATE = Fraction(25)
Places = list[tuple[float, float, int]]
FACES = FilmOptions(work_size=32, steady=0.0, has_bars=False, faces=FaceOptions(), encoding=Encoding("ffv1"))


class Greener(Translator):
    """Adds green; counts the pictures that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[int] = []

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        self.shown.append(len(images))
        return (images + torch.tensor([0.0, 0.4, 0.0])[None, :, None, None]).clamp(-1, 1)


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> RedDetector:
    seen = RedDetector()
    monkeypatch.setattr(face_search, "open_detector", lambda name: seen)
    return seen


def film(path: Path, frames: list[Places], *, cut_at: int | None = None) -> Path:
    tone = 0.3 * np.sin(np.arange(320 * len(frames)) / 20).astype(np.float32)[:, None]
    encoding = Encoding("ffv1") if path.suffix == ".mkv" else Encoding()
    with VideoWriter(
        path, size=(160, 120), frame_rate=RATE, sound=Sound(tone, 8000), encoding=encoding
    ) as out:
        for number, places in enumerate(frames):
            background = 190 if cut_at is not None and number >= cut_at else 60
            out.write(drawn(places, background=background), number / RATE)
    return path


def frames_of(path: Path) -> list[Picture]:
    with VideoReader(path) as reader:
        return [frame.image for frame in reader]


def translated(model: Translator, source: Path, **changes: Any) -> tuple[VideoResult, list[Picture]]:
    out = source.with_name("out.mkv")
    options = replace(FACES, **changes)
    made = translate_video(model, source, out, "a2b", film=options, overwrite=True)
    return made, frames_of(out)


def walking(count: int, *, start: float = 50.0) -> list[Places]:
    return [[(start + number, 60.0, 40)] for number in range(count)]


@pytest.mark.sweep
def test_frames_without_a_face_are_the_sources_own(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", [[]] * 8 + walking(12) + [[]] * 6)
    made, after = translated(Greener(), source)
    before = frames_of(source)
    untouched = [index for index in range(26) if np.array_equal(before[index], after[index])]
    assert untouched == [*range(8), *range(20, 26)]
    assert made.frames == 26 and "faces: translated in 12 of 26 frames" in made.notes[-1]


def test_what_lies_outside_of_the_faces_is_the_sources_own(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", walking(10))
    _, after = translated(Greener(), source)
    for index, (old, new) in enumerate(zip(frames_of(source), after, strict=True)):
        changed = (old != new).any(axis=2)
        down, across = np.nonzero(changed)
        assert abs(across.mean() - (50 + index)) < 2 and abs(down.mean() - 60) < 2
        assert across.max() - across.min() < 40 * 1.5 and changed[60, 50 + index]
        assert (new[60, 50 + index].astype(int) - old[60, 50 + index])[1] > 15


def test_times_and_sound_are_the_sources(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", walking(12) + [[]] * 10)
    out = tmp_path / "out.mp4"
    translate_video(Greener(), source, out, "a2b", film=replace(FACES, encoding=Encoding()))
    with VideoReader(source) as one, VideoReader(out) as other:
        assert one.times() == other.times()
    assert sound_packets(source) == sound_packets(out)


def sound_packets(path: Path) -> list[bytes]:
    import av

    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_a_translation_that_changes_nothing_changes_no_pixel() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (90, 120, 3)).astype(np.uint8)
    crop = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    matrix = landmark_matrix([(40, 30), (70, 34), (54, 50), (42, 66), (66, 70)], size=32, margin=0.25)
    face = CutFace(PlacedFace(0, matrix, 1.0), crop)
    mask = np.ones((32, 32), np.float32)
    same = put_face(frame, face, crop, mask=mask, detail=1.0, bars=(0, 0, 0, 0))
    assert np.array_equal(same, frame)


def test_borders_stay_as_they_are() -> None:
    frame = np.full((90, 120, 3), 90, np.uint8)
    crop = np.full((32, 32, 3), 90, np.uint8)
    matrix = landmark_matrix([(40, 30), (70, 34), (54, 50), (42, 66), (66, 70)], size=32, margin=0.25)
    mask = np.ones((32, 32), np.float32)
    face = CutFace(PlacedFace(0, matrix, 1.0), crop)
    made = put_face(frame, face, crop + np.uint8(40), mask=mask, detail=1.0, bars=(50, 30, 55, 35))
    changed = (made != frame).any(axis=2)
    assert changed[30:55, 50:65].all() and changed.sum() == 25 * 15


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_a_shift_of_colour_arrives_by_strength(strength: float) -> None:
    frame = np.random.default_rng(0).integers(60, 70, (90, 120, 3)).astype(np.uint8)
    crop = np.full((32, 32, 3), 65, np.uint8)
    matrix = landmark_matrix([(40, 30), (70, 34), (54, 50), (42, 66), (66, 70)], size=32, margin=0.25)
    face = CutFace(PlacedFace(0, matrix, strength), crop)
    mask = np.ones((32, 32), np.float32)
    made = put_face(frame, face, crop + np.uint8(40), mask=mask, detail=0.0, bars=(0, 0, 0, 0))
    # The grain of the frame stays: what is flat in the picture is shifted, not painted over.
    assert np.array_equal(made[50, 55], frame[50, 55] + int(40 * strength))


@pytest.mark.parametrize(("ground", "skin"), [(225, 120), (14, 30)])
def test_the_mask_ends_at_the_jaw_in_bright_and_dark_films(ground: int, skin: int) -> None:
    """A narrow face: the ellipse alone would reach over the ground at both sides of it."""
    size = 96
    crop = np.full((size, size, 3), ground, np.uint8)
    cv2.ellipse(crop, (48, 48), (22, 38), 0, 0, 360, (skin, skin, skin), -1)
    crop = crop + np.random.default_rng(0).integers(0, 3, crop.shape).astype(np.uint8)
    mask = followed(face_areas(size, 0.25), crop)
    beside = np.zeros((size, size), bool)
    beside[40:56, 16:23] = True
    assert face_mask(size, 0.25)[beside].mean() > 0.6 and mask[beside].mean() < 0.4
    assert mask[30:66, 32:64].min() > 0.9
    assert mask.min() >= 0 and mask.max() <= 1
    assert not np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any()


def followed(areas: FaceAreas, crop: Picture) -> np.ndarray:
    """The mask of a face as a film uses it."""
    return follow_face(areas, crop, face_share(areas, crop))


def portrait(skin: tuple[int, int, int], ground: tuple[int, int, int]) -> Picture:
    """A face with a neck of its colour, grey hair, white eyes and a red mouth, on plain ground."""
    crop = np.full((96, 96, 3), ground, np.uint8)
    cv2.ellipse(crop, (48, 30), (30, 30), 0, 0, 360, (70, 70, 70), -1)
    cv2.rectangle(crop, (36, 60), (60, 95), skin, -1)
    cv2.ellipse(crop, (48, 48), (26, 36), 0, 0, 360, skin, -1)
    for x in (38, 58):
        cv2.circle(crop, (x, 40), 4, (240, 240, 240), -1)
    cv2.ellipse(crop, (48, 66), (9, 4), 0, 0, 360, (170, 30, 40), -1)
    return crop + np.random.default_rng(0).integers(0, 3, crop.shape).astype(np.uint8)


SKINS = pytest.mark.parametrize("skin", [(200, 150, 120), (70, 45, 35)])


@SKINS
def test_the_mask_goes_down_the_neck_and_leaves_hair_and_ground(skin: tuple[int, int, int]) -> None:
    mask = followed(face_areas(96, 0.25), portrait(skin, (90, 140, 220)))
    down_the_neck = mask[76:, 48]
    assert mask[76, 48] > 0.7 and (np.diff(down_the_neck) <= 1e-3).all() and down_the_neck[-1] == 0
    assert np.abs(np.diff(down_the_neck)).max() < 0.12  # no edge
    assert mask[40, 38] > 0.9 and mask[66, 48] > 0.9  # eyes and mouth belong to the face
    assert mask[4:9, 40:56].max() < 0.25 and mask[40:60, 10:17].max() < 0.2
    assert mask[76:, 20:30].max() < 0.2  # the ground beside the neck


def test_a_beard_belongs_to_the_face() -> None:
    crop = portrait((200, 150, 120), (90, 140, 220))
    cv2.ellipse(crop, (48, 68), (16, 14), 0, 0, 360, (40, 30, 25), -1)
    assert followed(face_areas(96, 0.25), crop)[60:74, 42:55].min() > 0.8


@pytest.mark.sweep
def test_a_stopped_film_goes_on_and_ends_the_same(tmp_path: Path, detector: RedDetector) -> None:
    source = film(tmp_path / "in.mp4", walking(40) + [[]] * 20 + walking(80) + [[]] * 20)
    options = replace(FACES, steady=0.8, has_bars=True, encoding=Encoding())
    translate_video(Restless(), source, tmp_path / "whole.mp4", "a2b", film=options)
    detector.searches.clear()
    stopped_after(1, Restless(), source, tmp_path / "out.mp4", options)
    searched = len(detector.searches)
    translate_video(Restless(), source, tmp_path / "out.mp4", "a2b", film=options)
    assert len(detector.searches) == searched  # found once, kept
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.sweep
def test_a_search_that_was_stopped_goes_on_at_a_shot(
    tmp_path: Path, detector: RedDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_search, "KEEP_FRAMES", 10)
    source = film(tmp_path / "in.mkv", walking(15) + walking(15, start=80.0), cut_at=15)
    _, whole = translated(Greener(), source)
    count = 0

    def stop(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        nonlocal count
        count += what != "frames"
        if count == 22:
            raise KeyboardInterrupt

    out = tmp_path / "again.mkv"
    with pytest.raises(KeyboardInterrupt):
        translate_video(Greener(), source, out, "a2b", film=FACES, report=stop)
    reports = Reports()
    translate_video(Greener(), source, out, "a2b", film=FACES, report=reports)
    assert [seen.done for seen in reports if seen.what != "frames"] == list(range(16, 31))
    assert all(np.array_equal(one, other) for one, other in zip(whole, frames_of(out), strict=True))


class RemembersEach(Restless):
    """Mixes each face with the one before, so that two people in one film must not be mixed up."""

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return -images

    def stream(self, direction: Direction) -> Stream:
        return Mixing(self, direction)


@pytest.mark.sweep
def test_a_model_that_remembers_keeps_people_apart(tmp_path: Path) -> None:
    alone = [[(40.0, 60.0, 40)] for _ in range(8)]
    other = [(120.0, 60.0, 30)]
    one = film(tmp_path / "one.mkv", alone)
    two = film(tmp_path / "two.mkv", [places + other for places in alone])
    _, single = translated(RemembersEach(), one)
    _, both = translated(RemembersEach(), two)
    for left, right in zip(single, both, strict=True):
        assert np.array_equal(left[:, :80], right[:, :80])
        assert not np.array_equal(left[:, 80:], right[:, 80:])


def found(tracks: dict[int, dict[int, tuple[float, float, int]]], *, score: float = 0.9) -> FoundFaces:
    seen = []
    for track, places in tracks.items():
        for index, (x, y, side) in places.items():
            face = replace(RedDetector().detect(drawn([(80, 60, side)]))[0], score=score)
            middle = face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2
            seen.append(SeenFace(index, track, face.moved(x - middle[0], y - middle[1])))
    return FoundFaces(1 + max(seen.index for seen in seen), seen)


def plan(faces: FoundFaces, options: FaceOptions | None = None, **changes: Any) -> Any:
    settings: dict[str, Any] = {"cut": Cut(Framing(), 32), "shots": [0]}
    settings["times"] = [number / 25 for number in range(60)]
    return plan_faces(faces, options or FaceOptions(), **(settings | changes))


def test_small_gaps_are_bridged_and_large_ones_are_not() -> None:
    places = {i: (50.0 + 2 * i, 60.0, 40) for i in range(40) if i not in (10, 11, 12, 20, 21, 22, 23)}
    made = plan(found({0: places}))
    assert sorted(made.faces) == [i for i in range(40) if i not in (20, 21, 22, 23)]
    x = [pose_of(made.faces[i][0].matrix, 32)[0] for i in (9, 10, 11, 12, 13)]
    assert np.allclose(np.diff(x), 2, atol=0.2)


def test_what_is_seen_for_a_moment_or_not_surely_is_no_face() -> None:
    steady = {i: (50.0, 60.0, 40) for i in range(30)}
    flash = {i: (120.0, 60.0, 40) for i in range(4)}
    assert plan(found({0: steady, 1: flash})).tracks == 1
    with pytest.raises(DataError, match="no face was found"):
        plan(found({0: flash}))
    assert plan(found({0: flash}), shots=[0, 4]).tracks == 1  # as long as its shot
    with pytest.raises(DataError, match="no face was found"):
        plan(found({0: steady}, score=0.55))
    with pytest.raises(DataError, match="no face was found"):
        plan(found({0: {i: (50.0, 60.0, 12) for i in range(30)}}))


def test_a_cut_in_every_frame_smooths_nothing() -> None:
    places = {i: {i: (40.0 + 20 * (i % 4), 60.0, 40)} for i in range(12)}
    made = plan(found(places), shots=list(range(12)), times=[i / 25 for i in range(12)])
    for index in range(12):
        (face,) = made.faces[index]
        assert np.isclose(pose_of(face.matrix, 32)[0], 40 + 20 * (index % 4), atol=1.0)
        assert face.strength == 1


def test_faces_fade_where_they_come_and_go_but_not_at_cuts() -> None:
    made = plan(found({0: {i: (50.0, 60.0, 40) for i in range(10, 30)}}), shots=[0, 30])
    strengths = [made.faces[i][0].strength for i in range(10, 30)]
    assert np.allclose(strengths[:5], [0.2, 0.4, 0.6, 0.8, 1.0]) and strengths[-1] == 1
    made = plan(found({0: {i: (50.0, 60.0, 40) for i in range(20)}}))
    assert made.faces[0][0].strength == 1 and np.isclose(made.faces[19][0].strength, 0.2)


def test_only_the_largest_of_those_who_are_there() -> None:
    small = {i: (40.0, 60.0, 24) for i in range(40)}
    large = {i: (110.0, 60.0, 40) for i in range(10, 30)}
    made = plan(found({0: small, 1: large}), FaceOptions(only="largest"))
    chosen = {index: [face.track for face in faces] for index, faces in made.faces.items()}
    assert chosen == {i: [1] if 10 <= i < 30 else [0] for i in range(40)}
    everyone = plan(found({0: small, 1: large}))
    assert len(everyone.faces[15]) == 2 and everyone.left_out == 0


def faces_of_two(tmp_path: Path) -> tuple[Path, Picture]:
    """A film of two people, one of whom has a blue beard, and a frame of it."""
    source = tmp_path / "two.mkv"
    with VideoWriter(source, size=(160, 120), frame_rate=RATE, encoding=Encoding("ffv1")) as out:
        for number in range(12):
            picture = drawn([(40, 60, 40), (120, 60, 40)])
            picture[60:72, 24:56] = (230, 60, 140)
            out.write(picture, number / RATE)
    return source, picture


def test_only_who_looks_like_a_picture(tmp_path: Path) -> None:
    source, picture = faces_of_two(tmp_path)
    anna = tmp_path / "anna.png"
    write_image(anna, picture[30:95, 10:75])
    made, after = translated(Greener(), source, faces=FaceOptions(only=anna))
    changed = (after[5] != frames_of(source)[5]).any(axis=2)
    assert changed[:, :80].any() and not changed[:, 80:].any()
    assert "1 other faces were left out" in made.notes[-1]


def test_a_person_who_is_not_there(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", walking(12))
    stranger = drawn([(80, 60, 40)])
    stranger[40:80:4, 60:100] = (250, 30, 250)
    write_image(tmp_path / "ben.png", stranger)
    with pytest.raises(
        DataError, match=r"nobody looks like the face in .*ben\.png .*Give a frame of this film"
    ):
        translated(Greener(), source, faces=FaceOptions(only=tmp_path / "ben.png"))
    write_image(tmp_path / "wall.png", drawn([]))
    with pytest.raises(DataError, match=r"no face is found in .*wall\.png"):
        translated(Greener(), source, faces=FaceOptions(only=tmp_path / "wall.png"))


def test_no_face_anywhere_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", [[]] * 8)
    with pytest.raises(
        DataError, match=r"no face was found \(8 frames searched\)\. Leave --faces out"
    ) as raised:
        translated(Greener(), source)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out.mkv").exists()


def test_a_detector_that_is_not_installed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reskin.faces.detectors import open_detector

    monkeypatch.setattr(face_search, "open_detector", open_detector)
    monkeypatch.setitem(__import__("sys").modules, "dlib", None)
    source = film(tmp_path / "in.mkv", walking(8))
    with pytest.raises(WeightsError, match=r"Type: pip install 'reskin\[faces\]'"):
        translated(Greener(), source, faces=FaceOptions(detector="dlib"))


def test_full_size_makes_no_sense_for_faces() -> None:
    with pytest.raises(SettingsError, match="--work-size full for faces"):
        replace(FACES, work_size="full")


def test_a_face_is_cut_out_as_the_model_learnt_it(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mkv", walking(8))
    made = {}
    for margin in (0.1, 0.5):
        model = Greener()
        model.framings = {"a": Framing(margin=margin)}
        made[margin] = translated(model, source)[1][4]
    asked = translated(Greener(), source, faces=FaceOptions(framing=Framing(margin=0.5)))[1][4]
    assert np.array_equal(made[0.5], asked) and not np.array_equal(made[0.1], asked)


@pytest.mark.sweep
def test_a_preview_searches_its_part_only(tmp_path: Path, detector: RedDetector) -> None:
    source = film(tmp_path / "in.mkv", walking(40))
    made, after = translated(Greener(), source, start=0.4, seconds=0.4)
    assert made.frames == len(after) == 10 and len(detector.searches) == 10
    assert "translated in 10 of 10" in made.notes[-1]
