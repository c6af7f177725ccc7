"""Which picture of A belongs to which of B: side by side in one file, or by equal names in two folders."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

from reskin.data.cache import Source
from reskin.data.folders import list_images, split_folder, split_images
from reskin.errors import DataError
from reskin.image_files import opened_header
from reskin.types import Domain, Split

_LOOKED_AT = 50
_NARROWEST = 1.9
_log = logging.getLogger("reskin")


def find_pairs(a: Path, b: Path, split: Split) -> tuple[list[Source], list[tuple[Path, str]]]:
    """The pairs of one split.

    Where both domains come down to the same files, each file is a pair with A in its left and B in its right
    half. Otherwise pictures belong together whose path below the split's folder is the same but for the
    ending.

    Returns:
        The pairs, in natural order, each as one file or as (A, B); and the pictures without a partner, with
        the reason. Both are empty where the split does not exist.

    Raises:
        DataError: a folder is missing, or two pictures of a folder differ in nothing but their ending.
    """
    of_a, of_b = split_images(a, "a", split), split_images(b, "b", split)
    if [path.resolve() for path in of_a] == [path.resolve() for path in of_b]:
        return [(path,) for path in of_a], []
    names_a, names_b = _by_name(of_a, a, "a", split), _by_name(of_b, b, "b", split)
    pairs: list[Source] = [(path, names_b[name]) for name, path in names_a.items() if name in names_b]
    alone = [(path, f"has no partner in {b}") for name, path in names_a.items() if name not in names_b]
    alone += [(path, f"has no partner in {a}") for name, path in names_b.items() if name not in names_a]
    return pairs, alone


def with_masks(pictures: list[Path], root: Path, domain: Domain, masks: Path) -> list[Source]:
    """Each training picture of a domain with its mask, which has the same name but for the ending.

    Args:
        pictures: of `root`.
        root: the folder of the domain, or its one picture.
        domain: which.
        masks: a folder with the same folders below it, or with the masks themselves.

    Raises:
        DataError: a picture has no mask, or two masks differ in nothing but their ending.
    """
    named = _by_name(list_images(split_folder(masks, domain, "train") or masks), masks, domain, "train")
    folder = root.parent if root.is_file() else split_folder(root, domain, "train") or root
    names = {path: _name(path, folder) for path in pictures}
    missing = [path for path, name in names.items() if name not in named]
    if missing:
        what = f"{len(missing)} of {len(pictures)} pictures have no mask in {masks}, first {missing[0]}"
        raise DataError(what, f"Put one there as {names[missing[0]]}.png, white where the look is to change.")
    return [(path, named[name]) for path, name in names.items()]


def check_side_by_side(files: list[Path]) -> None:
    """Refuse files that are to be cut into A and B and are no two pictures side by side.

    Raises:
        DataError: one of those that are looked at, 50 spread evenly, is not about twice as wide as high.
    """
    step = max(1, len(files) // _LOOKED_AT)
    for path in files[::step]:
        try:
            with opened_header(path) as opened:
                width, height = opened.size
        except Exception as error:  # decoders raise a dozen kinds; reading the pictures says what is wrong
            _log.debug("%s is not looked at: %s", path, error)
            continue
        if width < _NARROWEST * height:
            raise DataError(
                f"A and B are the same files, and {path} ({width}x{height} px) is no pair side by side",
                "It would be cut in half: give A and B two folders with equal names in them.",
            )


def _by_name(paths: list[Path], root: Path, domain: Domain, split: Split) -> dict[str, Path]:
    folder = split_folder(root, domain, split)
    named: dict[str, Path] = {}
    for path in paths:
        name = _name(path, folder)
        if name in named:
            what = f"{named[name]} and {path} have the same name, so it is not clear which is the partner"
            raise DataError(what, "Remove or rename one of them.")
        named[name] = path
    return named


def _name(path: Path, folder: Path | None) -> str:
    below = path.relative_to(folder) if folder else path
    return unicodedata.normalize("NFC", below.with_suffix("").as_posix())
