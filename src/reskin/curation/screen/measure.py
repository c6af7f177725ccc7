"""The scores of all pictures of a set: measured in threads, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reskin.curation.phash import phash
from reskin.curation.scores import Scores, unchanged_scores
from reskin.curation.screen.config import DAMAGED, RULES
from reskin.curation.screen.rule import PictureView
from reskin.curation.thumbnails import ThumbnailKeeper
from reskin.errors import ImageError
from reskin.images import Picture, opened_image
from reskin.progress import Report
from reskin.threads import map_ahead

_DIGITS = 4


def measure_file(path: Path, keep: Callable[[Picture], None] | None = None) -> tuple[Scores, str]:
    """The scores of one picture, and an empty text; or only `damaged`, and the reason.

    Args:
        path: the picture's file.
        keep: called with the picture; None: nobody wants it.
    """
    try:
        with opened_image(path) as image:
            seen = PictureView(image)
            if keep is not None:
                keep(image)
    except ImageError as error:
        return {DAMAGED.name: 1.0}, str(error)
    scores: Scores = {"width": float(seen.width), "height": float(seen.height)}
    scores |= {
        rule.name: round(float(rule.measure(seen)), _DIGITS) for rule in RULES.values() if rule.measure
    }
    high, low = divmod(phash(seen.colours), 2**32)  # a float holds 53 bits, a hash has 64
    scores |= {"hash_high": float(high), "hash_low": float(low), "bytes": float(path.stat().st_size)}
    return scores, ""


def hash_of(scores: Scores) -> int:
    """The perceptual hash in the scores of a picture that can be read."""
    high, low = (int(scores[name]) % (1 << 32) for name in ("hash_high", "hash_low"))
    return (high << 32) + low


_NEEDED = frozenset(
    [rule.name for rule in RULES.values() if rule.measure]
    + ["width", "height", "hash_high", "hash_low", "bytes"]
)


@dataclass
class Measured:
    """The pictures of a folder and what is known of them.

    Attributes:
        root: the folder.
        files: paths below it.
        scores: of each picture; not all of them where it is still to be measured.
        faults: by position, why a picture cannot be read.
    """

    root: Path
    files: list[str]
    scores: list[Scores]
    faults: dict[int, str]

    @classmethod
    def known(cls, root: Path, files: Sequence[str], scores: Sequence[Scores | None]) -> Measured:
        """What an earlier run measured of pictures that have not changed since; what is old is left out."""
        return cls(root, list(files), unchanged_scores(root, files, scores), {})

    def missing(self) -> list[int]:
        """Positions of the pictures that are still to be measured."""
        return [place for place, scores in enumerate(self.scores) if not scores.keys() >= _NEEDED]


def _measured(one: Measured, place: int, keeper: ThumbnailKeeper) -> tuple[Scores, str]:
    file = one.files[place]
    return measure_file(one.root / file, lambda picture: keeper.keep(one.root, file, picture))


def measure_missing(sets: Sequence[Measured], *, report: Report | None = None) -> None:
    """Measure, in threads, all pictures that are not measured yet; what is done stays if it is broken off."""
    work = [(one, place) for one in sets for place in one.missing()]
    with ThumbnailKeeper() as keeper:
        measured = map_ahead(lambda task: _measured(*task, keeper), work)
        for number, ((one, place), found) in enumerate(zip(work, measured, strict=True)):
            scores, fault = found
            if fault:
                one.scores[place], one.faults[place] = scores, fault
            else:
                one.scores[place] |= scores  # what others found out about the picture stays
            if report is not None:
                report(number + 1, len(work))
