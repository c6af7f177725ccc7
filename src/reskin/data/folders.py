"""Folders of pictures: what lies in them, in which order, for which side and split."""

from __future__ import annotations

import logging
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from reskin.errors import DataError
from reskin.images import IMAGE_SUFFIXES, is_image_name
from reskin.types import Side, Split

_log = logging.getLogger("reskin")

_HELD_OUT = frozenset(f"{split}{end}" for split in ("val", "test") for end in ("", "A", "B"))


def list_images(folder: Path | str) -> list[Path]:
    """The pictures in a folder and the folders below it, in the order a person would count them.

    Hidden files, names without a picture's ending, pipes and devices are passed over. A link is followed only
    where it stays inside `folder`; a picture that two names lead to is listed once, loops do no harm.

    Returns:
        Paths that begin with `folder`; empty where there are none.

    Raises:
        DataError: `folder` is missing, no folder, or may not be read.
    """
    folder = _existing(Path(folder))
    root = folder.resolve()
    found: dict[Path, Path] = {}
    for path in _walk(folder, root, {root}):
        real = path.resolve()
        # A link may come before the file it leads to: the file's own name is kept.
        if real not in found or (found[real].is_symlink() and not path.is_symlink()):
            found[real] = path
    return sorted(found.values(), key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(f"the folder of pictures {folder} {what}", "Check the name.")
    return folder


def _walk(folder: Path, root: Path, seen: set[Path]) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"the folder {folder} cannot be read ({error.strerror})", "Check its permissions."
        ) from None
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or not _stays_inside(entry, path, root):
            continue
        if entry.is_dir():
            real = path.resolve()
            if real not in seen:
                seen.add(real)
                yield from _walk(path, root, seen)
        elif is_image_name(path) and _is_plain_file(path):
            yield path


def _stays_inside(entry: os.DirEntry[str], path: Path, root: Path) -> bool:
    if not entry.is_symlink():
        return True
    try:
        inside = path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # a link to nowhere, or to itself
        inside = False
    if not inside:
        _log.debug("link %s leads out of %s or nowhere; not followed", path, root)
    return inside


def _is_plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        _log.debug("%s passed over: %s", path, error)
        return False


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key by which frame2 comes before frame10; composed and decomposed accents sort alike.

    >>> sorted(["f10.png", "f2.png", "F1.png"], key=natural_key)
    ['F1.png', 'f2.png', 'f10.png']
    """
    parts = re.split(r"([0-9]+)", unicodedata.normalize("NFC", name).casefold())
    # At most 18 digits count as a number; the exact name at the end keeps the order total.
    return [
        (0, int(part), "") if part.isdecimal() and len(part) < 19 else (1, 0, part) for part in parts
    ], name


def unique_names(names: list[str]) -> list[str]:
    """The names, changed so that no two are equal even on disks that ignore case or the form of accents.

    Args:
        names: names without an ending, in a fixed order; equal ones may be among them.

    Returns:
        One for each: the first of each name keeps it, later ones get `-2`, `-3` ... at their end.

    >>> unique_names(["clip", "Clip", "clip-2"])
    ['clip', 'Clip-3', 'clip-2']
    """
    taken = {
        _fold(name) for name in names
    }  # a numbered name may only take what nobody was called from the start
    seen: set[str] = set()
    unique = []
    for name in names:
        number, candidate = 1, name
        while _fold(name) in seen and _fold(candidate) in taken:
            number += 1
            candidate = f"{name}-{number}"
        seen.add(_fold(name))
        taken.add(_fold(candidate))
        unique.append(candidate)
    return unique


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def split_images(root: Path | str, side: Side, split: Split) -> list[Path]:
    """The pictures of one side and split, whichever of three layouts `root` has.

    Our own: `root/train`, `root/val`, `root/test`. The common one: `root/trainA`, `root/trainB`, `root/testA`
    and so on, of which `side` chooses. Or pictures anyhow: all are "train", there is no "val" or "test".
    Where `root` is a picture itself, the side is that one picture, such as the style of a style network.

    Returns:
        Paths in natural order; empty where the layout has no such split.

    Raises:
        DataError: `root` is missing, or neither a folder nor a picture.
    """
    root = Path(root)
    if root.is_file() and is_image_name(root):
        return [root] if split == "train" else []
    folder = split_folder(root, side, split)
    if folder is None:
        return []
    found = _without_left_out(root, list_images(folder))
    if folder != root:
        return found
    # A plain folder beside which somebody put a test folder: what is held out is not for training.
    return [path for path in found if path.relative_to(root).parts[0] not in _HELD_OUT]


def _without_left_out(root: Path, found: list[Path]) -> list[Path]:
    """What screening or balancing left out by the manifest is not used; its file stays where it is."""
    from reskin.data.manifest import MANIFEST_NAME, left_out_files

    if not (root / MANIFEST_NAME).is_file():
        return found
    left_out = left_out_files(root)
    return [path for path in found if path.relative_to(root).as_posix() not in left_out]


def split_folder(root: Path | str, side: Side, split: Split) -> Path | None:
    """The folder of one side's and split's pictures: `root` itself where it has no layout, or None.

    Raises:
        DataError: `root` is missing or no folder.
    """
    root = _existing(Path(root))
    for name in (f"{split}{side.upper()}", split):
        if (root / name).is_dir():
            return root / name
    has_layout = any((root / f"train{end}").is_dir() for end in ("", "A", "B"))
    return None if has_layout or split != "train" else root


def held_out_images(root: Path | str, side: Side) -> list[Path]:
    """The pictures of one side that training does not see: test, else val, else (a plain folder) everything.

    Raises:
        DataError: `root` is missing or no folder.
    """
    splits: tuple[Split, ...] = ("test", "val", "train")
    return next((found for split in splits if (found := split_images(root, side, split))), [])


def training_images(root: Path | str, side: Side) -> list[Path]:
    """The pictures of one side to train on.

    Raises:
        DataError: `root` is missing, no folder, or holds no picture for training.
    """
    found = split_images(root, side, "train")
    if not found:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        what = f"no pictures for side {side.upper()} in {Path(root)}"
        raise DataError(what, f"Put pictures ({kinds}) there, or make them with `reskin prepare frames`.")
    return found
