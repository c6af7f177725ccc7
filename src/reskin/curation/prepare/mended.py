"""Videos that could not be read when a dataset was finished, and were mended since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reskin.data.manifest import Manifest


def mended_sources(manifest: Manifest, prints: Sequence[dict[str, Any]]) -> list[int]:
    """The positions of videos that could not be read then and whose files are others now.

    Args:
        manifest: of the finished dataset.
        prints: of the same videos in the same order, as `fingerprints` gives them.

    Returns:
        Empty where nothing was mended, or where the videos differ in something else too.
    """
    if [origin.name for origin in manifest.sources] != [print_["name"] for print_ in prints]:
        return []
    pairs = list(zip(manifest.sources, prints, strict=True))
    changed = [
        number
        for number, (origin, print_) in enumerate(pairs)
        if (origin.sha256, origin.size_bytes) != (print_["sha256"], print_["size_bytes"])
    ]
    is_mended = all(pairs[number][0].frames is None and pairs[number][1]["sha256"] for number in changed)
    return changed if is_mended else []


def without_sources(manifest: Manifest, numbers: Sequence[int]) -> Manifest:
    """The manifest without videos that gave no picture, and without what it says of them."""
    names = tuple(manifest.sources[number].name for number in numbers)
    kept = [number for number in range(len(manifest.sources)) if number not in numbers]
    said = [line for line in manifest.damaged if not line.startswith(names)]
    return _arranged(manifest, kept).model_copy(update={"damaged": said})


def in_order(manifest: Manifest, prints: Sequence[dict[str, Any]]) -> Manifest:
    """The manifest with its videos in the order of `prints`."""
    where = {origin.sha256: number for number, origin in enumerate(manifest.sources) if origin.sha256}
    unread = {origin.name: number for number, origin in enumerate(manifest.sources) if not origin.sha256}
    order = [
        where[print_["sha256"]] if print_["sha256"] in where else unread[print_["name"]] for print_ in prints
    ]
    return _arranged(manifest, order)


def _arranged(manifest: Manifest, old: Sequence[int]) -> Manifest:
    """The manifest with the sources that were at these positions, in this order."""
    new = {number: place for place, number in enumerate(old)}
    frames = [
        frame if frame.source is None else frame.model_copy(update={"source": new[frame.source]})
        for frame in manifest.frames
    ]
    sources = [manifest.sources[number] for number in old]
    return manifest.model_copy(update={"sources": sources, "frames": frames})
