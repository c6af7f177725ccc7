"""`reskin grid RUN`: a table of pictures, every content in every style, with the examples around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from reskin import progress
from reskin.cli.options import parse
from reskin.cli.streams import say
from reskin.cli.translate import chosen_styles
from reskin.config import Settings
from reskin.engine_names import EngineName
from reskin.errors import SettingsError
from reskin.parsing import Spelled
from reskin.progress import Progress
from reskin.types import Direction


class Arguments(Settings):
    """Make a table of pictures with a model that has styles (munit): contents on the left, styles on top.

    Examples:
      reskin grid runs/s2w --content c1.jpg c2.jpg --style w1.jpg w2.jpg w3.jpg --out grid.png
      reskin grid runs/s2w --content summer/ --styles 5 --seed 2 --out grid.png
    """

    run: Annotated[Path, Spelled(position="RUN")]
    """The run folder."""
    content: tuple[Path, ...]
    """Pictures, or folders of pictures, one row each."""
    out: Path
    """The picture to write."""
    style: tuple[Path, ...] = ()
    """Example pictures of the other domain (or folders of them), one column each."""
    styles: int | None = None
    """This many random styles instead of examples."""
    seed: int = 0
    """Which random styles."""
    direction: Direction | None = None
    """a2b or b2a; by default the first one that the model was made for."""
    size: int = 256
    """Height and width of a cell, px."""
    step: int | None = None
    """Checkpoint to use; by default the last."""
    overwrite: bool = False
    """Replace a table that is already there."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """fp32 is exact; bf16 may differ by a level or two of 255; auto: bf16 where it is faster."""
    engine: EngineName = "auto"
    """What computes: torch, compile, openvino or onnxruntime; auto: with which it is done soonest."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin grid")
    if arguments.size < 16:
        raise SettingsError(f"cells of {arguments.size} px", "Use a --size of 16 or more.")

    from reskin.translation.made_once import command_key, made_once

    contents, out = pictures_in(arguments.content), arguments.out
    with made_once(out, partial(command_key, arguments, out)) as made:
        if not made.begin(next(iter(contents), Path("-")), out, overwrite=arguments.overwrite):
            _write(arguments, contents)
    progress.result("picture", out)
    say(f"done: {out}")
    return 0


def _write(arguments: Arguments, contents: tuple[Path, ...]) -> None:
    from reskin.device import choose_compute
    from reskin.runs.load import load
    from reskin.translation.grid import style_grid

    model = load(arguments.run, device=arguments.device, step=arguments.step)
    direction = arguments.direction or model.directions[0]
    examples: list[Path | str] = [*pictures_in(arguments.style)]
    flags = StyleFlags(arguments.run, arguments.styles, arguments.seed, pictures_in(arguments.style))
    styles = chosen_styles(model, flags, direction)
    if styles is None:
        raise SettingsError("no styles are given", "Add --style with example pictures, or --styles COUNT.")
    examples = examples or [f"random style {number}" for number in range(1, len(styles) + 1)]
    with Progress("rows") as progress:
        style_grid(
            model,
            contents,
            examples,
            styles,
            out=arguments.out,
            direction=direction,
            size=arguments.size,
            compute=choose_compute(arguments.device, arguments.precision, engine=arguments.engine),
            overwrite=arguments.overwrite,
            report=progress,
        )


@dataclass(frozen=True)
class StyleFlags:
    """The flags that choose styles, with folders opened."""

    run: Path
    styles: int | None
    seed: int
    style: tuple[Path, ...]


def pictures_in(given: tuple[Path, ...]) -> tuple[Path, ...]:
    """The pictures themselves, folders opened.

    Raises:
        SettingsError: something is not there, or a folder holds no pictures.
    """
    from reskin.data.folders import list_images

    found: list[Path] = []
    for path in given:
        if not path.exists():
            raise SettingsError(f"no file or folder {path}", "Check the name.")
        inside = list_images(path) if path.is_dir() else [path]
        if not inside:
            raise SettingsError(f"no pictures in {path}", "Give a folder with pictures.")
        found += inside
    return tuple(found)
