"""Faces are followed: one track for one face, a new one after a cut, and few full searches."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.fake_faces import Place, RedDetector, UprightDetector, drawn, with_brow

from reskin.faces.detectors import Face
from reskin.faces.tracks import FaceTracker, overlap, rounded


def followed(frames: list[list[Place]], *, every: int) -> tuple[list[list[int]], RedDetector]:
    detector = RedDetector()
    tracker = FaceTracker(detector, every=every)
    seen = [tracker.follow(drawn(places, width=320, height=240), i) for i, places in enumerate(frames)]
    return [[face.track for face in faces] for faces in seen], detector


def test_a_moving_face_keeps_its_track_and_the_whole_frame_is_rarely_searched() -> None:
    tracks, detector = followed([[(60.0 + 6 * i, 120.0, 40)] for i in range(30)], every=5)
    assert tracks == [[0]] * 30
    whole = [size for size in detector.searches if size == 320 * 240]
    assert (
        len(whole) == 6
        and len(detector.searches) == 30
        and max(s for s in detector.searches if s not in whole)
    )
    assert sum(detector.searches) < 30 * 320 * 240 * 0.65


def test_followed_places_are_those_of_a_full_search() -> None:
    frames = [[(60.0 + 4 * i, 100.0 + 3 * i, 60)] for i in range(12)]
    found = []
    for every in (1, 4):
        tracker = FaceTracker(RedDetector(), every=every)
        found.append(
            [tracker.follow(drawn(p, width=320, height=240), i)[0].face.box for i, p in enumerate(frames)]
        )
    assert np.abs(np.array(found[0]) - np.array(found[1])).max() <= 1.5


def test_a_lost_face_is_searched_for_at_once() -> None:
    """It jumps by several of its widths between two frames; it is found, and is somebody else."""
    frames: list[list[Place]] = [[(50.0, 120.0, 30)]] * 3 + [[(250.0, 120.0, 30)]] * 3
    tracks, _ = followed(frames, every=100)
    assert tracks == [[0], [0], [0], [1], [1], [1]]


def test_two_faces_that_pass_keep_apart_and_one_that_leaves_ends() -> None:
    frames: list[list[Place]] = [[(60.0 + 5 * i, 60.0, 36), (260.0 - 5 * i, 180.0, 36)] for i in range(20)]
    tracks, _ = followed([*frames, [frames[-1][0]], [frames[-1][0]]], every=3)
    first = tracks[0]
    assert sorted(first) == [0, 1] and all(sorted(each) == [0, 1] for each in tracks[:20])
    assert len(tracks[-1]) == 1


def test_a_new_face_is_seen_at_the_next_full_search() -> None:
    one: Place = (60.0, 60.0, 40)
    tracks, _ = followed([[one]] * 2 + [[one, (240.0, 180.0, 40)]] * 4, every=3)
    assert [len(each) for each in tracks] == [1, 1, 1, 2, 2, 2]


def test_no_face_no_window() -> None:
    tracks, detector = followed([[]] * 9, every=3)
    assert tracks == [[]] * 9 and len(detector.searches) == 3 * 4  # in four orientations


def test_a_shot_begins_where_it_is_said_and_has_new_tracks() -> None:
    tracker = FaceTracker(RedDetector(), every=10, shots=[0, 3])
    seen = [tracker.follow(drawn([(160.0, 120.0, 40)], width=320, height=240), i)[0] for i in range(6)]
    assert [each.shot for each in seen] == [0, 0, 0, 1, 1, 1]
    assert [each.track for each in seen] == [0, 0, 0, 1, 1, 1]


def test_a_turned_face_keeps_its_turn_and_costs_one_search_a_frame() -> None:
    detector = UprightDetector()
    searches: list[int] = []
    detect = detector.detect
    detector.detect = lambda image: searches.append(image.size) or detect(image)  # type: ignore[method-assign]
    tracker = FaceTracker(detector, every=3)
    frames = [np.rot90(with_brow([(60.0 + 2 * i, 60.0, 40)]), 2) for i in range(9)]
    seen = [tracker.follow(np.ascontiguousarray(frame), i) for i, frame in enumerate(frames)]
    assert [[(each.track, each.face.turn) for each in faces] for faces in seen] == [[(0, 180)]] * 9
    assert len(searches) == 3 + 8  # upright, sideways, upside down; then one for each frame


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ((0, 0, 4, 4), (2, 2, 4, 4), 4 / 28),
        ((0, 0, 4, 4), (4, 0, 4, 4), 0.0),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
    ],
)
def test_overlap_by_hand(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float], wanted: float
) -> None:
    assert overlap(one, other) == pytest.approx(wanted) == overlap(other, one)


def test_rounding_takes_the_last_bits_away() -> None:
    face = Face((1 / 3, 2 / 3, 10.0, 20.0), 0.87654321, ((1 / 7, 2 / 7),))
    assert rounded(face) == Face((0.33, 0.67, 10.0, 20.0), 0.877, ((0.14, 0.29),))
