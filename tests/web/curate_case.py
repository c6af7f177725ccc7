"""Datasets that are drawn, read and screened, as the tests of curation use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.web.studio_case import Case

from reskin.curation.adopt import open_set
from reskin.curation.thumbnails import Thumbnails
from reskin.data.manifest import FrameRecord, Manifest, Origin, write_manifest
from reskin.web.studio.curate_index import build_index
from reskin.web.studio.curate_pictures import make_thumbnail
from reskin.web.studio.curate_sets import AGAIN_SECONDS, CuratedSet


def curated(case: Case, name: str = "data/film") -> CuratedSet:
    """A dataset of the studio, without a process that reads it."""
    case.studio.scan._at = -10.0
    one = case.studio.curation.of(case.set_id(name), case.root / name)
    return one


def index(case: Case, name: str = "data/film") -> CuratedSet:
    """A dataset that has been read, with all thumbnails."""
    files = case.studio.curation._files(case.set_id(name), name, case.root / name)
    one = CuratedSet(files)
    build_index(files.folder, files.index, one.verdicts)
    store = Thumbnails(files.thumbnails)
    for frame in open_set(files.folder).frames:
        make_thumbnail(files.folder, frame.file, store)
    store.close()
    one.close()
    return curated(case, name)


def again(case: Case, name: str = "data/film") -> CuratedSet:
    """The same after its manifest has changed; in this process."""
    one = curated(case, name)
    one._read_at = -AGAIN_SECONDS
    build_index(one.files.folder, one.files.index, one.verdicts)
    return one


def draw_set(root: Path, count: int, *, scored: bool = True) -> Manifest:
    """Tiny pictures with scores that are known: blur falls, dark goes round by five; two sources."""
    (root / "train").mkdir(parents=True, exist_ok=True)
    frames = []
    for number in range(count):
        file = f"train/{number:05d}.png"
        Image.fromarray(np.full((6, 8, 3), number % 256, np.uint8)).save(root / file)
        scores = {
            "blur": round(1 - number / count, 4),
            "dark": (number * 3 % 5) / 5,
            "hash_high": 0.0,
            "hash_low": float((1 << number % 20) - 1),
        }
        frames.append(
            FrameRecord(
                file=file,
                source=number % 2,
                index=number // 2,
                seconds=number / 2,
                split="train" if number % 4 else "val",
                scores=scores if scored else None,
                left_out=("dark",) if number % 5 == 0 and scored else None,
            )
        )
    sources = [Origin(name=name, sha256="", size_bytes=1) for name in ("one.mp4", "two.mp4")]
    made = Manifest(reskin="1", settings={}, sources=sources, frames=frames, damaged=[])
    write_manifest(root, made)
    return made


def framed(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON object and the bytes after it."""
    end = 4 + int.from_bytes(content[:4], "little")
    return json.loads(content[4:end]), content[end:]


def numbers_of(content: bytes) -> list[int]:
    """The numbers of an order."""
    head, rest = framed(content)
    return [int.from_bytes(rest[4 * at : 4 * at + 4], "little") for at in range(head["count"])]


def verdicts_of(content: bytes) -> list[int]:
    """The verdicts of an order."""
    head, rest = framed(content)
    return list(rest[4 * head["count"] :])
