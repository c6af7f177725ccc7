"""`reskin stylize IN --style PICTURE`: a photograph with the strokes and colours of another picture."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from reskin.cli.arguments import parse
from reskin.cli.counter import Counter
from reskin.cli.translate import translate_clip, translate_pictures
from reskin.errors import ImageError, SettingsError
from reskin.methods.gatys import Gatys, GatysConfig, Progress, read_features
from reskin.networks.resizing import SMALLEST_PX, working_size

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "vgg19"
"""What features are taken from where --weights is left out."""


@dataclass(frozen=True)
class Arguments:
    """Give a picture, or a folder of pictures, the style of one or several others (Gatys et al. 2016).

    Each picture is optimised by itself, which takes minutes, and on a processor up to an hour; with --model a
    network that has learnt one style does it at once, also to a video.

    Examples:
      reskin stylize photo.jpg --style wave.jpg --out photo-wave.png
      reskin stylize photo.jpg --style wave.jpg sky.jpg --style-shares 2 1 --keep-colour --out both.png
      reskin stylize photo.jpg --style wave.jpg --out photo-wave.png --size 256 --steps 200 --every 20
      reskin stylize clip.mp4 --model models/wave --out clip-wave.mp4
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IN")]
    """A picture or a folder of pictures; with --model also a video."""
    out: Path
    """Name of the result: a picture, folder or video like the source."""
    style: tuple[Path, ...] = ()
    """Pictures whose style to take, 32 px or more a side."""
    model: Path | None = None
    """In place of --style: the folder of a network that has learnt a style (fast_style)."""
    weights: Path | None = None
    """File of VGG weights; by default torchvision's VGG-19, fetched if it is not there (575 MB)."""
    every: int = 0
    """Also keep the picture after every so many steps, in a folder beside the result; 0 for none."""
    overwrite: bool = False
    """Replace a result that is already there."""
    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    settings: GatysConfig = field(default_factory=GatysConfig)
    """How to stylise."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin stylize")
    if arguments.model is not None and arguments.style:
        raise SettingsError("both --style and --model are given", "Give one of them.")
    if arguments.model is None and not arguments.style:
        raise SettingsError(
            "neither --style nor --model is given",
            "Give a picture with --style, or the folder of a trained network with --model.",
        )
    if not arguments.source.exists():
        raise SettingsError(f"no file or folder {arguments.source}", "Check the name.")
    if arguments.model is not None:
        return _with_network(arguments, arguments.model)
    return _with_pictures(arguments)


def _with_network(arguments: Arguments, folder: Path) -> int:
    """What `reskin translate` does with this network."""
    from reskin.device import choose_compute
    from reskin.runs.load import load

    if arguments.settings != GatysConfig() or arguments.weights or arguments.every:
        raise SettingsError(
            "--model takes no settings of --style: it has learnt its own", "Leave them out, or --model."
        )
    if folder.is_file():
        raise SettingsError(
            f"{folder} is a file, not a model folder",
            f"Make one of it: reskin import {folder} --out {folder.with_suffix('')}",
        )
    compute = choose_compute(arguments.device)
    model = load(folder, device=arguments.device)
    return _translate(model, arguments, {"compute": compute, "overwrite": arguments.overwrite})


def _translate(model: Any, arguments: Arguments, options: dict[str, Any]) -> int:
    from reskin.images import is_image_name
    from reskin.translation.pictures import translate_image

    direction = model.directions[0]
    if arguments.source.is_dir():
        return translate_pictures(model, arguments.source, arguments.out, direction, **options)
    if not is_image_name(arguments.source):
        return translate_clip(model, arguments.source, arguments.out, direction, **options)
    translate_image(model, arguments.source, direction, out=arguments.out, **options)
    print(f"done: {arguments.out}", file=sys.stderr)
    return 0


def _with_pictures(arguments: Arguments) -> int:
    """Optimise each picture."""
    from reskin.device import choose_compute
    from reskin.images import is_image_name

    is_folder = arguments.source.is_dir()
    if not is_folder and not is_image_name(arguments.source):
        raise SettingsError(
            f"{arguments.source} is no picture, and --style would take minutes for each frame of a video",
            "For a video train fast_style on the style once and give it with --model.",
        )
    if is_folder and arguments.every:
        raise SettingsError("--every with a folder of pictures", "Give one picture, or leave --every out.")
    compute = choose_compute(arguments.device)
    styles = [_read_style(path) for path in arguments.style]
    if not is_folder:
        _check_result(arguments)
    features = read_features(arguments.weights or _whole_weights(), arguments.settings)
    with _Watcher(arguments) as watcher:
        model = Gatys(arguments.settings, features, styles, report=watcher.report)
        code = _translate(model, arguments, {"compute": compute, "overwrite": arguments.overwrite})
    if not is_folder:
        _say_size(arguments)
    return code


def _read_style(path: Path) -> Tensor:
    from reskin.images import read_image, to_tensor

    picture = read_image(path)
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_PX:
        raise ImageError(
            f"{path} is only {width}x{height} px, too small for a style",
            f"Give a picture of {SMALLEST_PX} px or more a side.",
        )
    return to_tensor(picture)


def _check_result(arguments: Arguments) -> None:
    """Refuse now what would be refused after minutes: a result that cannot be written."""
    from reskin.images import read_image_alpha, write_image
    from reskin.translation.targets import check_target

    check_target(arguments.source, arguments.out, overwrite=arguments.overwrite)
    steps = _steps_folder(arguments)
    if arguments.every and steps.exists() and not arguments.overwrite:
        raise SettingsError(f"{steps} is there already", "Add --overwrite, or choose another --out.")
    image, alpha = read_image_alpha(arguments.source)
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_image(Path(folder) / arguments.out.name, image, alpha=alpha)
        except ImageError as error:
            what = error.what.replace(f"{folder}/", "")
            raise ImageError(what, error.fix) from None


def _steps_folder(arguments: Arguments) -> Path:
    return arguments.out.with_name(f"{arguments.out.stem}-steps")


def _whole_weights() -> Path:
    from reskin.weights import find_weights

    with Counter("MB of weights") as counter:
        return find_weights(
            WEIGHTS, report=lambda done, total: counter.show(round(done / 1e6), round(total / 1e6))
        )


def _say_size(arguments: Arguments) -> None:
    """Where the picture was worked at a smaller size than its own, say so."""
    from reskin.images import read_image

    settings = arguments.settings
    height, width = read_image(arguments.source).shape[:2]
    most = working_size(height, width, settings.size)
    if settings.hires_size:
        most = max(most, working_size(height, width, settings.hires_size))
    if most != (height, width):
        print(
            f"worked at {most[1]}x{most[0]} and enlarged to {width}x{height};"
            " --size or --hires-size takes more pixels",
            file=sys.stderr,
        )


class _Watcher:
    """Shows how far a picture is, and keeps it on the way if that was asked for."""

    def __init__(self, arguments: Arguments) -> None:
        self.every, self.folder = arguments.every, _steps_folder(arguments)
        self.counter = Counter("steps")

    def __enter__(self) -> _Watcher:
        return self

    def __exit__(self, *error: Any) -> None:
        self.counter.__exit__(*error)

    def report(self, progress: Progress) -> None:
        """Called after each step."""
        if progress.step == 1:
            self.counter = Counter("steps")
        self.counter.show(progress.step, progress.steps)
        if self.every and progress.step % self.every == 0:
            from reskin.images import to_image, write_image

            write_image(self.folder / f"{progress.step:05d}.png", to_image(progress.image)[0])
