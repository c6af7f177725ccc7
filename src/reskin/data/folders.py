"""Folders of pictures: what lies in them, in which order, for which domain and split."""

from __future__ import annotations

import logging
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reskin.data.layout import Layout, names_a_split, says_held_out
from reskin.errors import DataError
from reskin.image_formats import IMAGE_SUFFIXES, is_image_name, why_not_read
from reskin.paths import FOLLOW_VARIABLE, MOST_DEEP, follows_links, stays_inside
from reskin.storage import file_digest
from reskin.types import Domain, Split
from reskin.video.probe import is_video_name

_log = logging.getLogger("reskin")

_NAMED = 5
_said: set[str] = set()
"""What was said about folders, so that it is not said again for each look into them."""


@dataclass(frozen=True)
class Listing:
    """What lies in a folder.

    Attributes:
        images: the pictures that can be read, by their names, in the order a person would count them.
        left_out: pictures and videos that are not among them, each with the reason.
    """

    images: list[Path]
    left_out: dict[Path, str]


def list_images(folder: Path | str, *, within: Path | None = None) -> list[Path]:
    """The pictures in a folder and the folders below it, in the order a person would count them.

    Hidden files, names without a picture's ending, pipes and devices are passed over. A link is followed only
    where it stays inside, or everywhere with RESKIN_FOLLOW_LINKS=1; those that are not are counted in a
    warning, and so are pictures that cannot be read and videos. A picture that two names lead to is listed
    once, loops do no harm.

    Args:
        folder: where to look.
        within: links may lead anywhere below this folder; `folder` by default.

    Returns:
        Paths that begin with `folder`; empty where there are none.

    Raises:
        DataError: `folder` is missing, no folder, or may not be read.
    """
    listing = list_pictures(folder, within=within)
    if listing.left_out:
        line = f"{folder}: {count_left_out(listing.left_out)}"
        if line not in _said:
            _said.add(line)
            _log.warning("%s", line)
    return listing.images


def list_pictures(folder: Path | str, *, within: Path | None = None) -> Listing:
    """As `list_images`, with what is left out, of which nothing is said here.

    Raises:
        DataError: `folder` is missing, no folder, or may not be read.
    """
    folder = _existing(Path(folder))
    root = (within or folder).resolve()
    found: dict[Path, Path] = {}
    passed: list[Path] = []
    left_out: dict[Path, str] = {}
    for path in _walk(folder, root, {folder.resolve()}, passed):
        if not is_image_name(path):
            reason = _why_left_out(path)
            left_out |= {path: reason} if reason else {}
            continue
        real = path.resolve()
        # A link may come before the file it leads to: the file's own name is kept.
        if real not in found or (found[real].is_symlink() and not path.is_symlink()):
            found[real] = path
    if passed:
        more = f" and {len(passed) - 1} more links lead" if len(passed) > 1 else " leads"
        fix = f"{FOLLOW_VARIABLE}=1 follows them, if they are your own"
        _log.warning("%s%s out of the folder or nowhere and are not followed (%s)", passed[0], more, fix)
    images = sorted(found.values(), key=lambda path: natural_key(path.relative_to(folder).as_posix()))
    return Listing(images, left_out)


def _why_left_out(path: Path) -> str | None:
    if is_video_name(path):
        return "it is a video and not a picture; give it to the command by its own name"
    return why_not_read(path)


