"""Photos and their labels: which file belongs to which, and which of them are to be learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reskin.data.folders import layout_of, list_images
from reskin.errors import DataError
from reskin.types import Split

HELD_OUT_EVERY = 5
"""Where nothing says which photos are held out, every fifth pair is."""


@dataclass(frozen=True)
class Pair:
    """A photo and its labels.

    Attributes:
        photo: the file.
        labels: the file.
        split: that of the folder in which the photo lies; None where it lies in no split.
    """

    photo: Path
    labels: Path
    split: Split | None = None


def find_label_pairs(photos: Path, labels: Path) -> list[Pair]:
    """Photos and labels of the same path below their folders, or else of the same file name, but for endings.

    Args:
        photos: folder of photos; it may hold splits (train, val, test).
        labels: folder of their labels, PNG files; it may lie in `photos`.

    Raises:
        DataError: a folder is missing, fewer than two names agree, a name agrees with several labels, or a
            folder says that its photos are held out and is no split that is known.
    """
    known = LabelFiles(labels)
    own = labels.resolve()
    layout, pairs = layout_of(photos), []
    for path in list_images(photos):
        below = path.relative_to(photos)
        if path.resolve().is_relative_to(own) and own != photos.resolve():
            continue  # the labels themselves
        found = known.find(below)
        if found is None or found.resolve() == path.resolve():
            continue
        part = layout.part_of(below.as_posix())
        pairs.append(Pair(path, found, part.split if part else None))
    if len(pairs) < 2:
        raise DataError(
            f"{len(pairs)} photos of {photos} have labels of the same name in {labels}",
            "Labels are PNG files that are called like their photos.",
        )
    return pairs


def part_pairs(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """The pairs to learn from and those to measure with: by their splits, or every fifth is held out.

    Photos of the test split are measured with, or where there are none, those of the validation split.

    Raises:
        DataError: there are splits, and none of the photos is of the training split.
    """
    if not any(pair.split not in (None, "train") for pair in pairs):
        held_out = list(pairs[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
        return [pair for number, pair in enumerate(pairs) if (number + 1) % HELD_OUT_EVERY], held_out
    tests = [pair for pair in pairs if pair.split == "test"]
    return training_pairs(pairs), tests or [pair for pair in pairs if pair.split == "val"]


def training_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that are of no held-out split.

    Raises:
        DataError: there are none.
    """
    found = [pair for pair in pairs if pair.split in (None, "train")]
    if not found:
        raise DataError(
            f"all {len(pairs)} labelled photos are held out, first {pairs[0].photo}",
            "Give --photos the folder of the training photos.",
        )
    return found


class LabelFiles:
    """Label files, to be found by the path of their photo.

    Args:
        folder: of PNG files.

    Raises:
        DataError: it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        files = [path for path in list_images(folder) if path.suffix.lower() == ".png"]
        self._by_path = {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}
        self._by_name: dict[str, list[Path]] = {}
        for path in files:
            self._by_name.setdefault(path.stem, []).append(path)

    def __len__(self) -> int:
        return len(self._by_path)

    def find(self, photo: Path) -> Path | None:
        """The labels of a photo; None where there are none.

        Args:
            photo: its path, of which the end counts: `train/7.jpg` has the labels `train/7.png`, or `7.png`.

        Raises:
            DataError: there are several of its name, in other folders.
        """
        parts = photo.with_suffix("").parts
        for start in range(len(parts)):
            if found := self._by_path.get("/".join(parts[start:])):
                return found
        named = self._by_name.get(photo.stem, [])
        if len(named) > 1:
            raise DataError(
                f"{self._folder} holds several labels called {photo.stem}, first {named[0]} and {named[1]}",
                "Give the folder of one split, or put them into folders like those of the photos.",
            )
        return named[0] if named else None
