"""`reskin export RUN OUT`: a model as ONNX or OpenVINO, a grade as a 3-D look-up table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reskin import progress
from reskin.cli.options import parse, picture_size
from reskin.cli.streams import say
from reskin.config import BASIC, Settings
from reskin.errors import SettingsError
from reskin.parsing import Spelled, spelling
from reskin.types import Direction

if TYPE_CHECKING:
    from reskin.images import Picture
    from reskin.translation.made_once import Made

FRAMES = 64
"""Frames whose mean grade is taken, evenly spread."""

NODES = 33
"""Nodes of each edge of a look-up table."""

_ENDINGS = (".onnx", ".xml", ".cube")


class Arguments(Settings):
    """Write a model as a file for other programs: model.onnx (ONNX) or model.xml with model.bin (OpenVINO).

    The file is compared with the model before it is kept. It holds one direction and one style, and says
    which: method, direction, training size, range of values and a digest. Input and output are RGB, float32,
    (1, 3, height, width), -1 (black) to 1; docs/export.md has a program that uses it.

    A grade can also be written as look.cube, which grading and editing programs read: it differs from scene
    to scene and from frame to frame, and the table is its mean over the footage of --on.

    Examples:
      reskin export runs/film-game model.onnx
      reskin export runs/summer-winter model.xml --style winter.jpg --size 1280x720
      reskin export runs/film-game look.cube --on film.mp4
    """

    run: Annotated[Path, Spelled(position="RUN")]
    """The run folder (or a folder that `reskin import` made)."""
    out: Annotated[Path, Spelled(position="OUT")]
    """The file to write: its ending is .onnx, .xml or .cube."""
    on: Annotated[Path | None, BASIC] = None
    """For a .cube: the footage that it is for, a video or a folder of pictures."""
    size: Annotated[str | None, BASIC] = None
    """Size of the pictures that the model is to take, WIDTHxHEIGHT such as 1280x720, or dynamic for any (the
    default; edges are then multiples of what the file says). For a .cube nodes of each edge: 2 to 65, by
    default 33."""
    direction: Annotated[Direction | None, BASIC] = None
    """a2b or b2a; by default the first one that the model was made for."""
    step: int | None = None
    """Checkpoint to use; by default the last."""
    styles: int | None = Field(default=None, ge=1, le=1)
    """For a method with styles: 1 for a random one."""
    seed: int = 0
    """Which random style."""
    style: Annotated[tuple[Path, ...], BASIC] = ()
    """For a method with styles: a picture of the other domain whose look to take."""
    overwrite: Annotated[bool, BASIC] = False
    """Replace a file that is already there."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin export")
    from reskin.translation.made_once import command_key, made_once

    out = arguments.out
    write = _write_table if _ending(out) == ".cube" else _write_model
    with made_once(out, partial(command_key, arguments, out)) as made:
        write(arguments, made)
    progress.result("model", arguments.out)
    say(f"done: {arguments.out}")
    return 0


def _ending(out: Path) -> str:
    ending = out.suffix.lower()
    if ending not in _ENDINGS:
        raise SettingsError(
            f"{out.name} ends in none of {', '.join(_ENDINGS)}", "Give a name such as model.onnx."
        )
    return ending


def _write_model(arguments: Arguments, made: Made) -> None:
    from reskin.cli.translate import chosen_styles
    from reskin.device import choose_compute
    from reskin.inference.engine import Engine
    from reskin.inference.export import check_ending, files_of, write_model
    from reskin.inference.rendering import Rendering
    from reskin.runs.load import load

    out, size = arguments.out, _pixels(arguments)
    check_ending(out)
    files = files_of(out)
    are_made = [made.begin(arguments.run, one, overwrite=arguments.overwrite) for one in files]
    if all(are_made):
        return
    model = load(arguments.run, device="cpu", step=arguments.step)
    direction = arguments.direction or model.directions[0]
    model.check_direction(direction)
    rendering = Rendering(chosen_styles(model, arguments, direction))
    engine = Engine(model, direction, choose_compute("cpu", "fp32"), rendering)
    facts = write_model(engine, out, size=size)
    if engine.remembers:
        say(f"{out} translates each frame by itself: {facts['method']} in reskin also remembers those before")
    if facts["multiple_px"] != "1":
        say(
            f"edges of its pictures must be multiples of {facts['multiple_px']} px; "
            "a file for one size, --size WIDTHxHEIGHT, takes any"
        )


def _pixels(arguments: Arguments) -> tuple[int, int] | None:
    """(height, width) of the pictures that the file is to take; None for any."""
    if arguments.on is not None:
        raise SettingsError(
            f"--on for {arguments.out.name}", "Leave it out: only a .cube is made from footage."
        )
    if arguments.size is None or arguments.size == "dynamic":
        return None
    return picture_size(arguments.size)


def _write_table(arguments: Arguments, made: Made) -> None:
    nodes, on = _nodes(arguments), arguments.on
    if on is None:
        raise SettingsError(
            f"{arguments.out.name} is the mean of a grade over footage",
            "Add --on film.mp4 or a folder of pictures.",
        )
    fields = Arguments.model_fields
    given = [
        spelling(name, fields[name])
        for name in ("styles", "seed", "style")
        if name in arguments.model_fields_set
    ]
    if given:
        raise SettingsError(f"{given[0]} for {arguments.out.name}", "Leave it out: a grade has no styles.")
    if made.begin(on, arguments.out, overwrite=arguments.overwrite):
        return
    from reskin.runs.load import load
    from reskin.translation.lut import mean_grade, write_cube

    model: Any = load(arguments.run, device="cpu", step=arguments.step)
    grade = mean_grade(model, _frames(on), arguments.direction or model.directions[0])
    write_cube(arguments.out, grade, size=nodes, title=arguments.run.name)


def _nodes(arguments: Arguments) -> int:
    """Nodes of each edge of a look-up table."""
    text = arguments.size
    if text is not None and not (re.fullmatch(r"[0-9]{1,2}", text) and 2 <= int(text) <= 65):
        raise SettingsError(
            f"--size {text} for {arguments.out.name}", "Give 2 to 65 nodes; 17, 33, 65 are common."
        )
    return NODES if text is None else int(text)


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
