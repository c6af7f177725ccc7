"""A contact sheet: up to 200 pictures spread over a set, small, with their names, in one PNG."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from reskin.curation.inspect.sets import MeasuredSet
from reskin.errors import ImageError
from reskin.images import read_image, write_image
from reskin.spread import spread_ends

MOST_PICTURES = 200
"""A sheet shows this many at most, evenly spread over the set."""

_log = logging.getLogger("reskin")
_CELL_PX = 128
_LABEL_PX = 16
_GAP_PX = 6
_HEAD_PX = 44
_COLUMNS = 16
_GROUND, _INK, _SOFT, _OUT = (24, 26, 30), (236, 237, 240), (163, 168, 177), (245, 150, 96)


def write_contact_sheet(measured: MeasuredSet, out: Path) -> int:
    """Write the sheet of a set, in its order; returns how many it shows.

    Each picture carries its number in the set's list and its split; one that is left out carries the reason
    instead, in another colour.

    Args:
        measured: the set.
        out: ends in .png.

    Raises:
        StorageError: the disk refuses the write.
    """
    places = spread_ends(len(measured.records), MOST_PICTURES)
    columns = min(_COLUMNS, max(4, len(places)))
    rows = -(-len(places) // columns)
    cell = _cell_size(measured)
    width = columns * (cell[0] + _GAP_PX) + _GAP_PX
    height = _HEAD_PX + rows * (cell[1] + _LABEL_PX + _GAP_PX)
    sheet = Image.new("RGB", (width, height), _GROUND)
    pen = ImageDraw.Draw(sheet)
    total = len(measured.records)
    shown = f"{len(places)} of {total}" if len(places) < total else str(total)
    _write(pen, (_GAP_PX + 2, 12), f"{measured.of.name}: {shown} pictures", (_INK, 20, width))
    for number, place in enumerate(places):
        x = _GAP_PX + (number % columns) * (cell[0] + _GAP_PX)
        y = _HEAD_PX + (number // columns) * (cell[1] + _LABEL_PX + _GAP_PX)
        box = (x, y, x + cell[0], y + cell[1])
        if picture := _small(measured, place, cell):
            sheet.paste(picture, (x + (cell[0] - picture.width) // 2, y + (cell[1] - picture.height) // 2))
        _label(pen, box, measured, place)
    write_image(out, np.asarray(sheet))
    return len(places)


def _cell_size(measured: MeasuredSet) -> tuple[int, int]:
    """Width and height of a cell, px: of the usual form of the pictures, so that little of it stays empty."""
    ratio = float(np.median([look.width / look.height for look in measured.looks]))
    ratio = min(2.0, max(0.5, ratio))
    return (_CELL_PX, round(_CELL_PX / ratio)) if ratio >= 1 else (round(_CELL_PX * ratio), _CELL_PX)


def _small(measured: MeasuredSet, place: int, cell: tuple[int, int]) -> Image.Image | None:
    """The picture, fitted into a cell; None if it was read a moment ago and cannot be now."""
    try:
        picture = Image.fromarray(read_image(measured.of.root / measured.records[place].file))
    except ImageError as error:
        _log.info("%s; its position on the contact sheet stays empty", error)
        return None
    picture.thumbnail(cell, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _label(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], measured: MeasuredSet, place: int
) -> None:
    """Number and split below a picture; of one that is left out, a frame and the reason."""
    record = measured.records[place]
    left, top, right, bottom = box
    if record.left_out:
        pen.rectangle((left, top, right - 1, bottom - 1), outline=_OUT, width=2)
        text, colour = ", ".join(record.left_out), _OUT
    else:
        text, colour = f"{place + 1} {record.split}", _SOFT
    _write(pen, (left + 2, bottom + 1), text, (colour, 11, right - left - 4))


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, style: tuple[tuple[int, int, int], int, int]
) -> None:
    """Text of one line in (colour, size, widest) px, cut where it is too long."""
    colour, size, widest = style
    font = ImageFont.load_default(size)
    printable = "".join(letter if letter.isprintable() and ord(letter) < 0x250 else "?" for letter in text)
    while printable and pen.textlength(printable, font=font) > widest:
        printable = f"{printable[:-2].rstrip('…')}…"[: len(printable) - 1]
    pen.text(at, printable, fill=colour, font=font)
