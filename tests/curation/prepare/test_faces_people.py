"""Telling people apart among the faces of videos, taking one of them, and tracks that stay in one split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.fake_faces import Place, RedDetector, film

from reskin.cli import prepare_faces as command
from reskin.curation.prepare import face_search, ray_pool
from reskin.curation.prepare import faces as faces_module
from reskin.curation.prepare.face_search import FaceCandidate, FoundFaces
from reskin.curation.prepare.faces import FacesConfig, prepare_faces
from reskin.curation.prepare.faces_choice import choose
from reskin.curation.prepare.faces_people import alike, tell_apart
from reskin.curation.prepare.process_pool import IN_THIS_PROCESS
from reskin.data.manifest import Manifest
from reskin.errors import DataError, ImageError
from reskin.faces.identity import ALIKE, LOOK_LENGTH, Look
from reskin.images import write_image
from reskin.parsing import parse


def look(angle: float) -> Look:
    """Looks are alike by the cosine of the angle between them."""
    found = np.zeros(LOOK_LENGTH, np.float32)
    found[0], found[1] = np.cos(angle), np.sin(angle)
    return found


def face(index: int, track: int = 0) -> FaceCandidate:
    return FaceCandidate(
        index=index,
        time=f"{index}/25",
        width=640,
        height=480,
        box=(0, 0, 90, 90),
        score=0.9,
        landmarks=None,
        track=track,
        shot=0,
        sharpness=0.5,
        brightness=100.0,
        turned=None,
        outside=0.0,
    )


def found(spans: list[range], angles: list[float]) -> FoundFaces:
    candidates = [face(index, track) for track, span in enumerate(spans) for index in span]
    return FoundFaces(candidates=candidates, looks=[tuple(map(float, look(angle))) for angle in angles])


NEAR, FAR = 0.8 * float(np.arccos(ALIKE)), 1.2 * float(np.arccos(ALIKE))


def test_tracks_that_look_alike_are_one_person() -> None:
    video = found([range(0, 10), range(20, 60), range(70, 75)], [0.0, 1.2, NEAR])
    other = found([range(0, 30)], [1.2 + 0.5 * NEAR])
    people = tell_apart([video, other])
    assert people == {(0, 0): 1, (0, 1): 0, (0, 2): 1, (1, 0): 0}  # who is seen most is the first


def test_two_faces_of_one_frame_are_two_people() -> None:
    assert len(set(tell_apart([found([range(0, 10), range(5, 15)], [0.0, 0.0])]).values())) == 2
    assert len(set(tell_apart([found([range(0, 10), range(10, 15)], [0.0, 0.0])]).values())) == 1
    # The same numbers in two videos are two frames.
    assert len(set(tell_apart([found([range(9)], [0.0]), found([range(9)], [0.0])]).values())) == 1


def test_others_are_others() -> None:
    assert len(set(tell_apart([found([range(0, 10), range(20, 30)], [0.0, FAR])]).values())) == 2


def test_without_looks_every_track_is_somebody() -> None:
    """A search that an earlier version began knows none."""
    plain = FoundFaces(candidates=[face(0, 0), face(1, 1)])
    assert sorted(tell_apart([plain]).values()) == [0, 1]


def test_the_tracks_of_one_person() -> None:
    videos = [found([range(9), range(20, 30)], [0.0, FAR]), found([range(9)], [1.5])]
    assert alike(videos, look(0.0)) == ([frozenset({0}), frozenset()], pytest.approx(1.0, abs=1e-5))
    tracks, nearest = alike(videos, look(-1.0))
    assert tracks == [frozenset(), frozenset()] and nearest == pytest.approx(np.cos(1.0), abs=1e-4)


@pytest.fixture
def film_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film with two faces, of which the left one looks in one way and the right one in another."""
    monkeypatch.setattr(faces_module, "open_detector", lambda name: RedDetector())
    monkeypatch.setattr(face_search, "open_detector", lambda name: RedDetector())
    monkeypatch.setattr(ray_pool, "num_workers", lambda sources, asked: IN_THIS_PROCESS)
    monkeypatch.setattr(face_search, "look_of", lambda frame, face: look(0.0 if face.box[0] < 80 else FAR))
    monkeypatch.setattr(faces_module, "look_in", lambda path, detector: look(FAR if path.stem == "b" else 0))
    places: list[list[Place]] = [[(40.0, 60.0, 40), (120.0, 60.0, 30)]] * 12
    return film(tmp_path / "two.mp4", places)