def list_films(folder: Path | str) -> list[Path]:
    """The videos in a folder and below it, by their names, in the order a person would count them.

    Raises:
        DataError: `folder` is missing, no folder, or may not be read.
    """
    folder = _existing(Path(folder))
    found = {path.resolve(): path for path in _walk(folder, folder.resolve(), {folder.resolve()}, [])}
    films = [path for path in found.values() if is_video_name(path)]
    return sorted(films, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def holds_films(folder: Path | str) -> bool:
    """Whether a folder is one of films: it holds some, and no picture.

    Raises:
        DataError: as `list_films`.
    """
    folder, found = _existing(Path(folder)), False
    for path in _walk(folder, folder.resolve(), {folder.resolve()}, []):
        if is_image_name(path):
            return False
        found = found or is_video_name(path)
    return found


def count_left_out(left_out: dict[Path, str]) -> str:
    """How many files are left out and why, with the names of a few for each reason.

    >>> count_left_out({Path("in/a.heic"): "HEIC cannot be read", Path("in/b.heic"): "HEIC cannot be read"})
    '2 files are left out: a.heic, b.heic (HEIC cannot be read)'
    """
    by_reason: dict[str, list[str]] = {}
    for path, reason in left_out.items():
        by_reason.setdefault(reason, []).append(path.name)
    kinds = []
    for why, names in by_reason.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        kinds.append(f"{', '.join(names[:_NAMED])}{more} ({why})")
    number = len(left_out)
    return f"{number} {'file is' if number == 1 else 'files are'} left out: {'; '.join(kinds)}"


def _existing(folder: Path) -> Path:
    if folder.is_file() and is_video_name(folder):
        raise DataError(
            f"the folder of pictures {folder} is a video",
            "Take pictures from it first: reskin prepare frames VIDEO --out FOLDER; for a method that learns "
            "from clips: reskin prepare clips VIDEO --out FOLDER.",
        )
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(f"the folder of pictures {folder} {what}", "Check the name.")
    return folder


def _walk(folder: Path, root: Path, seen: set[Path], passed: list[Path]) -> Iterator[Path]:
    if len(folder.parts) > MOST_DEEP:
        raise DataError(f"{folder} lies in more than {MOST_DEEP} folders", "Move its pictures further up.")
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"the folder {folder} cannot be read ({error.strerror})", "Check its permissions."
        ) from None
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_symlink() and not follows_links() and not stays_inside(path, root):
            if is_image_name(path) or os.path.isdir(path):
                passed.append(path)
            continue
        if entry.is_dir():
            real = path.resolve()
            if real not in seen:
                seen.add(real)
                yield from _walk(path, root, seen, passed)
        elif _is_plain_file(path):
            yield path


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


def split_images(root: Path | str, domain: Domain, split: Split) -> list[Path]:
    """The pictures of one domain and split, whichever layout `root` has.

    Our own: `root/train`, `root/val`, `root/test`. A common one of those that `Layout` knows, such as
    `root/trainA`, `root/trainB`, `root/testA`, of which `domain` chooses. Or pictures anyhow: all are
    "train", there is no "val" or "test". Where `root` is a picture itself, the domain is that one picture,
    such as the style of a style network.

    Returns:
        Paths in natural order; empty where the layout has no such split.

    Raises:
        DataError: `root` is missing, neither a folder nor a picture, or its layout cannot be read.
    """
    root = Path(root)
    if root.is_file() and is_image_name(root):
        return [root] if split == "train" else []
    folder = split_folder(root, domain, split)
    if folder is None:
        return []
    found = _without_left_out(root, list_images(folder, within=root))
    if folder != root:
        return found
    # A plain folder beside which somebody put a test folder: what is held out is not for training.
    layout = layout_of(root)
    return [path for path in found if layout.part_of(path.relative_to(root).as_posix()) is None]


def _without_left_out(root: Path, found: list[Path]) -> list[Path]:
    """What screening or balancing left out by the manifest is not used; its file stays where it is."""
    from reskin.data.manifest import left_out_files

    left_out = left_out_files(root)
    return [path for path in found if path.relative_to(root).as_posix() not in left_out]


def layout_of(root: Path) -> Layout:
    """The layout of a folder of pictures; folders in the splits of a prepared one are no domains.

    Raises:
        DataError: `root` is missing or no folder, a part is a link out of it, two parts are the same, or a
            folder that is in no part is called after pictures that are held out.
    """
    from reskin.data.manifest import is_prepared

    layout = Layout.read(_existing(root))
    if not is_prepared(root):
        _check_held_out(root, layout)
        return layout
    return Layout.of({folder.split("/", 1)[0] for folder in layout.parts}) if layout.has_domains else layout


