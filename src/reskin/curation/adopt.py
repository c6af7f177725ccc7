"""Any folder of pictures as a dataset: a manifest made up from what lies there."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from reskin.data.folders import layout_of, list_images, natural_key, split_folder
from reskin.data.layout import Layout
from reskin.data.manifest import ADOPTED, FrameRecord, Manifest, first_fault, read_manifest
from reskin.errors import DataError
from reskin.types import Domain, Split
from reskin.version import __version__

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_DOMAINS: tuple[Domain, ...] = ("a", "b")


def adopt_folder(root: Path | str, domain: Domain | None = "a") -> Manifest:
    """A manifest of the pictures in a folder; nothing is written, no picture is opened.

    The splits are those of the folder's layout (train, val, test, or trainA, testB and so on); pictures that
    lie in no such folder are "train".

    Args:
        root: the folder.
        domain: which domain of a folder with trainA and trainB; None for both.

    Raises:
        DataError: `root` is missing or no folder, or its layout cannot be read.
    """
    root = Path(root)
    layout = layout_of(root)
    found: dict[str, Split] = {}
    # What is held out goes first: in a plain folder everything, a test folder too, lies below the root.
    for split in reversed(_SPLITS):
        for one in _DOMAINS:
            folder = split_folder(root, one, split)
            for path in [] if folder is None else list_images(folder, within=root):
                found.setdefault(path.relative_to(root).as_posix(), split)
    files = [file for file in found if domain is None or layout.domain_of(file) in (None, domain)]
    files.sort(key=lambda file: (_SPLITS.index(found[file]), natural_key(file)))
    try:
        frames = [FrameRecord(file=file, split=found[file]) for file in files]
    except ValidationError as error:
        raise DataError(
            f"{root} holds a name that cannot be kept ({first_fault(error)})", "Rename it."
        ) from None
    return Manifest(reskin=__version__, settings=ADOPTED, sources=[], frames=frames, damaged=[])


def open_set(root: Path | str) -> Manifest:
    """The manifest of a folder, or one made up for it, of both domains; nothing is written.

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
        fresh = adopt_folder(root, domain=None)
        frames = [known.get(frame.file, frame) for frame in fresh.frames]
        manifest = (manifest or fresh).model_copy(update={"frames": frames})
    if not manifest.frames:
        raise DataError(f"no pictures in {root}", "Check the name, or make some with `reskin prepare`.")
    return manifest


def layout_in(manifest: Manifest) -> Layout:
    """The layout of a dataset by the files that its manifest lists; a prepared one parts no domains."""
    if manifest.settings != ADOPTED:
        return Layout.of({frame.file.split("/", 1)[0] for frame in manifest.frames if "/" in frame.file})
    return Layout.of({frame.file.rpartition("/")[0] for frame in manifest.frames})


def domains_in(manifest: Manifest) -> list[Domain | None]:
    """The domain of each picture; None where the dataset does not part them."""
    layout = layout_in(manifest)
    return [layout.domain_of(frame.file) for frame in manifest.frames]
