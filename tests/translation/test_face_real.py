"""People of real films distinguished by their faces: the real detector, two people in one frame."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.translation.test_face_film import FACES, Greener, frames_of

from reskin.errors import DataError
from reskin.faces.detectors import YuNetDetector
from reskin.images import Picture, read_image, write_image
from reskin.inference.engine import Engine
from reskin.progress import silent
from reskin.translation import face_search
from reskin.translation.clips import translate_video
from reskin.translation.face_pictures import PictureFaces, translate_faces
from reskin.translation.face_plan import FaceOptions
from reskin.video.encoding import Encoding
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter

LEARNT = range(10, 18)
"""Frames of both clips that the film shows; the picture of the person is another one."""


@pytest.fixture
def people(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[Picture]]:
    """Frames of two signing people, 320x240, from 0 on."""
    detector = YuNetDetector(real_data / "weights" / "face_yunet_n_640.onnx")
    monkeypatch.setattr(face_search, "open_detector", lambda name: detector)
    found = []
    for name in ("signer_man", "signer_woman"):
        with VideoReader(real_data / "video" / "live" / f"{name}.mkv") as reader:
            found.append([frame.image[::2, ::2] for frame in reader.frames_at(range(41))])
    return found


LIGHTS = {"the same": (1.0, 1.0, 1.0), "dark and warm": (0.6, 0.5, 0.35), "cold": (0.7, 0.9, 1.0)}


@pytest.mark.sweep
@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS.keys())
def test_one_of_two_people_is_translated(
    tmp_path: Path, people: list[list[Picture]], light: tuple[float, float, float]
) -> None:
    man, woman = people
    anna, source, out = tmp_path / "anna.png", tmp_path / "in.mkv", tmp_path / "out.mkv"
    write_image(anna, np.rint(woman[40] * np.array(light)).astype(np.uint8))
    with VideoWriter(source, size=(640, 240), frame_rate=Fraction(30), encoding=Encoding("ffv1")) as writer:
        for number in LEARNT:
            writer.write(np.concatenate([man[number], woman[number]], axis=1), Fraction(number, 30))
    options = replace(FACES, work_size=64, faces=FaceOptions(only=anna))
    made = translate_video(Greener(), source, out, "a2b", film=options)
    assert f"translated in {len(LEARNT)} of {len(LEARNT)} frames" in made.notes[-1]
    assert "1 other faces were left out" in made.notes[-1]
    for before, after in zip(frames_of(source), frames_of(out), strict=True):
        changed = (before != after).any(axis=2)
        assert changed[:, 320:].any() and not changed[:, :320].any()


@pytest.mark.sweep
def test_a_picture_of_two_people(tmp_path: Path, people: list[list[Picture]]) -> None:
    man, woman = people
    both, ben, other = tmp_path / "both.png", tmp_path / "ben.png", tmp_path / "other.png"
    write_image(both, np.concatenate([man[10], woman[10]], axis=1))
    write_image(ben, man[40])
    faces = PictureFaces(Engine(Greener(), "a2b"), replace(FACES, faces=FaceOptions(only=ben)))
    translate_faces(faces, both, tmp_path / "out.png", report=silent)
    changed = (read_image(both) != read_image(tmp_path / "out.png")).any(axis=2)
    assert changed[:, :320].any() and not changed[:, 320:].any()
    write_image(other, woman[10])
    with pytest.raises(DataError, match=r"nobody in .*other\.png looks like the face in .*ben\.png"):
        translate_faces(faces, other, tmp_path / "no.png", report=silent)
