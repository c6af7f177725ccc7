"""`reskin translate RUN IN OUT`: a picture, a folder of pictures or a video in the look of the other side."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import tyro

from reskin.cli.arguments import parse
from reskin.cli.counter import Counter
from reskin.errors import PartialError, SettingsError
from reskin.training.progress import in_words
from reskin.types import Direction

if TYPE_CHECKING:
    from torch import Tensor

    from reskin.inference.rendering import Rendering
    from reskin.methods.base import Method
    from reskin.methods.translator import Translator


class StyleArguments(Protocol):
    """What a command that takes styles is given."""

    @property
    def run(self) -> Path: ...
    @property
    def styles(self) -> int | None: ...
    @property
    def seed(self) -> int: ...
    @property
    def style(self) -> tuple[Path, ...]: ...


@dataclass(frozen=True)
class Arguments:
    """Translate a picture, a folder of pictures or a video with a trained model.

    Size, names, transparency, frame times and sound stay as they are. Networks and settings are the run's.

    Examples:
      reskin translate runs/film-game clip.mp4 clip-as-game.mp4
      reskin translate runs/film-game photos/ photos-as-game/
      reskin translate runs/film-game game.png game-as-film.png --direction b2a
      reskin translate runs/summer-winter summer/ out/ --styles 4 --seed 1
      reskin translate runs/summer-winter summer.jpg out.png --style winter.jpg
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
    styles: int | None = None
    """For a method with styles: this many random ones, the same for every picture, in style1, style2 ..."""
    seed: int = 0
    """Which random styles."""
    style: tuple[Path, ...] = ()
    """For a method with styles: pictures of the other side whose look to take."""
    mask: Path | None = None
    """A picture, or a folder with one of the same name for each source: only white places change."""
    save_masks: bool = False
    """Also save the masks that the method itself makes (attentiongan), in a folder masks."""
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
    from reskin.runs.load import load

    compute = choose_compute(arguments.device, arguments.precision)
    model = load(arguments.run, device=arguments.device, step=arguments.step)
    direction = arguments.direction or model.directions[0]
    model.check_direction(direction)

    from reskin.images import is_image_name

    options = {"compute": compute, "overwrite": arguments.overwrite}
    options["rendering"] = _rendering(model, arguments, direction)
    if arguments.source.is_dir():
        return translate_pictures(model, arguments.source, arguments.out, direction, **options)
    if is_image_name(arguments.source):
        return _picture(model, arguments, direction, options)
    return translate_clip(model, arguments.source, arguments.out, direction, **options)


def _rendering(model: Method, arguments: Arguments, direction: Direction) -> Rendering:
    """Styles and masks as asked for."""
    from reskin.inference.rendering import Rendering

    styles = chosen_styles(model, arguments, direction)
    return Rendering(styles, arguments.save_masks, arguments.mask)


def chosen_styles(model: Method, arguments: StyleArguments, direction: Direction) -> Tensor | None:
    """The styles that the flags ask for, (K, style_size); None where they ask for none.

    Raises:
        SettingsError: both kinds or no style at all are asked for, or the model has no styles.
        ImageError: an example picture is not readable or too small.
    """
    import torch

    from reskin.inference.rendering import example_style
    from reskin.methods.styled import styled
    from reskin.runs.load import read_run

    if arguments.styles is not None and arguments.style:
        raise SettingsError("both --styles and --style are given", "Give one of them.")
    if arguments.styles is not None and arguments.styles < 1:
        raise SettingsError(f"--styles {arguments.styles}", "Give 1 or more.")
    if arguments.styles is not None:
        return styled(model).sample_styles(arguments.styles, arguments.seed)
    if not arguments.style:
        return None
    side = read_run(arguments.run)["settings"].get("data", {}).get("crop_size")
    return torch.stack([example_style(model, path, direction, side=side) for path in arguments.style])


def _picture(model: Method, arguments: Arguments, direction: Direction, options: dict[str, Any]) -> int:
    from reskin.translation.pictures import translate_image

    translate_image(model, arguments.source, direction, out=arguments.out, **options)
    print(f"done: {arguments.out}", file=sys.stderr)
    return 0


def translate_pictures(
    model: Translator, source: Path, out: Path, direction: Direction, **options: Any
) -> int:
    """Translate a folder of pictures, showing how far it is; returns the exit code.

    Raises:
        PartialError: some pictures were left out; each has been named.
    """
    from reskin.translation.folders import translate_folder

    with Counter("pictures") as counter:
        result = translate_folder(
            model,
            source,
            out,
            direction,
            report=lambda progress: counter.show(progress.done, progress.total),
            **options,
        )
    for path, reason in result.left_out:
        print(f"left out {path}: {reason}", file=sys.stderr)
    if result.left_out:
        total = result.translated + result.skipped + len(result.left_out)
        raise PartialError(
            f"{len(result.left_out)} of {total} pictures were left out, first {result.left_out[0][0]}",
            "Mend or remove them and run the same command again.",
        )
    print(f"done: {out} ({result.translated} new, {result.skipped} were there)", file=sys.stderr)
    return 0


def translate_clip(model: Translator, source: Path, out: Path, direction: Direction, **options: Any) -> int:
    """Translate a video, showing how far it is; returns the exit code.

    Raises:
        PartialError: the source is damaged; its sound frames were translated.
    """
    from reskin.translation.clips import translate_video

    with Counter("frames") as counter:
        result = translate_video(
            model,
            source,
            out,
            direction,
            report=lambda progress: counter.show(progress.frame, progress.frames),
            **options,
        )
    for note in result.notes:
        print(note, file=sys.stderr)
    if result.damaged:
        for line in result.damaged:
            print(line, file=sys.stderr)
        raise PartialError(
            f"{source} is damaged: its {result.frames} sound frames were translated",
            f"They are in {out}; give an undamaged file for the rest.",
        )
    print(f"done: {out} ({result.frames} frames in {in_words(result.seconds)})", file=sys.stderr)
    return 0
