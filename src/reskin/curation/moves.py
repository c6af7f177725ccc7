"""Moving pictures from split to split so that a kill at any moment does no harm.

What is to be done, and the manifest that is true afterwards, are written down first. From then on the only
way is forward: whoever opens the folder next finishes the moves. Every new name is one that no file had, so
that a move that has been done is told from one that has not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from reskin.data.manifest import Manifest, write_manifest
from reskin.errors import DataError
from reskin.storage import read_json, storage_error, write_json

JOURNAL = ".moves.json"


def move_files(root: Path, moves: Mapping[str, str], manifest: Manifest) -> None:
    """Move files below `root` and replace its manifest; after a kill `finish_moves` does what is left.

    Args:
        root: the folder of the data set, held by `storage.lock`.
        moves: old to new path, below `root`, with forward slashes; no new one may exist.
        manifest: what is true afterwards.

    Raises:
        DataError: a new name exists.
        StorageError: the disk refuses.
    """
    taken = [new for new in moves.values() if os.path.lexists(root / new)]
    if taken or len(set(moves.values())) < len(moves):
        raise DataError(f"{root / (taken or ['?'])[0]} exists already", "Remove it or give it another name.")
    write_json(root / JOURNAL, {"moves": dict(moves), "manifest": manifest.model_dump(mode="json")})
    finish_moves(root)


def finish_moves(root: Path) -> bool:
    """Finish what `move_files` began before it was killed; whether there was something to finish.

    Args:
        root: the folder of the data set, held by `storage.lock`.

    Raises:
        DataError: the journal is damaged.
        StorageError: the disk refuses.
    """
    journal = root / JOURNAL
    if not journal.exists():
        return False
    plan = read_json(journal)
    try:
        manifest, moves = Manifest.model_validate(plan["manifest"]), dict(plan["moves"])
    except (KeyError, ValueError) as error:
        raise DataError(f"{journal} is damaged ({str(error).splitlines()[0]})", "Remove it.") from None
    try:
        for old, new in moves.items():
            if not os.path.lexists(root / old):
                continue  # moved before the kill, or gone before we came
            (root / new).parent.mkdir(parents=True, exist_ok=True)
            os.rename(root / old, root / new)
        _remove_empty(root, {(root / old).parent for old in moves})
    except OSError as error:
        raise storage_error(root, error) from error
    write_manifest(root, manifest)
    journal.unlink(missing_ok=True)
    return True


def _remove_empty(root: Path, folders: set[Path]) -> None:
    above = {parent for folder in folders for parent in folder.parents if parent.is_relative_to(root)}
    for folder in sorted((folders | above) - {root}, key=lambda path: -len(path.parts)):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
