"""A photograph with the strokes and colours of another picture."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reskin.config import BASIC, Settings
from reskin.errors import ImageError, SettingsError
from reskin.methods.gatys import Gatys, GatysConfig, Progress, read_features
from reskin.networks.resizing import SMALLEST_PX, working_size
from reskin.parsing import Spelled, parse_flat
from reskin.progress import Report, silent
from reskin.translation.made_once import Made, command_key, made_once
from reskin.unknown import unknown
from reskin.workflows.translate import FilmSettings, translate_any

if TYPE_CHECKING:
    from torch import Tensor

    from reskin.device import Compute
    from reskin.methods.translator import Translator
    from reskin.translation.clips import VideoResult
    from reskin.translation.folders import FolderResult

WEIGHTS = "vgg19"
"""What features are taken from where no weights are given."""

_log = logging.getLogger(__name__)


class StylizeConfig(Settings):
    """Give a picture, or a folder of pictures, the style of one or several others (Gatys et al. 2016).

    Each picture is optimised by itself, which takes minutes, and on a processor up to an hour; with --model a
    network that has learnt one style does it at once, also to a video.

    Examples:
      reskin stylize photo.jpg --style painting.jpg --out photo-painted.png
      reskin stylize photo.jpg --style painting.jpg sky.jpg --style-shares 2 1 --keep-colour --out both.png
      reskin stylize photo.jpg --style painting.jpg --out photo-painted.png --size 256 --steps 200 --every 20
      reskin stylize clip.mp4 --model models/painting --out clip-painted.mp4
    """

    source: Annotated[Path, Spelled(position="IN")]
    """A picture or a folder of pictures; with --model also a video."""
    out: Path
    """Name of the result: a picture, folder or video like the source."""
    style: Annotated[tuple[Path, ...], BASIC] = ()
    """Pictures whose style to take, at least 32 px in width and height."""
    preset: str | None = None
    """Start from the settings of a report (s2w_gatys: 256 px); other options still count."""
    model: Annotated[Path | None, BASIC] = None
    """In position of --style: the folder of a network that has learnt a style (fast_style)."""
    weights: Path | None = None
    """File of VGG weights; by default torchvision's VGG-19, fetched if it is not there (575 MB)."""
    every: int = Field(default=0, ge=0)
    """Also keep the picture after every so many steps, in a folder beside the result; 0 for none."""
    overwrite: Annotated[bool, BASIC] = False
    """Replace a result that is already there."""
    device: Annotated[str, BASIC] = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    film: FilmSettings = FilmSettings()
    """How a video is treated; with --model."""
    settings: GatysConfig = GatysConfig()
    """How to stylise."""


def stylize(
    source: Path | str, out: Path | str, *, report: Report | None = None, **settings: Any
) -> FolderResult | VideoResult | None:
    """Give a picture, a folder of pictures or (with a network) a video the style of other pictures.

    Args:
        source: a picture or a folder of pictures; with `model` also a video.
        out: the same kind of thing, to be written.
        report: called with how far it is.
        settings: the other fields of `StylizeConfig` and of `GatysConfig`: style, model, size, steps ...

    Returns:
        What became of a folder or video; None for a picture.

    Raises:
        SettingsError: neither or both of style and model are given, or a setting is wrong.
        ImageError: a picture cannot be read or written, or is too small.
        WeightsError: the network's weights are not here and cannot be fetched.
    """
    values = above_preset({**settings, "source": source, "out": out})
    return run_stylize(parse_flat(StylizeConfig, values), report)


