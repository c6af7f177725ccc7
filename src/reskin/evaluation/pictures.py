"""The held-out pictures that a model is measured on: which they are, and how they are read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from reskin.data.folders import held_out_images, list_images
from reskin.errors import DataError, ImageError
from reskin.images import Picture, read_image, to_image, to_tensor
from reskin.spread import spread_ends
from reskin.types import Domain

logger = logging.getLogger("reskin")


@dataclass(frozen=True)
class HeldOut:
    """Pictures of one domain that training did not see.

    Attributes:
        paths: their files, in natural order.
        size: shorter edge in px that they are brought to, None for as they are.
        truths: file to the file of its true translation; empty where none is known.
        folder: that they were found in.
        left_out: files that could not be read, and why.
    """

    paths: list[Path]
    size: int | None
    truths: dict[Path, Path]
    folder: Path = Path()
    left_out: tuple[tuple[Path, str], ...] = ()

    def names(self, paths: list[Path]) -> list[str]:
        """The names of some of the pictures, relative to `folder`, with forward slashes."""
        return [
            (path.relative_to(self.folder) if path.is_relative_to(self.folder) else path).as_posix()
            for path in paths
        ]

    def read(self, path: Path) -> Picture:
        """One picture, RGB, uint8, (H, W, 3), at `size`."""
        return resized(read_image(path), self.size)

    def read_truth(self, path: Path) -> Picture | None:
        """The true translation of the picture in `path`, None where it is not known.

        Raises:
            DataError: it does not have the picture's size.
        """
        if path not in self.truths:
            return None
        return resized(read_image(self.truths[path]), self.size)

    def __iter__(self) -> Iterator[Picture]:
        return (self.read(path) for path in self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def find_held_out(
    folder: Path,
    domain: Domain,
    *,
    truth: Path | None = None,
    size: int | None = None,
    limit: int | None = None,
) -> HeldOut:
    """The readable held-out pictures of one domain, evenly spread where there are more than `limit`.

    A file that cannot be read is named in a warning and left out.

    Raises:
        DataError: no readable picture, or `truth` is given and knows none of them.
    """
    found = held_out_images(folder, domain)
    if limit is not None and len(found) > limit:
        found = [found[index] for index in spread_ends(len(found), limit)]
    faults = {path: fault for path in found if (fault := _fault(path)) is not None}
    paths = [path for path in found if path not in faults]
    if not paths:
        raise DataError(f"no readable picture of domain {domain.upper()} in {folder}", "Give another folder.")
    truths = {} if truth is None else _match(paths, truth)
    return HeldOut(paths, size, truths, folder, tuple(faults.items()))


def _fault(path: Path) -> str | None:
    """Why a picture cannot be read; None where it can."""
    try:
        read_image(path)
    except ImageError as error:
        logger.warning("left out: %s", error)
        return str(error)
    return None


def _match(paths: list[Path], truth: Path) -> dict[Path, Path]:
    """Each picture's truth: the file of the same name, whatever its ending."""
    known: dict[str, Path] = {}
    for path in list_images(truth):
        if path.stem in known:
            raise DataError(
                f"{known[path.stem]} and {path} could both be the truth for '{path.stem}'",
                "Keep one of them.",
            )
        known[path.stem] = path
    names = [path.stem for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"two pictures are called '{twice}', so their truth is not clear", "Rename one of them."
        )
    truths = {path: known[path.stem] for path in paths if path.stem in known}
    if not truths:
        raise DataError(
            f"no file in {truth} is called like a picture to translate", f"Wanted {names[0]}.png."
        )
    if len(truths) < len(paths):
        logger.warning("%d of %d pictures have no truth in %s", len(paths) - len(truths), len(paths), truth)
    return truths


def resized(image: Picture, size: int | None) -> Picture:
    """The picture with its shorter edge at `size` px, its shape kept; as it is where `size` is None."""
    height, width = image.shape[:2]
    if size is None or size == min(height, width):
        return image
    scale = size / min(height, width)
    return to_image(
        resize(to_tensor(image), max(size, round(height * scale)), max(size, round(width * scale)))
    )[0]


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Pictures (N, C, H, W) at another size, smoothed first where they shrink."""
    if tuple(images.shape[-2:]) == (height, width):
        return images
    shrinks = height < images.shape[-2] or width < images.shape[-1]
    return F.interpolate(images, (height, width), mode="bicubic", align_corners=False, antialias=shrinks)


def square(images: Tensor, size: int) -> Tensor:
    """The middle of each picture (N, C, H, W) at (N, C, size, size)."""
    height, width = images.shape[-2:]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return resize(images[..., top : top + short, left : left + short], size, size)