def made(film_of_two: Path, **values: Any) -> Manifest:
    settings = {"size": 32, "smallest": 16, "margin": 0.0, "every": 1, "split": "none", **values}
    return prepare_faces([film_of_two], film_of_two.parent / "out", parse(FacesConfig, settings))


@pytest.mark.sweep
def test_people_stand_in_the_manifest_and_are_counted(film_of_two: Path) -> None:
    manifest = made(film_of_two, faces="all")
    assert len(manifest.frames) == 24
    for frame in manifest.frames:
        assert frame.crop is not None and frame.crop.box is not None
        assert frame.crop.person == (0 if frame.crop.box[0] < 80 else 1)
    lines = "\n".join(command.in_words(manifest, Path("out")))
    assert "2 people" in lines and "person 1: 12 faces" in lines and "--only out/two-0000" in lines
    people = command.summary(manifest, Path("out"))["people"]
    assert isinstance(people, list) and [one["faces"] for one in people] == [12, 12]


@pytest.mark.sweep
def test_one_person_is_nothing_to_speak_of(film_of_two: Path) -> None:
    assert "people" not in "\n".join(command.in_words(made(film_of_two), Path("out")))


@pytest.mark.sweep
def test_only_one_person_is_taken(film_of_two: Path, tmp_path: Path) -> None:
    """Although the other one's face is larger in every frame."""
    picture = tmp_path / "b.png"
    write_image(picture, np.zeros((8, 8, 3), np.uint8))
    manifest = made(film_of_two, only=picture)
    assert len(manifest.frames) == 12
    assert all(frame.crop and frame.crop.box and frame.crop.box[0] > 80 for frame in manifest.frames)
    assert manifest.settings["per_source"][0]["not_taken"] == {"another person": 12}
    assert str(tmp_path) not in manifest.model_dump_json()
    assert made(film_of_two, only=picture) == manifest  # all is there
    write_image(picture, np.ones((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="other settings"):
        made(film_of_two, only=picture)
    with pytest.raises(DataError, match="other settings"):
        made(film_of_two)


@pytest.mark.sweep
def test_nobody_looks_like_that(film_of_two: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(faces_module, "look_in", lambda path, detector: look(-1.5))
    picture = tmp_path / "c.png"
    write_image(picture, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="nobody looks like"):
        made(film_of_two, only=picture)


def test_a_picture_that_is_not_there_is_one_line(film_of_two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(faces_module, "open_detector", lambda name: RedDetector())
    with pytest.raises(ImageError):
        made(film_of_two, only=Path("nobody.png"))


def test_tracks_stay_in_one_split_where_enough_is_left() -> None:
    faces = [face(index, index // 40) for index in range(600)]
    taken = choose([faces], parse(FacesConfig, {"count": 600}))[0].taken
    splits: dict[int, set[str]] = {}
    for one, part in taken:
        splits.setdefault(one.track, set()).add(part)
    assert all(len(parts) == 1 for parts in splits.values())
    assert {part for parts in splits.values() for part in parts} == {"train", "val", "test"}


def test_one_long_track_is_parted_rather_than_not_tested() -> None:
    taken = choose([[face(index) for index in range(600)]], parse(FacesConfig, {"count": 600}))[0].taken
    assert {part for _, part in taken} == {"train", "val", "test"}
