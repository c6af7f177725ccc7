"""Frames of one video to pictures; what one process does to one source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from reskin.config import Settings
from reskin.curation.prepare.config import PictureConfig
from reskin.curation.prepare.shape import shaped
from reskin.curation.thumbnails import ThumbnailKeeper
from reskin.data.manifest import Exact, Number
from reskin.errors import DamagedVideoError
from reskin.images import Picture, write_image
from reskin.parsing import parse
from reskin.progress import Report
from reskin.storage import read_json, watched, write_json
from reskin.threads import map_ahead
from reskin.types import NO_BARS, Bars

WRITERS = 3
"""Threads that resize, encode and write beside the one that decodes."""


class Job(Settings):
    """Which frames of a video become which pictures; JSON-ready."""

    video: str
    """The file."""
    out: str
    """The folder of the dataset."""
    state: str
    """The file that says what came out of it; where it exists the work is done."""
    files: dict[int, tuple[str, ...]]
    """For each frame number the pictures to make of it, as paths below `out`."""
    bars: Bars = NO_BARS
    """Black bars to cut away."""
    config: PictureConfig
    """Size and format."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    """Whether interlaced frames are filled."""


class Extracted(Settings):
    """What came out of a job."""

    frames: list[tuple[Number, Exact]] = Field(default=[])
    """Number and time, in seconds as an exact fraction, of each frame that was read."""
    damaged: list[str] = Field(default=[])
    """One line for each damaged segment."""
    bad: str | None = None
    """Why nothing could be taken; the rest is then empty."""


def extract(job: Job, progress: Report) -> Extracted:
    """Do a job, or read from its state what came out when it was done before; pictures that exist stay.

    Args:
        job: what to do.
        progress: called after each picture with how many of how many are done.

    Raises:
        VideoError: nothing can be read, or the file was changed meanwhile.
        StorageError: the disk refuses a write.
    """
    state, out, total = Path(job.state), Path(job.out), len(job.files)
    if state.exists():
        known = parse(Extracted, read_json(state), source=str(state))
        if all((out / name).exists() for index, _ in known.frames for name in job.files.get(index, ())):
            progress(total, total)
            return known
    with watched(out):
        result = _decoded(job, out, progress)
    write_json(state, result.to_dict())
    progress(total, total)
    return result


def _decoded(job: Job, out: Path, progress: Report) -> Extracted:
    from reskin.video.reader import VideoReader

    frames: list[tuple[int, str]] = []
    damaged: list[str] = []

    def wanted(reader: VideoReader) -> Iterator[tuple[list[Path], Picture]]:
        try:
            for frame in reader.frames_at(sorted(job.files)):
                frames.append((frame.index, str(frame.time)))
                missing = [out / name for name in job.files[frame.index] if not (out / name).exists()]
                yield missing, frame.image
                progress(len(frames), len(job.files))
        except DamagedVideoError as error:
            if not frames:
                raise
            damaged.append(error.what)

    with VideoReader(job.video, deinterlace=job.deinterlace) as reader, ThumbnailKeeper() as keeper:
        for _ in map_ahead(lambda task: _write(*task, job, keeper), wanted(reader), WRITERS):
            pass
        return Extracted(frames=frames, damaged=[*reader.damaged, *damaged])


def _write(files: list[Path], image: Picture, job: Job, keeper: ThumbnailKeeper) -> None:
    if not files:
        return
    height, width = image.shape[:2]
    picture = shaped(image, job.config.shape(width, height, job.bars))
    for file in files:
        write_image(file, picture)
        keeper.keep(Path(job.out), file.relative_to(job.out).as_posix(), picture)