def above_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings `given` above those of the preset that they name under "preset", if they name one.

    Raises:
        SettingsError: there is no preset of this name.
    """
    name = given.get("preset")
    if name is not None and name not in Gatys.presets:
        raise unknown("preset", str(name), Gatys.presets, what=f"there is no preset '{name}'")
    below = {} if name is None else Gatys.presets[name].settings
    return {**below, **given}


def run_stylize(config: StylizeConfig, report: Report | None = None) -> FolderResult | VideoResult | None:
    """As `stylize`, with settings that are parsed already."""
    if config.model is not None and config.style:
        raise SettingsError("both --style and --model are given", "Give one of them.")
    if not config.source.exists():
        raise SettingsError(f"no file or folder {config.source}", "Check the name.")
    if config.model is None and not config.style:
        raise SettingsError(
            "neither --style nor --model is given",
            "Give a picture with --style, or the folder of a trained network with --model.",
        )
    with made_once(config.out, partial(command_key, config, config.out)) as made:
        if config.model is not None:
            return _with_network(config, config.model, made, report or silent)
        return _with_pictures(config, made, report or silent)


def _with_network(
    config: StylizeConfig, folder: Path, made: Made, report: Report
) -> FolderResult | VideoResult | None:
    """What `reskin translate` does with this network."""
    from reskin.device import choose_compute
    from reskin.runs.load import load

    if config.settings != GatysConfig() or config.weights or config.every:
        raise SettingsError(
            "--model takes no settings of --style: it has learnt its own", "Leave them out, or --model."
        )
    if folder.is_file():
        raise SettingsError(
            f"{folder} is a file, not a model folder",
            f"Make one of it: reskin import {folder} --out {folder.with_suffix('')}",
        )
    compute = choose_compute(config.device, engine="auto")
    model = load(folder, device=config.device)
    return _translate(model, config, compute, report, made=made)


def _translate(
    model: Translator, config: StylizeConfig, compute: Compute, report: Report, *, made: Made
) -> FolderResult | VideoResult | None:
    options: dict[str, Any] = {"compute": compute, "overwrite": config.overwrite, "film": config.film}
    options["made"] = made
    return translate_any(model, config.source, config.out, model.directions[0], report=report, **options)


def _with_pictures(config: StylizeConfig, made: Made, report: Report) -> FolderResult | VideoResult | None:
    """Optimise each picture."""
    from reskin.device import choose_compute
    from reskin.image_formats import is_image_name

    is_folder = config.source.is_dir()
    if not is_folder and not is_image_name(config.source):
        raise SettingsError(
            f"{config.source} is no picture, and --style would take minutes for each frame of a video",
            "For a video train fast_style on the style once and give it with --model.",
        )
    if is_folder and config.every:
        raise SettingsError("--every with a folder of pictures", "Give one picture, or leave --every out.")
    compute = choose_compute(config.device)
    styles = [_read_style(path) for path in config.style]
    if not is_folder:
        _check_result(config, made)
    features = read_features(config.weights or _whole_weights(report), config.settings)
    watch = partial(_watch, config, report)
    model = Gatys(config.settings, features, styles, report=watch)
    result = _translate(model, config, compute, report, made=made)
    if not is_folder:
        _say_size(config)
    return result


def _watch(config: StylizeConfig, report: Report, at: Progress) -> None:
    """After each step of a picture: report it, and keep the picture on the way if that was asked for."""
    report(at.step, at.steps, "steps")
    if config.every and at.step % config.every == 0:
        from reskin.images import to_image, write_image

        write_image(_steps_folder(config) / f"{at.step:05d}.png", to_image(at.image)[0])


def _read_style(path: Path) -> Tensor:
    from reskin.images import read_image, to_tensor

    picture = read_image(path)
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_PX:
        raise ImageError(
            f"{path} is only {width}x{height} px, too small for a style",
            f"Give a picture of {SMALLEST_PX} px or more a domain.",
        )
    return to_tensor(picture)


def _check_result(config: StylizeConfig, made: Made) -> None:
    """Refuse now what would be refused after minutes: a result that cannot be written."""
    from reskin.images import read_image_alpha, write_image
    from reskin.translation.targets import check_target

    check_target(config.source, config.out, overwrite=config.overwrite or made.is_made(config.out))
    steps = _steps_folder(config)
    if config.every and steps.exists() and not config.overwrite and made.kept(steps) is None:
        raise SettingsError(f"{steps} is there already", "Add --overwrite, or choose another --out.")
    image, alpha = read_image_alpha(config.source)
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_image(Path(folder) / config.out.name, image, alpha=alpha)
        except ImageError as error:
            what = error.what.replace(f"{folder}/", "")
            raise ImageError(what, error.fix) from None
    if config.every:
        made.keep(steps, {})  # its pictures are this command's from now on


def _steps_folder(config: StylizeConfig) -> Path:
    return config.out.with_name(f"{config.out.stem}-steps")


def _whole_weights(report: Report) -> Path:
    from reskin.weights import find_weights

    return find_weights(WEIGHTS, report=report)


def _say_size(config: StylizeConfig) -> None:
    """Where the picture was worked at a smaller size than its own, say so."""
    from reskin.images import read_image

    settings = config.settings
    height, width = read_image(config.source).shape[:2]
    most = working_size(height, width, settings.size)
    if settings.hires_size:
        most = max(most, working_size(height, width, settings.hires_size))
    if most != (height, width):
        _log.info(
            "%s",
            f"worked at {most[1]}x{most[0]} and enlarged to {width}x{height};"
            " --size or --hires-size takes more pixels",
        )
