"""Which faces of a film are translated and where each lies in every frame, before the first is translated.

A face is followed through its shot, its position is smoothed over the whole of it, and it fades in and out
where it comes and goes within a shot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from reskin.errors import DataError
from reskin.faces.alignment import Matrix
from reskin.faces.detectors import Face
from reskin.faces.framing import framed
from reskin.faces.identity import ALIKE, Look, mean_look, similarity
from reskin.faces.smoothing import Pose, edge_of, matrix_of, pose_of, smoothed
from reskin.framing import DetectorName, Framing

GAP_FRAMES = 3
"""A face that is lost for at most so many frames is carried over them."""

SHORTEST_FRAMES = 5
"""A face that is seen in fewer frames of its shot is taken for an error of the detector."""

LEAST_MEAN_SCORE = 0.65
"""So is one of which the detector was less sure on average."""

LEAST_HEIGHT_PX = 16
"""Smaller faces are left as they are: there is nothing in them that a model could know."""

FADE_SECONDS = 0.2
"""Time in which a face that comes or goes within a shot is faded in or out."""

DEFAULT_CROP_PX = 128
"""Edge at which a model sees a face where neither it nor the user says."""


@dataclass(frozen=True)
class FaceOptions:
    """Which faces of a film are translated, instead of whole frames.

    Attributes:
        only: all; the largest of each frame; or those who look like the face in a picture.
        framing: how faces are cut out; None for that of the pictures that the model learnt from.
        detector: what finds them.
    """

    only: Literal["all", "largest"] | Path = "all"
    framing: Framing | None = None
    detector: DetectorName = "auto"


class Cut(NamedTuple):
    """How faces are cut out.

    Attributes:
        framing: what of the face and around it.
        size: edge of the square pictures, in px.
    """

    framing: Framing
    size: int

    def pose(self, face: Face) -> Pose:
        """Where the square picture of a face lies in its frame."""
        return pose_of(framed(face, self.framing, self.size), self.size)


@dataclass(frozen=True)
class SeenFace:
    """A face that was found in a frame.

    Attributes:
        index: number of the frame in the film.
        track: number of the face's track in the film.
        face: where it is, in frame px.
    """

    index: int
    track: int
    face: Face


@dataclass(frozen=True)
class FoundFaces:
    """What the search of a film found.

    Attributes:
        searched: frames.
        seen: every face, by frame.
        looks: how the faces of a track look, in a few of its frames; empty where nobody asks.
    """

    searched: int = 0
    seen: list[SeenFace] = field(default_factory=list)
    looks: dict[int, list[Look]] = field(default_factory=dict)


@dataclass(frozen=True)
class PlacedFace:
    """Where a face is put in one frame.

    Attributes:
        track: number of its track.
        matrix: the map from frame px to px of the square picture that the model sees.
        strength: how much of the translation is shown, above 0, to 1.
    """

    track: int
    matrix: Matrix
    strength: float


@dataclass(frozen=True)
class FacePlan:
    """The faces of a film.

    Attributes:
        faces: frame number to the faces in it; frames without one are left out.
        tracks: how many faces are followed, each in its shot.
        left_out: how many more were followed that `only` leaves out.
    """

    faces: Mapping[int, Sequence[PlacedFace]]
    tracks: int
    left_out: int = 0


@dataclass
class _Track:
    """A face through one shot; `reach` is the shot's first frame and the one behind its last."""

    number: int
    faces: dict[int, Face]
    reach: range

    @property
    def first(self) -> int:
        return min(self.faces)

    @property
    def last(self) -> int:
        return max(self.faces)

    @property
    def height(self) -> float:
        return float(np.median([face.box[3] for face in self.faces.values()]))

    def is_face(self) -> bool:
        """Whether it is large, sure and lasting enough."""
        lasts = len(self.faces) >= min(SHORTEST_FRAMES, len(self.reach))
        score = float(np.mean([face.score for face in self.faces.values()]))
        return lasts and score >= LEAST_MEAN_SCORE and self.height >= LEAST_HEIGHT_PX


