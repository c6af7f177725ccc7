"""Pictures and videos as text that stands in a page, made smaller where they would be too large for one."""

from __future__ import annotations

import base64
import io
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from reskin.errors import ReskinError
from reskin.images import Picture, read_image
from reskin.runs.record import SampleGrid
from reskin.spread import spread_ends

MAX_GRIDS = 40
"""Sample grids in a page; from more, so many evenly spread ones are taken."""
GRIDS_BYTES = 24_000_000
"""Room for all sample grids of a page."""
VIDEO_BYTES = 30_000_000
"""A video larger than this is embedded in a smaller version."""

_SMALL_SIDE_PX = 640
_SMALL_SECONDS = 60
_PLAYABLE = {".mp4", ".m4v"}


@dataclass(frozen=True)
class EmbeddedGrid:
    """A sample grid as a page shows it.

    Attributes:
        grid: what it is.
        source: its picture as a data URL.
        size: (width, height), px.
    """

    grid: SampleGrid
    source: str
    size: tuple[int, int]


def embed_grids(grids: list[SampleGrid], notes: list[str]) -> list[EmbeddedGrid]:
    """The grids as data URLs, evenly thinned and compressed so that together they stay under `GRIDS_BYTES`.

    Args:
        grids: by step.
        notes: what was left out is added here.
    """
    chosen = grids
    if len(grids) > MAX_GRIDS:
        chosen = [grids[index] for index in spread_ends(len(grids), MAX_GRIDS)]
        notes.append(
            f"{MAX_GRIDS} of {len(grids)} sample grids are shown, evenly spread; all are in samples/"
        )
    room = GRIDS_BYTES // max(1, len(chosen))
    embedded = []
    for grid in chosen:
        try:
            picture = read_image(grid.path)
        except ReskinError as error:
            notes.append(f"a sample grid is not shown: {error}")
            continue
        data, kind = grid.path.read_bytes(), "png"
        if len(data) > room:
            data, kind = _compressed(picture, room), "webp"
        size = (picture.shape[1], picture.shape[0])
        embedded.append(EmbeddedGrid(grid, data_url(f"image/{kind}", data), size))
    return embedded


def data_url(kind: str, data: bytes) -> str:
    """Bytes of a media type as a URL that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _compressed(picture: Picture, room: int) -> bytes:
    """WebP of the best quality that fits into `room` bytes, or the smallest there is."""
    for quality in (92, 84, 72, 55):
        data = io.BytesIO()
        Image.fromarray(picture).save(data, "WEBP", quality=quality, method=2)
        if data.tell() <= room:
            break
    return data.getvalue()


@dataclass(frozen=True)
class EmbeddedVideo:
    """A video as a page plays it.

    Attributes:
        source: the file as a data URL.
        size: (width, height), px.
        frame_rate: frames per second.
        has_sound: whether it can be heard.
        note: what differs from the file, empty if nothing.
    """

    source: str
    size: tuple[int, int]
    frame_rate: float
    has_sound: bool
    note: str


def embed_video(path: Path) -> EmbeddedVideo:
    """A video as a data URL; one that is too large, or that browsers cannot play, in a smaller H.264 version.

    Raises:
        VideoError: the file cannot be read.
    """
    from reskin.video.probe import probe  # here, so that a report without videos loads no decoder

    info = probe(path)
    plays = info.codec == "h264" and info.pixel_format in ("yuv420p", "yuvj420p")
    if plays and path.suffix.lower() in _PLAYABLE and path.stat().st_size <= VIDEO_BYTES:
        data, size, note = path.read_bytes(), (info.width, info.height), ""
        has_sound = info.has_sound
    else:
        data, size, note = _smaller(path)
        has_sound = False
    return EmbeddedVideo(data_url("video/mp4", data), size, float(info.frame_rate), has_sound, note)


def _smaller(path: Path) -> tuple[bytes, tuple[int, int], str]:
    """H.264 of the first minute with even edges of at most 640 px: bytes, size and what was done."""
    from reskin.video.reader import VideoReader
    from reskin.video.writer import Encoding, VideoWriter

    with tempfile.TemporaryDirectory() as folder, VideoReader(path) as reader:
        info = reader.info
        scale = min(1.0, _SMALL_SIDE_PX / max(info.width, info.height))
        size = tuple(max(2, round(side * scale / 2) * 2) for side in (info.width, info.height))
        target = Path(folder) / "small.mp4"
        start: Fraction | None = None
        was_cut = False
        with VideoWriter(
            target, size=(size[0], size[1]), frame_rate=info.frame_rate, encoding=Encoding(quality=26)
        ) as writer:
            for frame in reader:
                start = frame.time if start is None else start
                if frame.time - start > _SMALL_SECONDS:
                    was_cut = True
                    break
                image = Image.fromarray(frame.image).resize((size[0], size[1]), Image.Resampling.LANCZOS)
                writer.write(np.asarray(image), frame.time)
        cut = f", its first {_SMALL_SECONDS} seconds" if was_cut else ""
        note = (
            f"{path.name} is shown in a version made for browsers ({size[0]} x {size[1]} px{cut}, no sound)"
        )
        return target.read_bytes(), (size[0], size[1]), note
