"""Masks of a film: a picture for all frames, a folder with one for each, or a video, checked before work
starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reskin.data.folders import list_images
from reskin.errors import SettingsError, VideoError
from reskin.image_formats import is_image_name
from reskin.images import Picture, picture_size
from reskin.inference.rendering import feathered, grey_mask
from reskin.translation.part import Part
from reskin.video.reader import Frame, VideoReader

Mask = NDArray[np.uint8]
"""(H, W): 255 where the look changes, 0 where the source stays."""

_CODEC_NOISE = 8
"""Levels by which the black and white of a mask may be off in a video that was compressed."""


@dataclass
class FilmMask:
    """The masks of one film, in the order of its frames.

    Attributes:
        path: what was given: a picture, a folder or a video.
        feather: width of the soft edge, px; None for the usual one.
        files: the pictures; one stands for all frames; none for a video.
        reader: of a video.
        offset: number of the film's frame that the first mask belongs to.
    """

    path: Path
    feather: float | None = None
    files: list[Path] = field(default_factory=list)
    reader: VideoReader | None = None
    offset: int = 0
    _frames: Iterator[Frame] | None = None
    _still: Mask | None = None

    def facts(self) -> list[object]:
        """What changes with the content of the masks."""
        statuses = [(path, path.stat()) for path in self.files or [self.path]]
        return [[path.name, status.st_size, status.st_mtime_ns] for path, status in statuses]

    def at(self, number: int) -> Mask:
        """The mask of a frame; to be asked for in rising order.

        Raises:
            ImageError, VideoError: it cannot be read.
        """
        if self.reader is not None:
            return self._finished(_without_noise(grey_mask(self._video_frame(number - self.offset))))
        if len(self.files) > 1:
            from reskin.images import read_image

            return self._finished(grey_mask(read_image(self.files[number - self.offset])))
        if self._still is None:
            from reskin.images import read_image

            self._still = self._finished(grey_mask(read_image(self.files[0])))
        return self._still

    def _finished(self, mask: Mask) -> Mask:
        return feathered(mask, self.feather)

    def _video_frame(self, wanted: int) -> Picture:
        assert self.reader is not None, "only videos have frames"
        if self._frames is None:
            self._frames = self.reader.frames_at(range(wanted, len(self.reader.times())))
        for frame in self._frames:
            if frame.index == wanted:
                return frame.image
            if frame.index > wanted:
                break
        raise VideoError(f"{self.path}: frame {wanted} cannot be decoded", "Render the mask again.")


def open_film_mask(path: Path, reader: VideoReader, part: Part, feather: float | None) -> FilmMask:
    """The masks of a film, whose number and size are those of its frames.

    Args:
        path: a picture for all frames, a folder of pictures in natural order, or a video.
        reader: the film.
        part: of the film: masks may be those of the whole film, or of this part alone.
        feather: see `FilmMask`.

    Raises:
        SettingsError: there are too few or too many masks, or one has another size.
        ImageError, VideoError, DataError: they cannot be read.
    """
    if path.is_dir() or is_image_name(path):
        files = list_images(path) if path.is_dir() else [path]
        if not files:
            raise SettingsError(f"{path} holds no masks", "Put one picture for every frame there.")
        mask = FilmMask(path, feather, files)
        for file in files:
            _check_size(file, picture_size(file), reader)
        if path.is_dir():
            mask.offset = _offset(path, len(files), reader, part)
        return mask
    video = VideoReader(path)
    _check_size(path, (video.info.width, video.info.height), reader)
    return FilmMask(path, feather, reader=video, offset=_offset(path, len(video.times()), reader, part))


def _check_size(path: Path, size: tuple[int, int], reader: VideoReader) -> None:
    wanted = reader.info.width, reader.info.height
    if size != wanted:
        raise SettingsError(
            f"the mask {path} has {size[0]}x{size[1]} px, {reader.path} has {wanted[0]}x{wanted[1]}",
            "Render the mask in the size of the film.",
        )


def _offset(path: Path, masks: int, reader: VideoReader, part: Part) -> int:
    """The frame that the first mask belongs to: that of the film, or of the part that is translated."""
    frames = len(reader.times())
    if masks == frames:
        return 0
    if part.numbers is not None and masks == len(part.numbers):
        return part.numbers.start
    wanted = f"{frames}" if part.numbers is None else f"{frames}, of which {len(part.numbers)} are translated"
    raise SettingsError(
        f"{path} holds {masks} masks, {reader.path} has {wanted} frames",
        "Render one mask for every frame, or give a single picture for all.",
    )


def _without_noise(mask: Mask) -> Mask:
    """Nearly black is black and nearly white is white, which compression blurs."""
    spread = (mask.astype(np.int32) - _CODEC_NOISE) * 255 // (255 - 2 * _CODEC_NOISE)
    return np.clip(spread, 0, 255).astype(np.uint8)
