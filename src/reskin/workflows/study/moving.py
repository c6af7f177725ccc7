"""Films for a study's report: where the held-out images are frames of footage, a clip of them and its
translation by each row."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from reskin.data.clips import positions
from reskin.data.folders import held_out_images
from reskin.errors import ImageError
from reskin.evaluation.pictures import find_held_out, resized
from reskin.evaluation.request import Request
from reskin.evaluation.styles import in_one_style
from reskin.images import Picture, read_image, to_image, to_tensor
from reskin.inference.engine import Engine
from reskin.methods.translator import Translator
from reskin.pages.films import ShownFilm
from reskin.types import Direction, Domain
from reskin.video.encoding import Encoding
from reskin.video.writer import VideoWriter

FEWEST, MOST = 8, 48
"""Frames of a film that is shown."""
EDGE_PX, FRAME_RATE = 256, Fraction(12)
"""Longest shorter edge, and frames shown in a second: folders of frames do not say their own."""
ALIKE = 0.9
"""Images that follow each other in name are footage if neighbours correlate so much (median, at 32 px)."""

_THUMB_PX = 32
_DIRECTIONS: tuple[Direction, ...] = ("a2b", "b2a")


def write_clips(folder: Path, model: Translator, request: Request) -> None:
    """Write input-a2b.mp4 and shown-a2b.mp4, and those of b2a, where the held-out images are footage.

    Raises:
        DataError: a folder without readable images.
        VideoError: the film cannot be encoded.
        StorageError: the disk refuses the write.
    """
    for direction in model.directions:
        source, target = (request.a, request.b) if direction == "a2b" else (request.b, request.a)
        frames = footage_of(source, "a" if direction == "a2b" else "b", request.size)
        if not frames:
            continue
        held_out = find_held_out(target, "b" if direction == "a2b" else "a", size=request.size, limit=1)
        one = in_one_style(model, direction, held_out, from_examples=request.style == "examples")
        clip = torch.cat([to_tensor(frame) for frame in frames])
        made = Engine(one, direction).run_clips(clip[None])[0].float().clamp(-1, 1).cpu()
        _write(folder / f"input-{direction}.mp4", frames)
        _write(folder / f"shown-{direction}.mp4", list(to_image(made)))


def footage_of(folder: Path, domain: Domain, size: int | None = None) -> list[Picture]:
    """The longest clip among the held-out images of a domain, at most `MOST` frames of one size; empty where
    there is none of `FEWEST` frames.

    Images are a clip if the manifest or their names say that they follow each other, and they look so.
    """
    paths = held_out_images(folder, domain)
    for chosen in sorted(_runs(paths, folder), key=len, reverse=True):
        if len(chosen) < FEWEST:
            break
        try:
            frames = [_at_size(read_image(path), size) for path in chosen[:MOST]]
        except ImageError:
            continue  # the evaluation names it
        if len({frame.shape for frame in frames}) == 1 and _is_footage(frames):
            return frames
    return []


def shown_films(cells: Sequence[tuple[str, Path]]) -> dict[str, list[ShownFilm]]:
    """By direction: the input and each row's film that is there, the input first.

    Args:
        cells: label and folder of one cell of each row.
    """
    found: dict[str, list[ShownFilm]] = {}
    for direction in _DIRECTIONS:
        films: list[ShownFilm] = []
        for label, folder in cells:
            source, made = (folder / f"{kind}-{direction}.mp4" for kind in ("input", "shown"))
            if not (source.is_file() and made.is_file()):
                continue
            films = films or [ShownFilm("input", source)]
            films.append(ShownFilm(label, made))
        if films:
            found[direction] = films
    return found


def _runs(paths: Sequence[Path], folder: Path) -> list[list[Path]]:
    """The files cut into runs of which each follows the one before."""
    runs: list[list[Path]] = []
    before = None
    for path, position in zip(paths, positions(paths, folder), strict=True):
        follows = (
            before is not None
            and position is not None
            and position.clip == before.clip
            and position.number == before.number + 1
        )
        if follows:
            runs[-1].append(path)
        else:
            runs.append([path])
        before = position
    return runs


def _at_size(image: Picture, size: int | None) -> Picture:
    return resized(image, min(EDGE_PX, size or EDGE_PX, *image.shape[:2]))


def _is_footage(frames: Sequence[Picture]) -> bool:
    """Whether neighbours look alike, which unrelated images with numbers for names do not."""
    small = [resized(frame, _THUMB_PX).astype(np.float64).mean(axis=2).ravel() for frame in frames]
    centred = [each - each.mean() for each in small]
    lengths = [float(np.linalg.norm(each)) for each in centred]
    pairs = zip(centred[:-1], centred[1:], lengths[:-1], lengths[1:], strict=True)
    return float(np.median([one @ other / (a * b) if a * b else 0.0 for one, other, a, b in pairs])) >= ALIKE


def _write(path: Path, frames: Sequence[Picture]) -> None:
    """H.264 that browsers play: even edges, cut by a pixel where that is needed."""
    height, width = (edge - edge % 2 for edge in frames[0].shape[:2])
    with VideoWriter(
        path, size=(width, height), frame_rate=FRAME_RATE, encoding=Encoding(quality=20)
    ) as writer:
        for number, frame in enumerate(frames):
            writer.write(np.ascontiguousarray(frame[:height, :width]), number / FRAME_RATE)