def _check_held_out(root: Path, layout: Layout) -> None:
    """Refuse a folder that by its name is held out and is in no known layout: it would be trained on."""
    parts = layout.parts
    known = {folder for folder in parts if names_a_split(folder)}
    known |= {top for folder in parts if names_a_split(top := folder.split("/", 1)[0])}  # train of train/A
    for parent, names, _ in os.walk(root):
        below = Path(parent).relative_to(root)
        if len(Path(parent).parts) > MOST_DEEP:  # reading the pictures refuses it
            names.clear()
        names[:] = sorted(name for name in names if name[0] != "." and (below / name).as_posix() not in known)
        for name in names:
            if says_held_out(name) and list_pictures(Path(parent, name), within=root).images:
                there = (below / name).as_posix()
                raise DataError(
                    f"{root} holds {there}, which by its name is held out, in no layout that is known",
                    "Call its folders train and test (trainA, trainB, testA, testB for two domains), give "
                    "the folder of training pictures alone, or rename it if they are for training.",
                )


def split_folder(root: Path | str, domain: Domain, split: Split) -> Path | None:
    """The folder of one domain's and split's pictures: `root` itself where it has no layout, or None.

    Raises:
        DataError: `root` is missing or no folder, or its layout cannot be read.
    """
    root = _existing(Path(root))
    layout = layout_of(root)
    if part := layout.find(domain, split):
        return root / part.folder
    has_layout = any(part.split == "train" for part in layout.parts.values())
    return None if has_layout or split != "train" else root


def check_domains_differ(a: Path, b: Path, of_a: list[Path], of_b: list[Path]) -> None:
    """Refuse where both domains come down to the same files, and warn where one holds only copies.

    Raises:
        DataError: they do; it says what lies in the folder.
    """
    if not of_a or not of_b:
        return
    if [path.resolve() for path in of_a] != [path.resolve() for path in of_b]:
        if fewer := _copied(of_a, of_b):
            domain = "A" if fewer is of_a else "B"
            text = "every picture of domain %s (%d) is in the other too, so there is nothing to learn: %s, %s"
            _log.warning(text, domain, len(fewer), a, b)
        return
    if a.is_file() or b.is_file():
        raise DataError(f"A and B are the same picture, {of_a[0]}", "Give another one for one of them.")
    names = sorted(entry.name for entry in os.scandir(a) if entry.is_dir() and entry.name[0] != ".")
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "no folders"
    raise DataError(
        f"A and B come down to the same {len(of_a)} pictures in {a} (it holds {shown})",
        f"Give each domain its folder, such as --a {a}/one --b {a}/two, or call them trainA and trainB.",
    )


def _copied(of_a: list[Path], of_b: list[Path]) -> list[Path]:
    """The domain whose pictures all lie in the other one too, under whatever name; empty where there is none.

    Bytes are read only where the sizes of the files leave it open.
    """
    fewer, more = sorted((of_a, of_b), key=len)
    try:
        sizes, wanted = ({path.stat().st_size for path in paths} for paths in (more, fewer))
        if not wanted <= sizes:
            return []
        known = {file_digest(path) for path in more if path.stat().st_size in wanted}
        return fewer if all(file_digest(path) in known for path in fewer) else []
    except (OSError, DataError):
        return []  # who reads the pictures names the one that cannot be read


def held_out_images(root: Path | str, domain: Domain) -> list[Path]:
    """The pictures of one domain that training does not see: test, else val, else all.

    Raises:
        DataError: `root` is missing or no folder.
    """
    splits: tuple[Split, ...] = ("test", "val", "train")
    return next((found for split in splits if (found := split_images(root, domain, split))), [])


def training_images(root: Path | str, domain: Domain) -> list[Path]:
    """The pictures of one domain to train on.

    Raises:
        DataError: `root` is missing, no folder, or holds no picture for training.
    """
    found = split_images(root, domain, "train")
    if not found:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        what = f"no pictures for domain {domain.upper()} in {Path(root)}"
        raise DataError(what, f"Put pictures ({kinds}) there, or make them with `reskin prepare frames`.")
    return found
