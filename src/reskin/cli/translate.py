"""`reskin translate RUN IN OUT`: a picture, a folder of pictures or a video in the look of the other side."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from reskin.cli.arguments import parse
from reskin.cli.counter import Counter
from reskin.errors import PartialError, SettingsError
from reskin.training.progress import in_words
from reskin.types import Direction

if TYPE_CHECKING:
    from reskin.device import Compute
    from reskin.methods.base import Method


@dataclass(frozen=True)
class Arguments:
    """Translate a picture, a folder of pictures or a video with a trained model.

    Size, names, transparency, frame times and sound stay as they are. Networks and settings are the run's.

    Examples:
      reskin translate runs/film-game clip.mp4 clip-as-game.mp4
      reskin translate runs/film-game photos/ photos-as-game/
      reskin translate runs/film-game game.png game-as-film.png --direction b2a
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run folder (or a folder that `reskin import` made)."""
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IN")]
    """A picture, a folder of pictures, or a video."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """Name of the result: a picture, folder or video like the source."""
    direction: Direction | None = None
    """a2b or b2a; by default the first one that the model was made for."""
    step: int | None = None
    """Checkpoint to use; by default the last."""
    overwrite: bool = False
    """Replace a result that is already there."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """fp32 is exact; bf16 may differ by a level or two of 255; auto: bf16 where it is faster."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin translate")
    if not arguments.source.exists():
        raise SettingsError(f"no file or folder {arguments.source}", "Check the name.")

    from reskin.device import choose_compute
    from reskin.training.start import load

    compute = choose_compute(arguments.device, arguments.precision)
    model = load(arguments.run, device=arguments.device, step=arguments.step)
    direction = arguments.direction or model.directions[0]
    model.check_direction(direction)

    from reskin.images import is_image_name

    if arguments.source.is_dir():
        return _folder(model, arguments, direction, compute)
    if is_image_name(arguments.source):
        return _picture(model, arguments, direction, compute)
    return _video(model, arguments, direction, compute)


def _picture(model: Method, arguments: Arguments, direction: Direction, compute: Compute) -> int:
    from reskin.translation.pictures import translate_image

    translate_image(
        model, arguments.source, direction, out=arguments.out, compute=compute, overwrite=arguments.overwrite
    )
    print(f"done: {arguments.out}", file=sys.stderr)
    return 0


def _folder(model: Method, arguments: Arguments, direction: Direction, compute: Compute) -> int:
    from reskin.translation.folders import translate_folder

    with Counter("pictures") as counter:
        result = translate_folder(
            model,
            arguments.source,
            arguments.out,
            direction,
            report=lambda progress: counter.show(progress.done, progress.total),
            compute=compute,
            overwrite=arguments.overwrite,
        )
    for path, reason in result.left_out:
        print(f"left out {path}: {reason}", file=sys.stderr)
    if result.left_out:
        total = result.translated + result.skipped + len(result.left_out)
        raise PartialError(
            f"{len(result.left_out)} of {total} pictures were left out, first {result.left_out[0][0]}",
            "Mend or remove them and run the same command again.",
        )
    print(f"done: {arguments.out} ({result.translated} new, {result.skipped} were there)", file=sys.stderr)
    return 0


def _video(model: Method, arguments: Arguments, direction: Direction, compute: Compute) -> int:
    from reskin.translation.clips import translate_video

    with Counter("frames") as counter:
        result = translate_video(
            model,
            arguments.source,
            arguments.out,
            direction,
            report=lambda progress: counter.show(progress.frame, progress.frames),
            compute=compute,
            overwrite=arguments.overwrite,
        )
    for note in result.notes:
        print(note, file=sys.stderr)
    if result.damaged:
        for line in result.damaged:
            print(line, file=sys.stderr)
        raise PartialError(
            f"{arguments.source} is damaged: its {result.frames} sound frames were translated",
            f"They are in {arguments.out}; give an undamaged file for the rest.",
        )
    print(f"done: {arguments.out} ({result.frames} frames in {in_words(result.seconds)})", file=sys.stderr)
    return 0
