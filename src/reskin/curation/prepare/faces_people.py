"""Who is who among the faces of a few videos: a guess by how they look, without knowing any name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reskin.curation.prepare.face_search import FoundFaces
from reskin.faces.identity import ALIKE, Look, mean_look, similarity

Track = tuple[int, int]
"""Number of a video and of a track in it."""


@dataclass
class _Person:
    looks: list[Look] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    frames: set[tuple[int, int]] = field(default_factory=set)


def tell_apart(videos: Sequence[FoundFaces]) -> dict[Track, int]:
    """The number of the person of each track, from 0; those who are seen most come first.

    Tracks whose faces look alike are one person; two faces of one frame never are. Under other light a person
    may well look like another one, and gets two numbers.

    Args:
        videos: what was found in each.
    """
    frames, looks = _frames(videos), _looks(videos)
    people: list[_Person] = []
    for track in sorted(frames, key=lambda track: (-len(frames[track]), track)):
        own = {(track[0], index) for index in frames[track]}
        person = _nearest([one for one in people if not one.frames & own], looks.get(track))
        if person is None:
            person = _Person()
            people.append(person)
        person.looks += [looks[track]] if track in looks else []
        person.tracks.append(track)
        person.frames |= own
    people.sort(key=lambda one: -len(one.frames))
    return {track: number for number, person in enumerate(people) for track in person.tracks}


def alike(videos: Sequence[FoundFaces], look: Look) -> tuple[list[frozenset[int]], float]:
    """The tracks of each video whose faces have a look, and how near the nearest of all comes to it."""
    near = {track: similarity(own, look) for track, own in _looks(videos).items()}
    found = [
        frozenset(number for (of, number), score in near.items() if of == video and score >= ALIKE)
        for video in range(len(videos))
    ]
    return found, max(near.values(), default=0.0)


def _nearest(people: Sequence[_Person], look: Look | None) -> _Person | None:
    """The person who looks most like this, if anybody does."""
    if look is None:
        return None
    scores = [similarity(mean_look(one.looks), look) if one.looks else 0.0 for one in people]
    best = int(np.argmax(scores)) if scores else 0
    return people[best] if scores and scores[best] >= ALIKE else None


def _frames(videos: Sequence[FoundFaces]) -> Mapping[Track, set[int]]:
    frames: dict[Track, set[int]] = defaultdict(set)
    for number, video in enumerate(videos):
        for face in video.candidates:
            frames[number, face.track].add(face.index)
    return frames


def _looks(videos: Sequence[FoundFaces]) -> dict[Track, Look]:
    return {
        (number, track): np.array(look, np.float32)
        for number, video in enumerate(videos)
        for track, look in enumerate(video.looks)
    }
