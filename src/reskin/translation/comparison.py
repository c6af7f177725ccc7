"""A film beside its translations, as one film: in a row, in a grid, or with a line moving between two."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from reskin.errors import SettingsError, VideoError
from reskin.images import Picture
from reskin.inference.pipeline import pipeline
from reskin.progress import Report
from reskin.translation.film import FilmOptions
from reskin.translation.part import Part, part_of_film
from reskin.video.reader import Frame, VideoReader
from reskin.video.writer import VideoWriter

Layout = Literal["side", "wipe", "grid"]

ORIGINAL = "original"
"""What the source is called in a comparison."""

MOST_WIDTH_PX, MOST_HEIGHT_PX = 3840, 2160
"""A comparison is made smaller to fit these."""

WIPE_SECONDS = 8
"""Time in which the line of a wipe goes from the left to the right and back; a shorter film's own length."""

_LEAST_SHARE, _MOST_SHARE = 0.05, 0.95


class Result(NamedTuple):
    """A translation of a film.

    Attributes:
        title: shown on it.
        path: the video, with the frames of the source or of the part that was translated.
    """

    title: str
    path: Path


def compare_films(
    source: Path,
    results: Sequence[Result],
    out: Path,
    layout: Layout,
    *,
    film: FilmOptions | None = None,
    report: Report | None = None,
) -> None:
    """Write the source and its translations as one film, with the sound of the source.

    Args:
        source: the film that was translated.
        results: its translations, in the order in which they are shown; one only for a wipe.
        out: the video to write.
        layout: "side" is a row, "grid" a square, "wipe" a line that moves from the source to its translation.
        film: how they were translated: which part of the source, and whether it was deinterlaced.
        report: called after each frame.

    Raises:
        SettingsError: a wipe of several results, or none is given.
        VideoError: a film cannot be read or written, or a result shows other frames than the source.
        StorageError: the disk refuses the write.
    """
    film = film or FilmOptions()
    check_layout(layout, len(results))
    with ExitStack() as stack:
        reader = stack.enter_context(VideoReader(source, deinterlace=film.deinterlace))
        others = [stack.enter_context(VideoReader(result.path)) for result in results]
        part = part_of_film(reader, film)
        info, titles = reader.info, (ORIGINAL, *(result.title for result in results))
        ends = part.end if part.end is not None else info.duration
        shown = float(ends - part.start) if ends is not None and ends > part.start else WIPE_SECONDS
        period = min(WIPE_SECONDS, shown)
        sheet = Sheet(layout, titles, (info.width, info.height), period)
        writer = VideoWriter(
            out, size=sheet.size, frame_rate=info.frame_rate, source=reader.path, start=part.start
        )
        if part.numbers is not None:
            writer.keep_only(part.start, part.end)
        stack.enter_context(writer)
        total, done = info.frames if part.numbers is None else len(part.numbers), 0

        def draw(frames: tuple[Frame, ...]) -> tuple[Picture, Fraction]:
            moment = frames[0].time
            return sheet.draw([frame.image for frame in frames], float(moment - part.start)), moment

        def write(drawn: tuple[Picture, Fraction]) -> None:
            nonlocal done
            writer.write(*drawn)
            done += 1
            if report is not None:
                report(done, total, "frames compared")

        pipeline(_together(reader, part, others), draw, sink=write)
        writer.ends_at(part.end)


def write_part(source: Path, out: Path, film: FilmOptions) -> None:
    """The part of a film that the options ask for, as a film of its own, without sound.

    Raises:
        VideoError: it cannot be read or written.
        StorageError: the disk refuses the write.
    """
    with VideoReader(source, deinterlace=film.deinterlace) as reader:
        part, info = part_of_film(reader, film), reader.info
        size = (info.width, info.height)
        with VideoWriter(out, size=size, frame_rate=info.frame_rate, start=part.start) as writer:
            for frame in _frames(reader, part):
                writer.write(frame.image, frame.time)
            writer.ends_at(part.end)


def check_layout(layout: Layout, results: int) -> None:
    """Refuse a comparison that cannot be shown.

    Raises:
        SettingsError: no result, or a wipe of several.
    """
    if results < 1:
        raise SettingsError("nothing to compare the film with", "Give a translation.")
    if layout == "wipe" and results > 1:
        raise SettingsError(
            f"a wipe shows the original and one run, not {results}",
            "Take --compare grid, or leave --also out.",
        )


def _frames(reader: VideoReader, part: Part) -> Iterator[Frame]:
    return iter(reader) if part.numbers is None else reader.frames_at(part.numbers)


def _together(reader: VideoReader, part: Part, others: Sequence[VideoReader]) -> Iterator[tuple[Frame, ...]]:
    """The frames of the source and of each result, side by side."""
    rows = [_frames(reader, part), *(iter(other) for other in others)]
    while True:
        frames = [next(row, None) for row in rows]
        shown = [frame for frame in frames if frame is not None]
        if not shown:
            return
        if len(shown) < len(frames):
            short = next(r for r, frame in zip((reader, *others), frames, strict=True) if frame is None)
            raise VideoError(
                f"{short.path} ends before the other films of the comparison",
                "Translate the film again, with --overwrite.",
            )
        yield tuple(shown)


