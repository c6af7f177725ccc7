"""`reskin export RUN LOOK.cube`: a grade as a 3-D look-up table for grading programs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reskin.cli.options import parse
from reskin.cli.streams import say
from reskin.config import BASIC, Settings
from reskin.parsing import Spelled
from reskin.types import Direction

if TYPE_CHECKING:
    from reskin.images import Picture

FRAMES = 64
"""Frames whose mean grade is taken, evenly spread."""


class Arguments(Settings):
    """Write the mean grade of footage as a .cube file, which grading and editing programs read.

    A grade differs from scene to scene and from frame to frame; the table is its mean over the footage.

    Examples:
      reskin export runs/film-game look.cube --on film.mp4
    """

    run: Annotated[Path, Spelled(position="RUN")]
    """The run folder of a grade."""
    out: Annotated[Path, Spelled(position="LOOK.cube")]
    """The file to write."""
    on: Path
    """The footage that it is for: a video or a folder of pictures."""
    size: Annotated[int, BASIC] = Field(default=33, ge=2, le=65)
    """Nodes of each edge; 17, 33 and 65 are common."""
    direction: Annotated[Direction, BASIC] = "a2b"
    """Which way the grade goes: a2b or b2a."""
    overwrite: Annotated[bool, BASIC] = False
    """Replace a file that is already there."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin export")
    from reskin.translation.made_once import command_key, made_once

    out = arguments.out
    with made_once(out, partial(command_key, arguments, out)) as made:
        if not made.begin(arguments.on, out, overwrite=arguments.overwrite):
            _write(arguments)
    say(f"done: {arguments.out}")
    return 0


def _write(arguments: Arguments) -> None:
    from reskin.runs.load import load
    from reskin.translation.lut import mean_grade, write_cube

    model: Any = load(arguments.run, device="cpu")
    grade = mean_grade(model, _frames(arguments.on), arguments.direction)
    write_cube(arguments.out, grade, size=arguments.size, title=arguments.run.name)


def _frames(path: Path) -> Iterator[Picture]:
    """Evenly spread frames of a video, or pictures of a folder."""
    from reskin.spread import spread

    if path.is_dir():
        from reskin.data.folders import list_images
        from reskin.images import read_image

        files = list_images(path)
        yield from (read_image(files[index]) for index in spread(len(files), FRAMES))
        return
    from reskin.video.reader import VideoReader

    with VideoReader(path) as reader:
        wanted = spread(len(reader.times()), FRAMES)
        yield from (frame.image for frame in reader.frames_at(wanted))
