"""Why pictures are left out of a dataset: whoever leaves some out has reasons of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from reskin.curation.adopt import open_set
from reskin.data.manifest import FrameRecord, write_manifest
from reskin.storage import lock


def other_reasons(frame: FrameRecord, ours: Collection[str]) -> tuple[str, ...] | None:
    """Reasons to leave a picture out that are not `ours`; None without any."""
    return tuple(reason for reason in frame.left_out or () if reason not in ours) or None


def use_again(folders: Sequence[Path], ours: Collection[str], about: Literal["balance", "screening"]) -> int:
    """Take `ours` from the reasons of all pictures, and what the manifests say `about` it.

    Returns:
        How many pictures are used again.

    Raises:
        DataError: a folder is missing, holds no pictures, or its manifest is damaged.
        RunError: another process is working on a folder.
        StorageError: the disk refuses a write.
    """
    back = 0
    for root in map(Path, folders):
        open_set(root)  # before the lock: a name that is wrong must not leave one
        with lock(root):
            manifest = open_set(root)
            frames = [
                frame.model_copy(update={"left_out": other_reasons(frame, ours)}) for frame in manifest.frames
            ]
            cleared = manifest.model_copy(update={"frames": frames, about: None})
            back += len(cleared.used()) - len(manifest.used())
            if getattr(manifest, about) is not None or frames != manifest.frames:
                write_manifest(root, cleared)
    return back
