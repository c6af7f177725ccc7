"""Choosing among the faces that were found: the good ones, spread over videos and time, and their splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from reskin.curation.prepare.face_search import FaceCandidate
from reskin.curation.prepare.faces_config import FacesConfig
from reskin.curation.split_rules import SourceUnits, guard_frames, split_sources
from reskin.errors import DataError
from reskin.spread import spread
from reskin.types import Split

MOST_FACE_OUTSIDE = 0.15
"""Share of a face itself, without margin, that may lie beyond the frame: a mirrored face has two chins."""


@dataclass(frozen=True)
class Choice:
    """What became of the faces of one video.

    Attributes:
        taken: the faces to cut, by frame, with their split.
        reasons: for each reason the number of faces that were not taken.
    """

    taken: list[tuple[FaceCandidate, Split]]
    reasons: Counter[str]


def choose(
    found: Sequence[Sequence[FaceCandidate]],
    config: FacesConfig,
    tracks: Sequence[frozenset[int]] | None = None,
) -> list[Choice]:
    """Which faces of each video to take; a pure function of its arguments.

    Args:
        found: the faces of each video, by frame.
        config: how many, how good, and how to split them.
        tracks: those of the person who is wanted, for each video; None for everybody.

    Raises:
        DataError: there are too few videos or shots to split in the way that was asked for.
    """
    reasons = [Counter[str]() for _ in found]
    wanted = [None] * len(found) if tracks is None else tracks
    good = [_good(*each, config) for each in zip(found, wanted, reasons, strict=True)]
    parted = []
    # Split first: what is left out between two splits must not be missing from what was asked for.
    for video, parts, why in zip(good, _splits(good, config), reasons, strict=True):
        parted.append([(face, part) for face, part in zip(video, parts, strict=True) if part is not None])
        why["between two splits"] += len(video) - len(parted[-1])
    choices = []
    quotas = shared_out([len(video) for video in parted], config.count)
    for faces, quota, why in zip(parted, quotas, reasons, strict=True):
        why["more than asked for"] += len(faces) - quota
        choices.append(Choice(_spread_in_each_split(faces, quota), +why))
    return choices


def _spread_in_each_split(
    faces: list[tuple[FaceCandidate, Split]], count: int
) -> list[tuple[FaceCandidate, Split]]:
    """`count` of the faces, spread over time within each split, and over the splits by their sizes."""
    of_split: dict[Split, list[tuple[FaceCandidate, Split]]] = defaultdict(list)
    for face in faces:
        of_split[face[1]].append(face)
    kept: list[tuple[FaceCandidate, Split]] = []
    left = count
    # The smallest first, and rounded up: a test set of one face is better than none.
    for part in sorted(of_split.values(), key=len):
        quota = min(left, -(-count * len(part) // len(faces)))
        kept += [part[i] for i in spread(len(part), quota)]
        left -= quota
    return sorted(kept, key=lambda face: (face[0].index, face[0].track))


def _good(
    faces: Sequence[FaceCandidate], tracks: frozenset[int] | None, reasons: Counter[str], config: FacesConfig
) -> list[FaceCandidate]:
    """The faces of the tracks that are wanted that no limit rules out; the others are counted."""
    passed = []
    for face in faces:
        reason = "another person" if tracks is not None and face.track not in tracks else fault(face, config)
        if reason:
            reasons[reason] += 1
        else:
            passed.append(face)
    if config.faces == "one":
        passed = _largest_of_each_frame(passed, reasons)
    passed = _thinned(passed, config.per_track, lambda face: face.track, reasons, "more than per track")
    return _thinned(passed, config.per_shot, lambda face: face.shot, reasons, "more than per shot")


def fault(face: FaceCandidate, config: FacesConfig) -> str | None:
    """Why a face is not fit to be taken; None if it is."""
    faults = {
        "not sure": face.score < config.sure,
        "too small": face.box[3] < config.smallest,
        "too dark": face.brightness < config.brightness,
        "turned away": face.turned is not None and face.turned > config.turned,
        "cut by the edge": face.outside > config.outside or face.face_outside > MOST_FACE_OUTSIDE,
        "blurred": face.sharpness < config.sharpness,
    }
    return next((name for name, is_so in faults.items() if is_so), None)


def _largest_of_each_frame(faces: list[FaceCandidate], reasons: Counter[str]) -> list[FaceCandidate]:
    largest: dict[int, FaceCandidate] = {}
    for face in faces:
        best = largest.get(face.index)
        if best is None or face.box[2] * face.box[3] > best.box[2] * best.box[3]:
            largest[face.index] = face
    reasons["a larger face in the frame"] += len(faces) - len(largest)
    return list(largest.values())


def _thinned(
    faces: list[FaceCandidate],
    most: int | None,
    group_of: Callable[[FaceCandidate], Hashable],
    reasons: Counter[str],
    reason: str,
) -> list[FaceCandidate]:
    if most is None:
        return faces
    groups: dict[Hashable, list[FaceCandidate]] = defaultdict(list)
    for face in faces:
        groups[group_of(face)].append(face)
    kept = {id(group[i]) for group in groups.values() for i in spread(len(group), most)}
    reasons[reason] += len(faces) - len(kept)
    return [face for face in faces if id(face) in kept]


def shared_out(available: Sequence[int], count: int) -> list[int]:
    """How many to take from each so that the shares are as equal as they can be and sum to `count`.

    >>> shared_out([2, 100, 50], 42), shared_out([1, 2], 9)
    ([2, 20, 20], [1, 2])
    """
    shares = [0] * len(available)
    left = min(count, sum(available))
    by_size = sorted(range(len(available)), key=lambda i: (available[i], i))
    for place, i in enumerate(by_size):
        shares[i] = min(available[i], left // (len(by_size) - place))
        left -= shares[i]
    return shares


def _splits(videos: list[list[FaceCandidate]], config: FacesConfig) -> list[list[Split | None]]:
    """The split of every face; the faces of one frame always share theirs."""
    if config.split == "shot":
        # A shot counts with all its faces.
        units = [list(range(len(video))) for video in videos]
        shots = [[face.shot for face in video] for video in videos]
        of_face = units
    else:
        of_face = [[face.index for face in video] for video in videos]
        units, shots = [list(dict.fromkeys(indices)) for indices in of_face], [[] for _ in videos]
    sources = [
        SourceUnits([1] * len(mine), of_shots, _guard(video))
        for mine, of_shots, video in zip(units, shots, videos, strict=True)
    ]
    try:
        parts = split_sources(sources, by=config.split, ratio=config.ratio, seed=config.seed)
    except DataError as error:
        if config.split != "shot":
            raise
        what = f"{error.what}: too few shots with faces"
        raise DataError(what, "Use --split block, or more footage.") from None
    found = [dict(zip(mine, part, strict=True)) for mine, part in zip(units, parts, strict=True)]
    return [
        _with_whole_tracks(video, [of[unit] for unit in faces])
        for video, faces, of in zip(videos, of_face, found, strict=True)
    ]


def _with_whole_tracks(faces: list[FaceCandidate], parts: list[Split | None]) -> list[Split | None]:
    """The splits with the fewer faces of a track left out where it lies in several.

    A split that would lose more than half of its faces keeps them: of one person who speaks for the whole
    film there is one track, and a test without faces would be none.
    """
    before = Counter(part for part in parts if part)
    left, whole = Counter(before), list(parts)
    tracks: dict[int, dict[Split, set[int]]] = defaultdict(lambda: defaultdict(set))
    for number, (face, part) in enumerate(zip(faces, parts, strict=True)):
        if part is not None:
            tracks[face.track][part].add(number)
    for of_track in tracks.values():
        fewer = sorted(of_track.items(), key=lambda item: -len(item[1]))[1:]
        for part, numbers in fewer:
            if 2 * (left[part] - len(numbers)) < before[part]:
                continue
            left[part] -= len(numbers)
            whole = [None if number in numbers else was for number, was in enumerate(whole)]
    return whole


def _guard(faces: list[FaceCandidate]) -> int:
    times = sorted({Fraction(face.time) for face in faces})
    steps = sorted(later - earlier for earlier, later in pairwise(times))
    # The usual step, not the mean: faces come in bunches, and the gaps between those guard themselves.
    return guard_frames(float(steps[len(steps) // 2])) if steps else 1