class Sheet:
    """Where each film is on the pictures of a comparison.

    Args:
        layout: see `compare_films`.
        titles: of the films, the source first.
        frame: (width, height) of a frame, px.
        period: seconds in which the line of a wipe goes to the right and back.

    Attributes:
        size: (width, height) of a picture, px; both are even.
    """

    def __init__(
        self, layout: Layout, titles: Sequence[str], frame: tuple[int, int], period: float = WIPE_SECONDS
    ) -> None:
        self.layout, self._period, count = layout, period, len(titles)
        columns = {"side": count, "wipe": 1, "grid": math.ceil(math.sqrt(count))}[layout]
        rows = 1 if layout == "wipe" else math.ceil(count / columns)
        scale = min(1.0, MOST_WIDTH_PX / (columns * frame[0]), MOST_HEIGHT_PX / (rows * frame[1]))
        self.cell = (max(1, math.floor(frame[0] * scale)), max(1, math.floor(frame[1] * scale)))
        width, height = columns * self.cell[0], rows * self.cell[1]
        self.size = (width + width % 2, height + height % 2)
        self._columns = columns
        self._labels = [_label(title, self.cell) for title in titles]

    def draw(self, frames: Sequence[Picture], seconds: float) -> Picture:
        """One picture of the comparison.

        Args:
            frames: (H, W, 3) uint8, of the source and of each result.
            seconds: since the beginning, by which the line of a wipe stands.

        Returns:
            (height, width, 3) uint8.
        """
        picture = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        cells = [self._fitted(frame) for frame in frames]
        width, height = self.cell
        if self.layout == "wipe":
            self._wipe(picture[:height, :width], cells, seconds)
            return picture
        for number, (cell, label) in enumerate(zip(cells, self._labels, strict=True)):
            row, column = divmod(number, self._columns)
            where = picture[row * height : (row + 1) * height, column * width : (column + 1) * width]
            where[:] = cell
            _put(where, label, is_right=False)
        return picture

    def _fitted(self, frame: Picture) -> Picture:
        import cv2

        if frame.shape[1::-1] == self.cell:
            return frame
        return np.asarray(cv2.resize(frame, self.cell, interpolation=cv2.INTER_AREA), np.uint8)

    def _wipe(self, picture: Picture, cells: Sequence[Picture], seconds: float) -> None:
        swing = (1 - math.cos(2 * math.pi * seconds / self._period)) / 2
        share = _LEAST_SHARE + (_MOST_SHARE - _LEAST_SHARE) * swing
        width = picture.shape[1]
        cut = round(width * share)
        picture[:, :cut], picture[:, cut:] = cells[0][:, :cut], cells[1][:, cut:]
        thick = max(1, width // 400)
        picture[:, max(0, cut - thick) : cut + thick] = 255
        # Each name stays on its own film: it is covered where the line has passed it.
        for label, part, is_right in (
            (self._labels[0], picture[:, :cut], False),
            (self._labels[1], picture[:, cut:], True),
        ):
            if part.shape[1] >= label.shape[1] + 2 * _margin(picture):
                _put(part, label, is_right=is_right)


def _margin(picture: Picture) -> int:
    return max(2, min(picture.shape[:2]) // 60)


def _label(title: str, cell: tuple[int, int]) -> NDArray[np.uint8]:
    """A title in white on a dark ground, (h, w, 4), no larger than a cell; shortened where it is too long."""
    font = ImageFont.load_default(max(10, min(cell) // 20))
    pad = max(2, min(cell) // 80)
    room = cell[0] - 4 * pad
    text = title
    while len(text) > 1 and font.getlength(text) > room:
        text = text[:-2] + "…"
    left, _, right, _ = (round(edge) for edge in font.getbbox(text))
    # As high as any line is, so that names stand on one line and their grounds are of one height.
    _, top, _, bottom = (round(edge) for edge in font.getbbox("Ág"))
    size = (min(cell[0], right - left + 4 * pad), min(cell[1], bottom - top + 2 * pad))
    label = Image.new("RGBA", size, (10, 10, 12, 170))
    ImageDraw.Draw(label).text((2 * pad - left, pad - top), text, font=font, fill=(255, 255, 255, 255))
    return np.array(label)


def _put(picture: Picture, label: NDArray[np.uint8], *, is_right: bool) -> None:
    """Blend a label into the upper corner of a picture, in place."""
    margin = _margin(picture)
    height, width = min(label.shape[0], picture.shape[0]), min(label.shape[1], picture.shape[1])
    top = min(margin, picture.shape[0] - height)
    left = min(margin, picture.shape[1] - width)
    left = picture.shape[1] - width - left if is_right else left
    where = picture[top : top + height, left : left + width]
    share = label[:height, :width, 3:].astype(np.float32) / 255
    where[:] = np.rint(share * label[:height, :width, :3] + (1 - share) * where).astype(np.uint8)
