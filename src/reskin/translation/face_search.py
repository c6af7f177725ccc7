"""Finding the faces of a film: a first pass over its frames, whose results are kept so that a stop costs
little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from reskin.faces.detectors import Face, FaceDetector, open_detector
from reskin.faces.identity import Look, look_in, look_of
from reskin.faces.tracks import FaceTracker, TrackedFace, rounded
from reskin.images import Picture
from reskin.progress import Report
from reskin.translation.face_plan import (
    GAP_FRAMES,
    Cut,
    FaceOptions,
    FacePlan,
    FoundFaces,
    SeenFace,
    plan_faces,
)
from reskin.translation.film import Film
from reskin.translation.job import Job
from reskin.types import NO_BARS, Bars
from reskin.video.reader import Frame, VideoReader
from reskin.video.survey import Shot

KEEP_FRAMES = 1500
"""What was found is kept at the end of a shot, once so many frames were searched since the last time."""

LOOK_EVERY = 5
"""The look of a face is taken in every such frame."""

TURNS_EVERY = 5
"""In every such frame heads are looked for that lie sideways or hang upside down."""

_LEAST_LOOK_SCORE = 0.65


@dataclass
class FilmFaces:
    """The faces of one film: which are wanted, and what finds them.

    Attributes:
        options: which faces.
        detector: finds them.
        like: look of the face in the picture that the options name.
        plan: where they lie, once they were found.
    """

    options: FaceOptions
    detector: FaceDetector
    like: Look | None = None
    plan: FacePlan | None = None

    @classmethod
    def open(cls, options: FaceOptions, detector: FaceDetector | None = None) -> Self:
        """Ready to search.

        Raises:
            WeightsError: there is no such detector.
            ImageError, DataError: the picture of the person to follow cannot be read or shows no face.
        """
        detector = detector or open_detector(options.detector)
        like = look_in(options.only, detector) if isinstance(options.only, Path) else None
        return cls(options, detector, like)

    def facts(self) -> list[object]:
        """What the positions of the faces depend on, besides the options and the film."""
        return [self.detector.name, None if self.like is None else [round(float(v), 4) for v in self.like]]

    def find(
        self,
        film: Film,
        reader: VideoReader,
        part: range | None,
        job: Job,
        *,
        report: Report,
    ) -> None:
        """Find the faces and have the film translate them.

        Args:
            film: its shots are known.
            reader: of the film.
            part: numbers of the frames to search; None for all.
            job: keeps what is found.
            report: called after each frame with the frames searched and to search.

        Raises:
            DataError: there is no face, or nobody who looks like the one that is wanted.
            VideoError: the film cannot be read.
            StorageError: the disk refuses the write.
        """
        has_looks = self.like is not None
        found = FaceSearch(self.detector, reader, part, film.shots, has_looks=has_looks).run(job, report)
        times = [float(time) for time in reader.times()]
        shots = [shot.first for shot in film.shots]
        cut = Cut(film.framing, film.face_size)
        plan = plan_faces(found, self.options, cut=cut, shots=shots, times=times, like=self.like)
        self.plan = plan
        film.take_faces(lambda number, picture: plan.faces.get(number, ()))

    def note(self, frames: int) -> str:
        """In how many of the frames a face was translated."""
        assert self.plan is not None, "the film is translated after its faces were found"
        shown = len(self.plan.faces)
        others = f"; {self.plan.left_out} other faces were left out" if self.plan.left_out else ""
        return f"faces: translated in {shown} of {frames} frames, the others are as they were{others}"


class FaceSearch:
    """The search of one film for its faces.

    The whole of every frame is searched: landmarks of a face that is searched in a window around it lie some
    px away from those of a search of the whole frame, and going from one to the other would make it tremble.

    Args:
        detector: finds faces.
        reader: the film.
        part: numbers of the frames to search; None for all.
        shots: of the film; faces are followed within a shot, and looked for within its borders.
        has_looks: whether it is noted how faces look.
    """

    def __init__(
        self,
        detector: FaceDetector,
        reader: VideoReader,
        part: range | None,
        shots: Sequence[Shot],
        *,
        has_looks: bool,
    ) -> None:
        self.detector, self.reader, self.part = detector, reader, part
        self.shots, self.has_looks = list(shots) or [Shot(0)], has_looks

    def run(self, job: Job, report: Report) -> FoundFaces:
        """All that is found; what an earlier process has found is taken from `job`.

        Args:
            job: where it is kept.
            report: called after each frame with the frames searched and to search.

        Raises:
            VideoError: the film cannot be read.
            StorageError: the disk refuses the write.
        """
        numbers = self.part if self.part is not None else range(len(self.reader.times()))
        kept = self._kept(job)
        found = merged(kept)
        if found.searched >= len(numbers):
            return found
        first = numbers.start + found.searched
        tracks = 1 + max((seen.track for seen in found.seen), default=-1)
        tracker = self._tracker(tracks)
        chunk = FoundFaces()
        for frame in self._frames(first, numbers):
            starts = any(shot.first == frame.index for shot in self.shots)
            if starts and chunk.searched >= KEEP_FRAMES:
                kept.append(self._keep(job, len(kept), chunk))
                chunk = FoundFaces()
            # Frames that are lost to damage count as searched.
            done = frame.index + 1 - numbers.start - sum(each.searched for each in kept)
            chunk = replace(chunk, searched=done)
            self._look_at(frame, tracker, chunk)
            report(frame.index + 1 - numbers.start, len(numbers), what="frames searched for faces")
        kept.append(self._keep(job, len(kept), chunk))
        return merged(kept)

    @staticmethod
    def _kept(job: Job) -> list[FoundFaces]:
        """What earlier processes have found; what is damaged on the disk is searched anew."""
        kept: list[FoundFaces] = []
        for values in job.faces():
            try:
                kept.append(chunk_from_json(values))
            except (KeyError, TypeError, ValueError, AttributeError):
                break
        return kept

    def _tracker(self, first_track: int) -> FaceTracker:
        return FaceTracker(
            self.detector,
            every=1,
            shots=[shot.first for shot in self.shots],
            patience=GAP_FRAMES,
            first_track=first_track,
            turns_every=TURNS_EVERY,
        )

    def _frames(self, first: int, numbers: range) -> Iterator[Frame]:
        if self.part is None:
            return self.reader.frames(first)
        return self.reader.frames_at(range(first, numbers.stop))

    def _keep(self, job: Job, number: int, chunk: FoundFaces) -> FoundFaces:
        if chunk.searched:
            job.keep_faces(number, chunk_to_json(chunk))
        return chunk

    def _look_at(self, frame: Frame, tracker: FaceTracker, chunk: FoundFaces) -> None:
        bars = self._bars(frame.index)
        for seen in followed(tracker, frame.image, frame.index, bars):
            chunk.seen.append(SeenFace(frame.index, seen.track, seen.face))
            if self.has_looks and frame.index % LOOK_EVERY == 0 and seen.face.score >= _LEAST_LOOK_SCORE:
                chunk.looks.setdefault(seen.track, []).append(look_of(frame.image, seen.face))

    def _bars(self, index: int) -> Bars:
        before = [shot for shot in self.shots if shot.first <= index]
        return before[-1].bars if before else NO_BARS


def followed(tracker: FaceTracker, picture: Picture, index: int, bars: Bars) -> list[TrackedFace]:
    """The faces in the next frame, within its borders, in px of the frame."""
    left, top, right, bottom = bars
    height, width = picture.shape[:2]
    inside = np.ascontiguousarray(picture[top : height - bottom, left : width - right])
    return [replace(seen, face=rounded(seen.face.moved(left, top))) for seen in tracker.follow(inside, index)]


def merged(chunks: Sequence[FoundFaces]) -> FoundFaces:
    """What several parts of a search found, as one."""
    whole = FoundFaces(sum(chunk.searched for chunk in chunks))
    for chunk in chunks:
        whole.seen.extend(chunk.seen)
        for track, looks in chunk.looks.items():
            whole.looks.setdefault(track, []).extend(looks)
    return whole


def chunk_to_json(chunk: FoundFaces) -> dict[str, Any]:
    """A part of a search as JSON values."""
    rows = [
        [seen.index, seen.track, seen.face.score, seen.face.turn, seen.face.box, seen.face.landmarks]
        for seen in chunk.seen
    ]
    looks = {
        str(track): [[round(float(value), 5) for value in look] for look in looks]
        for track, looks in chunk.looks.items()
    }
    return {"searched": chunk.searched, "faces": rows, "looks": looks}


def chunk_from_json(values: dict[str, Any]) -> FoundFaces:
    """A part of a search that `chunk_to_json` gave.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    seen = [SeenFace(int(row[0]), int(row[1]), _face(*row[2:])) for row in values["faces"]]
    looks = {int(track): [np.array(look, np.float32) for look in of] for track, of in values["looks"].items()}
    return FoundFaces(int(values["searched"]), seen, looks)


def _face(score: float, turn: int, box: list[float], points: list[list[float]] | None) -> Face:
    left, top, width, height = (float(value) for value in box)
    landmarks = None if points is None else tuple((float(x), float(y)) for x, y in points)
    return Face((left, top, width, height), float(score), landmarks, int(turn))