def plan_faces(
    found: FoundFaces,
    options: FaceOptions,
    *,
    cut: Cut,
    shots: Sequence[int],
    times: Sequence[float],
    like: Look | None = None,
) -> FacePlan:
    """Where the chosen faces of a film lie, held still.

    Args:
        found: what the search of the film found.
        options: which faces.
        cut: how they are cut out.
        shots: first frame of each shot, rising.
        times: of every frame of the film, in seconds.
        like: look of the face in the picture that `options.only` names.

    Raises:
        DataError: there is no face, or none that looks like the one that is wanted.
    """
    tracks = [track for track in _tracks(found, shots, len(times)) if track.is_face()]
    if not tracks:
        raise DataError(
            f"no face was found ({found.searched} frames searched)",
            "Leave --faces out to translate whole frames, or choose another part with --start and --seconds.",
        )
    chosen = tracks
    if like is not None:
        chosen = _alike(tracks, found.looks, like, options.only, times)
    elif options.only == "largest":
        chosen = _largest(tracks)
    faces: dict[int, list[PlacedFace]] = defaultdict(list)
    for track in chosen:
        for index, placed in _placed(track, cut, times):
            faces[index].append(placed)
    return FacePlan(dict(faces), len(chosen), len(tracks) - len({track.number for track in chosen}))


def _tracks(found: FoundFaces, shots: Sequence[int], frames: int) -> list[_Track]:
    of_track: dict[int, dict[int, Face]] = defaultdict(dict)
    for seen in found.seen:
        of_track[seen.track][seen.index] = seen.face
    bounds = [range(first, last) for first, last in pairwise([*(shots or [0]), frames])]
    found_tracks = []
    for number, faces in sorted(of_track.items()):
        reach = next((span for span in bounds if min(faces) in span), range(frames))
        found_tracks.append(_Track(number, faces, reach))
    return found_tracks


def _largest(tracks: list[_Track]) -> list[_Track]:
    """Of faces that are there at the same time the larger one; the others where it is not there."""
    taken: set[int] = set()
    chosen = []
    for track in sorted(tracks, key=lambda track: (-track.height, track.number)):
        left = {index: face for index, face in track.faces.items() if index not in taken}
        if left:
            chosen.append(_Track(track.number, left, track.reach))
            taken |= set(range(track.first, track.last + 1))
    return sorted(chosen, key=lambda track: track.number)


def _alike(
    tracks: list[_Track],
    looks: Mapping[int, list[Look]],
    like: Look,
    only: object,
    times: Sequence[float],
) -> list[_Track]:
    alike = {
        track.number: similarity(mean_look(looks[track.number]), like)
        for track in tracks
        if looks.get(track.number)
    }
    chosen = [track for track in tracks if alike.get(track.number, 0.0) >= ALIKE]
    if not chosen:
        nearest = max(tracks, key=lambda track: alike.get(track.number, 0.0))
        score, moment = alike.get(nearest.number, 0.0), times[nearest.first] - times[0]
        raise DataError(
            f"nobody looks like the face in {only} (the nearest, at {moment:.3g} s, is alike by {score:.2f}, "
            f"wanted {ALIKE:.2f})",
            "Give a frame of this film that shows the person, or --only all or largest.",
        )
    return chosen


def _placed(track: _Track, cut: Cut, times: Sequence[float]) -> list[tuple[int, PlacedFace]]:
    """The frames of a track, small gaps included, each with its position."""
    placed = []
    numbers = sorted(track.faces)
    for run in _runs(numbers):
        moments = [times[index] for index in run]
        poses = np.stack([cut.pose(track.faces[index]) for index in run])
        held = smoothed(moments, poses)
        every = range(run[0], run[-1] + 1)
        between = [np.interp([times[i] for i in every], moments, held[:, axis]) for axis in range(4)]
        for index, pose in zip(every, np.stack(between, axis=1), strict=True):
            if edge_of(pose) > 1:
                strength = _strength(index, every, track.reach, times)
                placed.append((index, PlacedFace(track.number, matrix_of(pose, cut.size), strength)))
    return placed


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Frames between which no more than `GAP_FRAMES` are missing."""
    runs = [[numbers[0]]]
    for before, number in pairwise(numbers):
        if number - before > GAP_FRAMES + 1:
            runs.append([])
        runs[-1].append(number)
    return runs


def _strength(index: int, seen: range, reach: range, times: Sequence[float]) -> float:
    """1, but for the first and last moments of a face that comes or goes within its shot."""
    strength = 1.0
    if seen.start > reach.start:
        since = times[index] - times[seen.start - 1]
        strength = min(strength, since / FADE_SECONDS)
    if seen.stop < reach.stop:
        until = times[seen.stop] - times[index]
        strength = min(strength, until / FADE_SECONDS)
    return strength
