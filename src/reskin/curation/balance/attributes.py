"""What a picture shows, as a number: faces, brightness, or a column of the user's own table."""

from __future__ import annotations

import csv
import io
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from reskin.errors import DataError, ImageError
from reskin.images import Picture, opened_image
from reskin.paths import read_plain, reason_of
from reskin.progress import Report
from reskin.threads import map_ahead

if TYPE_CHECKING:
    from reskin.faces.detectors import FaceDetector

_MOST_TABLE_BYTES = 256 << 20
"""A table of a million pictures is a quarter of this."""

MEASURED = ("faces", "face-share", "brightness")
"""Attributes that are measured; any other name is a column of a table."""

_LEAST_SCORE = 0.7
"""A face that the detector is less sure of does not count: stripes and leaves look back at it too."""

_TRUE = frozenset({"yes", "y", "true", "day"})
_FALSE = frozenset({"no", "n", "false", "night", ""})


def measure_pictures(
    paths: Sequence[Path],
    attribute: str,
    *,
    detector: FaceDetector | None = None,
    report: Report | None = None,
) -> Iterator[dict[str, float]]:
    """Measure pictures, in the order given.

    faces: how many are found; face-share: the share of the picture, 0 to 1, that the largest one covers (both
    are found together). brightness: the mean, 0 (black) to 1 (white).

    Args:
        paths: pictures; read ahead in threads.
        attribute: one of `MEASURED`.
        detector: finds the faces; the best one that can be had by default.
        report: called with the progress.

    Returns:
        For each picture its scores by name; empty for a picture that cannot be read.

    Raises:
        WeightsError: there is no face detector to be had.
    """
    work: Callable[[Picture], dict[str, float]] = _brightness
    if attribute != "brightness":
        if detector is None:
            from reskin.faces.detectors import open_detector

            detector = open_detector()
        work = partial(_faces, detector=detector, one_at_a_time=threading.Lock())

    def measured(path: Path) -> dict[str, float]:
        try:
            with opened_image(path) as image:
                return work(image)
        except ImageError:
            return {}  # who asks counts and names those without a score

    for number, scores in enumerate(map_ahead(measured, paths), start=1):
        yield scores
        if report is not None:
            report(number, len(paths))


def _brightness(image: Picture) -> dict[str, float]:
    return {"brightness": round(float(np.asarray(Image.fromarray(image).convert("L")).mean()) / 255, 4)}


def _faces(image: Picture, *, detector: FaceDetector, one_at_a_time: threading.Lock) -> dict[str, float]:
    height, width = image.shape[:2]
    with one_at_a_time:
        faces = [face for face in detector.detect(image) if face.score >= _LEAST_SCORE]
    largest = 0.0
    for face in faces:
        left, top, across, down = face.box
        inside = max(0.0, min(left + across, width) - max(left, 0)) * max(
            0.0, min(top + down, height) - max(top, 0)
        )
        largest = max(largest, inside / (width * height))
    return {"faces": float(len(faces)), "face-share": round(largest, 4)}


def read_column(table: Path, column: str, files: Sequence[str], *, yes: str | None = None) -> list[float]:
    """A column of a CSV file, for each picture.

    A row belongs to a picture if its first column (or the one called "file") holds the picture's path below
    its folder, or its name alone if no two pictures have it. Values are numbers, or yes and no.

    Args:
        table: UTF-8, with a line of names on top.
        column: name of the column.
        files: paths of the pictures below their folder.
        yes: the value that counts as 1, any other as 0; by default numbers are taken as they are.

    Raises:
        DataError: the file cannot be read, has no such column, a value that is neither, or lacks a picture.
    """
    rows = _rows(table, column)
    names = Counter(file.rsplit("/", 1)[-1] for file in files)
    values, missing = [], []
    for file in files:
        name = file.rsplit("/", 1)[-1]
        text = rows.get(file, rows.get(name) if names[name] == 1 else None)
        if text is None:
            missing.append(file)
        else:
            values.append(_number(text, yes, f"{table}, row of {file}"))
    if missing:
        what = f"{table} has no row for {len(missing)} of {len(files)} pictures, the first is {missing[0]}"
        raise DataError(what, "Add a row for each, with its path below the folder.")
    return values


def _rows(table: Path, column: str) -> dict[str, str]:
    """The values of a column by path; rows that end before it are none."""
    rows: dict[str, str] = {}
    try:
        text = read_plain(table, follow=True, most_bytes=_MOST_TABLE_BYTES).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)  # else an open quote takes rows
        names = list(reader.fieldnames or [])
        if column not in names:
            what = f"{table} has no column '{column}'"
            raise DataError(what, f"Its columns are: {', '.join(names) or 'none'}.")
        key = "file" if "file" in names else names[0]
        for number, row in enumerate(reader, start=2):
            file, value = (row[key] or "").replace("\\", "/").removeprefix("./"), row[column]
            if value is not None and rows.setdefault(file, value) != value:
                what = f"{table}, row {number}: {file} has two values, '{rows[file]}' and '{value}'"
                raise DataError(what, "Leave one of them.")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read ({reason_of(error)})", "Give a CSV file in UTF-8.") from None
    return rows


def _number(text: str, yes: str | None, where: str) -> float:
    word = text.strip().lower()
    if yes is not None:
        return float(word == yes.strip().lower())
    if word in _TRUE or word in _FALSE:
        return float(word in _TRUE)
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: '{text}' is no number, yes or no", "Say with --yes which value counts.")
    return value
