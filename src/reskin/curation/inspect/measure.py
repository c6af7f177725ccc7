"""What is measured of every picture of a set in one pass: size, light, colour, sharpness, form, thumbnail.

All of it is seen at about the size that training sees (the shorter edge at most 256 px), so that the numbers
of a film in 1080p and of a folder of small photographs mean the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reskin.colour import to_lab
from reskin.curation.leakage import sketch_of
from reskin.curation.phash import phash
from reskin.curation.sharpness import sharpness
from reskin.curation.thumbnails import ThumbnailKeeper
from reskin.errors import ImageError
from reskin.images import Picture, opened_image, shrunk
from reskin.progress import Report
from reskin.threads import map_ahead

SEEN_SIDE_PX = 256
"""Pictures are measured with their shorter edge at most this long."""
COLOUR_SIDE_PX = 96
"""Colours are measured with the longer edge at most this long."""
FORM_SIDE_PX = 64
"""The form of a picture is measured in a square of this height and width."""
GREY_CHROMA = 5.0
"""A picture in which 98 of 100 pixels have less chroma (CIELAB) than this has no colour to speak of."""

LIGHT_BINS = 100
OPPONENT_BINS = 128
LIGHT_RANGE = (0.0, 100.0)
OPPONENT_RANGE = (-128.0, 128.0)

FORM_DIRECTIONS = 8
FORM_SCALES = 3


@dataclass(frozen=True)
class Look:
    """What was measured of one picture.

    Attributes:
        width: of the file's picture, px.
        height: of the file's picture, px.
        brightness: mean lightness L* (CIELAB), 0 black to 100 white.
        contrast: standard deviation of L*.
        saturation: mean chroma (CIELAB), 0 for grey; 30 is colourful.
        sharpness: see `reskin.curation.sharpness`; higher is sharper, 0 where there is nothing to judge.
        hash: perceptual hash, 64 bits.
        sketch: small and grey, (1024,); see `reskin.curation.leakage`.
        histograms: shares of the pixels over L*, a* and b*, (356,), summing to 1 for each of the three.
        style: means and standard deviations of L*, a*, b*, (6,).
        form: what is left without colour and contrast: directions of edges and fineness of detail, (11,).
        is_grey: whether it has no colour to speak of.
        thumbnail: a small WebP, or nothing.
    """

    width: int
    height: int
    brightness: float
    contrast: float
    saturation: float
    sharpness: float
    hash: int
    sketch: NDArray[np.int8]
    histograms: NDArray[np.float32]
    style: NDArray[np.float32]
    form: NDArray[np.float32]
    is_grey: bool
    thumbnail: bytes = b""


def look_at(image: Picture, *, thumbnail_px: int = 0) -> Look:
    """Measure one picture.

    Args:
        image: RGB, uint8, (H, W, 3).
        thumbnail_px: longest edge of the thumbnail; 0 for none.
    """
    height, width = image.shape[:2]
    seen = shrunk(Image.fromarray(image), shorter=SEEN_SIDE_PX)
    lab = to_lab(np.asarray(shrunk(seen, longer=COLOUR_SIDE_PX)))
    means, spreads = lab.mean(axis=(0, 1)), lab.std(axis=(0, 1))
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    return Look(
        width=width,
        height=height,
        brightness=float(means[0]),
        contrast=float(spreads[0]),
        saturation=float(chroma.mean()),
        sharpness=sharpness(np.asarray(seen.convert("L")), if_flat=0.0),
        hash=phash(np.asarray(seen)),
        sketch=sketch_of(np.asarray(seen)),
        histograms=_histograms(lab),
        style=np.concatenate([means, spreads]).astype(np.float32),
        form=form_of(seen),
        is_grey=bool(np.quantile(chroma, 0.98) < GREY_CHROMA),
        thumbnail=_thumbnail(seen, thumbnail_px) if thumbnail_px else b"",
    )


def look_at_files(
    files: Sequence[Path],
    *,
    root: Path | None = None,
    thumbnail_px: int = 0,
    report: Report | None = None,
) -> Iterator[Look | ImageError]:
    """Measure pictures in threads, in the order given; what cannot be read comes as its error.

    Args:
        files: pictures; read, never written.
        root: the dataset that they lie in, whose thumbnails for the studio are kept; None: none are.
        thumbnail_px: longest edge of the thumbnails; 0 for none.
        report: called with the progress.
    """

    keeper = ThumbnailKeeper()

    def one(file: Path) -> Look | ImageError:
        try:
            with opened_image(file) as image:
                if root is not None:
                    keeper.keep(root, file.relative_to(root).as_posix(), image)
                return look_at(image, thumbnail_px=thumbnail_px)
        except ImageError as error:
            return error

    with keeper:
        for number, look in enumerate(map_ahead(one, files), start=1):
            yield look
            if report is not None:
                report(number, len(files))


def form_of(image: Image.Image) -> NDArray[np.float32]:
    """Directions of edges (8 shares) and detail at three scales (logarithms), free of colour and contrast."""
    import cv2

    square = image.convert("L").resize((FORM_SIDE_PX, FORM_SIDE_PX), Image.Resampling.BOX)
    light = np.asarray(square, dtype=np.float32)
    light = (light - light.mean()) / max(float(light.std()), 1.0)
    down, right = light[2:, 1:-1] - light[:-2, 1:-1], light[1:-1, 2:] - light[1:-1, :-2]
    strength = np.hypot(down, right)
    angle = (np.arctan2(down, right) % np.pi) * (FORM_DIRECTIONS / np.pi)
    bins = np.rint(angle).astype(np.intp) % FORM_DIRECTIONS
    weights = np.bincount(bins.ravel(), weights=strength.ravel(), minlength=FORM_DIRECTIONS)
    shares = weights / max(float(weights.sum()), 1e-6)
    details = []
    for _ in range(FORM_SCALES):
        details.append(np.log(np.abs(cv2.Laplacian(light, cv2.CV_32F)[1:-1, 1:-1]).mean() + 1e-3))
        light = light.reshape(light.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
    return np.concatenate([shares, details]).astype(np.float32)


def _histograms(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    counts = [
        np.histogram(np.clip(lab[..., channel], low, high), bins=bins, range=(low, high))[0]
        for channel, bins, (low, high) in (
            (0, LIGHT_BINS, LIGHT_RANGE),
            (1, OPPONENT_BINS, OPPONENT_RANGE),
            (2, OPPONENT_BINS, OPPONENT_RANGE),
        )
    ]
    return (np.concatenate(counts) / lab[..., 0].size).astype(np.float32)


def _thumbnail(image: Image.Image, side: int) -> bytes:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BOX)
    data = io.BytesIO()
    small.save(data, "WEBP", quality=72, method=1)
    return data.getvalue()
