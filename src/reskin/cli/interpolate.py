"""`reskin interpolate RUN PICTURE`: a video of one picture going from one style to another."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say
from reskin.config import Settings
from reskin.engine_names import EngineName
from reskin.errors import SettingsError
from reskin.parsing import Spelled
from reskin.progress import Progress
from reskin.types import Direction


class Arguments(Settings):
    """Show one picture on its way from one style to another, with a model that has styles (munit).

    Examples:
      reskin interpolate runs/s2w summer.jpg --from w1.jpg --to w2.jpg --frames 48 --out morph.mp4
    """

    run: Annotated[Path, Spelled(position="RUN")]
    """The run folder."""
    picture: Annotated[Path, Spelled(position="PICTURE")]
    """The content."""
    from_: Annotated[Path, Spelled("from")]
    """Example picture of the style that it begins with."""
    to: Path
    """Example picture of the style that it ends with."""
    out: Path
    """The video to write (.mp4, .mov, .mkv or .webm)."""
    frames: int = 48
    """Frames of the video."""
    frame_rate: int = 24
    """Frames a second."""
    direction: Direction | None = None
    """a2b or b2a; by default the first one that the model was made for."""
    step: int | None = None
    """Checkpoint to use; by default the last."""
    overwrite: bool = False
    """Replace a video that is already there."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """fp32 is exact; bf16 may differ by a level or two of 255; auto: bf16 where it is faster."""
    engine: EngineName = "auto"
    """What computes: torch, compile, openvino or onnxruntime; auto: with which it is done soonest."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin interpolate")
    for path in (arguments.picture, arguments.from_, arguments.to):
        if not path.is_file():
            raise SettingsError(f"no file {path}", "Check the name.")

    from reskin.translation.made_once import command_key, made_once

    out = arguments.out
    with made_once(out, partial(command_key, arguments, out)) as made:
        if not made.begin(arguments.picture, out, overwrite=arguments.overwrite):
            _write(arguments)
    progress.result("video", out)
    say(f"done: {out}")
    return 0


def _write(arguments: Arguments) -> None:
    from reskin.device import choose_compute
    from reskin.inference.rendering import example_style
    from reskin.runs.load import crop_size, load
    from reskin.translation.morph import interpolate

    model = load(arguments.run, device=arguments.device, step=arguments.step)
    direction = arguments.direction or model.directions[0]
    model.check_direction(direction)
    size = crop_size(arguments.run)
    first, last = (
        example_style(model, path, direction, size=size) for path in (arguments.from_, arguments.to)
    )
    with Progress("frames") as progress:
        interpolate(
            model,
            arguments.picture,
            arguments.out,
            direction,
            (first, last),
            frames=arguments.frames,
            frame_rate=arguments.frame_rate,
            compute=choose_compute(arguments.device, arguments.precision, engine=arguments.engine),
            overwrite=arguments.overwrite,
            report=progress,
        )
