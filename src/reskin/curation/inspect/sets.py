"""One or two sets to look at, measured picture by picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reskin.curation.adopt import domains_in, layout_in, open_set
from reskin.curation.inspect.measure import Look, look_at_files
from reskin.curation.leakage import LeakReport, Prints, leaks_among
from reskin.data.manifest import FrameRecord, Manifest
from reskin.errors import DataError, ImageError, SettingsError
from reskin.progress import Report
from reskin.types import Domain

_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class PictureSet:
    """One domain: a folder, or one half of a folder with trainA and trainB.

    Attributes:
        name: for people.
        root: the folder.
        domain: which half of it, or None for the whole.
        manifest: its own, or one made up for a folder without; of a half only that half's pictures.
    """

    name: str
    root: Path
    domain: Domain | None
    manifest: Manifest

    @property
    def card_name(self) -> str:
        """Name of the card's files, without an ending."""
        return f"dataset_card_{self.domain}" if self.domain else "dataset_card"


@dataclass(frozen=True)
class MeasuredSet:
    """A set and what was measured of each picture.

    Attributes:
        of: the set.
        records: the pictures that can be read, left-out ones among them.
        looks: what was measured of each.
        unreadable: files that cannot be read, with the reason.
        leaks: near-duplicates between its splits.
    """

    of: PictureSet
    records: list[FrameRecord]
    looks: list[Look]
    unreadable: list[tuple[str, str]]
    leaks: LeakReport

    @property
    def used(self) -> list[int]:
        """Positions of the pictures that are not left out."""
        return [place for place, record in enumerate(self.records) if not record.left_out]

    def hashes(self) -> NDArray[np.uint64]:
        """Perceptual hashes of all readable pictures, (N,)."""
        return np.array([look.hash for look in self.looks], dtype=np.uint64)


def open_sets(folders: Sequence[Path]) -> list[PictureSet]:
    """The domains in one or two folders; one folder with trainA and trainB holds both.

    Raises:
        SettingsError: not one or two folders.
        DataError: a folder is missing, holds no pictures, or its manifest is damaged.
    """
    if not 1 <= len(folders) <= 2:
        raise SettingsError(f"{len(folders)} folders were given", "Give one set, or two to compare.")
    found = [one for folder in folders for one in _domains_of(Path(folder))]
    if len(found) > 2:
        raise SettingsError(
            "folders with trainA and trainB hold both domains already",
            "Give one of them alone, or two plain sets.",
        )
    for one in found:
        if not one.manifest.frames:
            raise DataError(
                f"no pictures in {one.root}", "Check the name, or make some with `reskin prepare`."
            )
    names = [one.name for one in found]
    if len(found) == 2 and names[0] == names[1]:
        # Two folders of one name are told apart by the folders above them.
        parents = [f"{one.root.absolute().parent.name}/{one.name}" for one in found]
        labels = parents if parents[0] != parents[1] else [f"{name} {i}" for i, name in enumerate(names, 1)]
        found = [
            PictureSet(label, one.root, one.domain, one.manifest)
            for label, one in zip(labels, found, strict=True)
        ]
    return found


def _domains_of(root: Path) -> list[PictureSet]:
    manifest, name = open_set(root), root.absolute().name or "set"
    if not layout_in(manifest).has_domains:
        return [PictureSet(name, root, None, manifest)]
    domains: tuple[Domain, ...] = ("a", "b")
    return [
        PictureSet(f"{name} {domain.upper()}", root, domain, _half(domain, manifest)) for domain in domains
    ]


def _half(domain: Domain, manifest: Manifest) -> Manifest:
    """The manifest with the pictures of one domain only."""
    pairs = zip(manifest.frames, domains_in(manifest), strict=True)
    return manifest.model_copy(update={"frames": [frame for frame, its in pairs if its == domain]})


def measure_set(one: PictureSet, *, thumbnail_px: int = 0, report: Report | None = None) -> MeasuredSet:
    """Measure every picture of a set, left-out ones too, so that they can be looked at.

    Args:
        one: the set.
        thumbnail_px: longest edge of the thumbnails; 0 for none.
        report: called with the progress.

    Raises:
        DataError: not one picture can be read.
    """
    files = [one.root / record.file for record in one.manifest.frames]
    records: list[FrameRecord] = []
    looks: list[Look] = []
    unreadable: list[tuple[str, str]] = []
    results = look_at_files(files, root=one.root, thumbnail_px=thumbnail_px, report=report)
    for record, result in zip(one.manifest.frames, results, strict=True):
        if isinstance(result, ImageError):
            unreadable.append((record.file, result.what))
        else:
            records.append(record)
            looks.append(result)
    if not records:
        raise DataError(f"not one picture of {one.root} can be read", "Copy them again.")
    used = [place for place, record in enumerate(records) if not record.left_out]
    prints = Prints(
        np.array([looks[place].hash for place in used], dtype=np.uint64),
        np.array([looks[place].sketch for place in used], dtype=np.int8),
    )
    leaks = leaks_among([records[place] for place in used], prints)
    return MeasuredSet(one, records, looks, unreadable, leaks)
