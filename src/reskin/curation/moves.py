"""Moving pictures from split to split so that a kill at any moment does no harm.

What is to be done, and the manifest that is true afterwards, are written down first. From then on the only
way is forward: whoever opens the folder next finishes the moves. Every new name is one that no file had, so
that a move that has been done is distinguished from one that has not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from reskin.data.layout import names_a_split
from reskin.data.manifest import MANIFEST_NAME, Manifest, write_manifest
from reskin.errors import DataError, SettingsError
from reskin.image_formats import is_image_name
from reskin.paths import check_own, inside, make_folder
from reskin.storage import read_json, storage_error, write_json

JOURNAL = ".moves.json"


_OWN: dict[str, Literal["file", "folder"]] = {
    "train": "folder",
    "val": "folder",
    "test": "folder",
    ".prepare": "folder",
    MANIFEST_NAME: "file",
    JOURNAL: "file",
}
"""What the commands that make or split a dataset write to in its folder."""


def move_files(root: Path, moves: Mapping[str, str], manifest: Manifest) -> None:
    """Move files below `root` and replace its manifest; after a kill `finish_moves` does what is left.

    Args:
        root: the folder of the dataset, held by `storage.lock`.
        moves: old to new path, below `root`, with forward slashes; no new one may exist.
        manifest: what is true afterwards.

    Raises:
        DataError: a new name exists, or a path leads out of `root`.
        StorageError: the disk refuses.
    """
    taken = [new for new in moves.values() if os.path.lexists(root / new)]
    if taken or len(set(moves.values())) < len(moves):
        raise DataError(f"{root / (taken or ['?'])[0]} exists already", "Remove it or give it another name.")
    _check(root, moves, manifest)
    write_json(root / JOURNAL, {"moves": dict(moves), "manifest": manifest.model_dump()})
    finish_moves(root)


def finish_moves(root: Path) -> bool:
    """Finish what `move_files` began before it was killed; whether there was something to finish.

    The journal is not taken on trust: it may come from somebody else's folder. All of it is checked before
    the first file moves.

    Args:
        root: the folder of the dataset, held by `storage.lock`.

    Raises:
        DataError: a name that is written to is a link, or the journal is damaged or asks for moves that a
            split does not make.
        StorageError: the disk refuses.
    """
    check_own(root, _OWN)
    journal = root / JOURNAL
    if not os.path.lexists(journal):
        return False
    moves, manifest = _read(journal)
    _check(root, moves, manifest)
    left = {old: new for old, new in moves.items() if os.path.lexists(root / old)}
    taken = [new for new in left.values() if os.path.lexists(root / new)]
    if taken:
        raise _damaged(journal, f"{taken[0]!r} exists already")
    try:
        for old, new in left.items():  # the others were moved before the kill, or were gone before we came
            make_folder((root / new).parent)
            os.rename(root / old, root / new)
        _remove_empty(root, {(root / old).parent for old in moves})
    except OSError as error:
        raise storage_error(root, error) from error
    write_manifest(root, manifest)
    try:
        journal.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(journal, error) from error
    return True


def _read(journal: Path) -> tuple[dict[str, str], Manifest]:
    try:
        plan = read_json(journal)
        moves, manifest = plan.get("moves"), Manifest.model_validate(plan.get("manifest"))
    except SettingsError as error:
        raise DataError(error.what, "Remove it.") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(journal, str(error).splitlines()[0]) from None
    if not isinstance(moves, dict) or not all(isinstance(new, str) for new in moves.values()):
        raise _damaged(journal, "it lists no moves")
    return moves, manifest


def _check(root: Path, moves: Mapping[str, str], manifest: Manifest) -> None:
    """Only what `reskin split` makes: pictures, inside, into the folder of a split, listed afterwards.

    Raises:
        DataError: anything else.
    """
    journal = root / JOURNAL
    listed = {frame.file for frame in manifest.frames}
    if len(set(moves.values())) < len(moves):
        raise _damaged(journal, "two files get one name")
    for old, new in moves.items():
        for path in (old, new):
            inside(root, path, writes=True)
            if not is_image_name(Path(path)) or any(part.startswith(".") for part in path.split("/")):
                raise _damaged(journal, f"{path[:200]!r} is no picture of a dataset")
        folder = "/".join(new.split("/")[:-1][:2])
        if new not in listed or old in listed or not names_a_split(folder):
            raise _damaged(journal, f"{old[:200]!r} to {new[:200]!r} is no move of a split")


def _damaged(journal: Path, why: str) -> DataError:
    return DataError(f"{journal} is damaged or not ours ({why})", "Nothing was moved. Remove it.")


def _remove_empty(root: Path, folders: set[Path]) -> None:
    above = {parent for folder in folders for parent in folder.parents if parent.is_relative_to(root)}
    for folder in sorted((folders | above) - {root}, key=lambda path: -len(path.parts)):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
