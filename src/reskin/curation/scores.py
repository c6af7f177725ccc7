"""What earlier runs measured of the pictures of a dataset, as far as it still holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reskin.data.manifest import MANIFEST_NAME

Scores = dict[str, float]
"""What was measured of a picture: by rule, and its width, height, bytes and hash."""


def unchanged_scores(root: Path, files: Sequence[str], scores: Sequence[Scores | None]) -> list[Scores]:
    """A copy of what an earlier run found out about each picture; empty where the picture has changed since.

    A picture has changed if it has another number of bytes, or is newer than the manifest.
    """
    try:
        written = (root / MANIFEST_NAME).stat().st_mtime_ns
    except FileNotFoundError:
        written = 0
    return [
        dict(known) if known and _is_unchanged(root / file, known, written) else {}
        for file, known in zip(files, scores, strict=True)
    ]


def _is_unchanged(path: Path, scores: Scores, written: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_size == scores.get("bytes") and status.st_mtime_ns <= written
