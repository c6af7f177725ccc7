"""Any folder of pictures as a data set: a manifest made up from what lies there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reskin.data.folders import list_images, natural_key, split_folder
from reskin.data.manifest import FrameRecord, Manifest, read_manifest
from reskin.errors import DataError
from reskin.types import Side, Split
from reskin.version import __version__

ADOPTED: dict[str, Any] = {"adopted": True}
"""The settings of a manifest that was made up for pictures which were there before."""

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_SIDES: tuple[Side, ...] = ("a", "b")


def adopt_folder(root: Path | str, side: Side | None = "a") -> Manifest:
    """A manifest of the pictures in a folder; nothing is written, no picture is opened.

    The splits are those of the folder's layout (train, val, test, or trainA, testB and so on); pictures that
    lie in no such folder are "train".

    Args:
        root: the folder.
        side: which half of a folder with trainA and trainB; None for both.

    Raises:
        DataError: `root` is missing or no folder.
    """
    root = Path(root)
    found: dict[str, Split] = {}
    # What is held out goes first: in a plain folder everything, a test folder too, lies below the root.
    for split in reversed(_SPLITS):
        for one in _SIDES:
            folder = split_folder(root, one, split)
            for path in [] if folder is None else list_images(folder):
                found.setdefault(path.relative_to(root).as_posix(), split)
    other = _halves("b" if side == "a" else "a") if side else frozenset()
    files = [file for file in found if file.split("/", 1)[0] not in other]
    files.sort(key=lambda file: (_SPLITS.index(found[file]), natural_key(file)))
    frames = [FrameRecord(file=file, split=found[file]) for file in files]
    return Manifest(reskin=__version__, settings=ADOPTED, sources=[], frames=frames, damaged=[])


def _halves(side: Side) -> frozenset[str]:
    return frozenset(f"{split}{side.upper()}" for split in _SPLITS)


def open_set(root: Path | str) -> Manifest:
    """The manifest of a folder, or one made up for it, of both sides; nothing is written.

    A made-up manifest that was written before is brought up to date: new pictures are added, those that are
    gone leave it, and what is known of the others stays.

    Raises:
        DataError: the folder is missing, holds no pictures, or its manifest is damaged.
    """
    root = Path(root)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"the set {root} {what}", "Check the name.")
    manifest = read_manifest(root)
    if manifest is None or manifest.settings == ADOPTED:
        known = {frame.file: frame for frame in manifest.frames} if manifest else {}
        fresh = adopt_folder(root, side=None)
        frames = [known.get(frame.file, frame) for frame in fresh.frames]
        manifest = (manifest or fresh).model_copy(update={"frames": frames})
    if not manifest.frames:
        raise DataError(f"no pictures in {root}", "Check the name, or make some with `reskin prepare`.")
    return manifest


def is_side_b(file: str) -> bool:
    """Whether a picture's path below its folder lies in the second half of a folder with trainA and trainB.

    >>> is_side_b("trainB/x.jpg"), is_side_b("train/x.jpg")
    (True, False)
    """
    return file.split("/", 1)[0] in _halves("b")
