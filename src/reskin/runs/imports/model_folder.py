"""A model folder from somebody else's checkpoint: like a run folder, without the training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reskin.errors import CheckpointError, RunError, SettingsError
from reskin.methods import find
from reskin.runs import checkpoint
from reskin.runs.folder import RunFolder
from reskin.runs.imports.fast_style import is_style_network, read_style_network
from reskin.runs.imports.generators import ImportedGenerator, read_generator
from reskin.storage import to_json
from reskin.types import Direction
from reskin.version import __version__

FEWEST_DOWNSAMPLINGS = 5
"""Of a U-Net that is a model of pix2pix."""


def import_model(
    file: Path, out: Path, direction: Direction, *, has_test_noise: bool = False
) -> dict[str, Any]:
    """Write the generator in `file` as a model folder that translates in one direction.

    Args:
        file: a checkpoint of one generator of the CycleGAN and pix2pix repository; of one of the CUT
            repository or one network of fast style transfer, which translate a2b only.
        out: the folder to make.
        direction: which way the generator translates.
        has_test_noise: have a network with batch norm or dropout translate as its repository tests: by the
            statistics of each picture, with dropout, as a model of pix2pix.

    Returns:
        The settings that were read off the file. A folder that this call made before, whole, stays as it is:
        it may have been stopped before it could say so.

    Raises:
        CheckpointError: the file is not such a generator, its channels are not three, or it is one of CUT
            with batch norm.
        RunError: `out` is a run already, or a model of another file.
        DataError: a name in `out` that is written to is a link or of another kind.
        SettingsError: a style network or a generator of CUT cannot be made to translate b2a, or the network
            is none that has test noise.
    """
    RunFolder(out).check_own()
    if is_style_network(file):
        _check_noise(None, file, has_test_noise=has_test_noise)
        return _import_style(file, out, direction)
    found = read_generator(file)
    if (found.settings["in_channels"], found.settings["out_channels"]) != (3, 3):
        raise CheckpointError(
            f"{file} turns {found.settings['in_channels']} channels into {found.settings['out_channels']}",
            "Only colour pictures (3 to 3 channels) can be translated.",
        )
    _check_noise(found, file, has_test_noise=has_test_noise)
    if has_test_noise:
        _write(_as_pix2pix(found, file, direction), "pix2pix", file, out, direction)
    elif found.settings.get("antialias"):
        _check_cut(found, file, direction)
        _write(found, "cut", file, out, direction)
    else:
        method = "cyclegan_unet" if found.settings["generator"] == "unet" else "cyclegan"
        _write(found, method, file, out, direction)
    return found.settings


def _check_noise(found: ImportedGenerator | None, file: Path, *, has_test_noise: bool) -> None:
    """Refuse noise for a network that has none."""
    if has_test_noise and not (found is not None and has_noise(found.settings)):
        raise SettingsError(
            f"--has-test-noise for {file}, which has neither batch norm nor dropout",
            "Leave --has-test-noise out.",
        )


def has_noise(settings: Mapping[str, Any]) -> bool:
    """Whether a generator translates in another way as its repository tests it: with these settings, it is
    one of CycleGAN's or pix2pix's with batch norm or dropout."""
    is_ours = "generator" in settings and not settings.get("antialias")
    return is_ours and (settings["norm"] == "batch" or bool(settings["has_dropout"]))


def _as_pix2pix(found: ImportedGenerator, file: Path, direction: Direction) -> ImportedGenerator:
    """The generator with the settings of pix2pix: dropout acts, as it does in its repository."""
    is_unet = found.settings["generator"] == "unet"
    if direction != "a2b" or (is_unet and found.settings["downsamplings"] < FEWEST_DOWNSAMPLINGS):
        raise SettingsError(
            f"test noise for {file}: pix2pix goes a2b, with {FEWEST_DOWNSAMPLINGS} or more downsamplings",
            "Type --direction a2b, or leave --has-test-noise out.",
        )
    # The file of a U-Net does not say whether it has dropout; that repository trains them with it.
    noise = {"has_test_noise": True, "has_dropout": is_unet or found.settings["has_dropout"]}
    return replace(found, settings=found.settings | noise)


def _check_cut(found: ImportedGenerator, file: Path, direction: Direction) -> None:
    """Refuse what our CUT cannot hold; dropout may be there, since a trained model leaves it out."""
    if direction != "a2b":
        raise SettingsError(
            f"{file} is a generator of CUT, which goes one way and has no way back",
            "Type --direction a2b; which domain is called A is yours to choose.",
        )
    if found.settings["norm"] != "instance":
        raise CheckpointError(
            f"{file} is a generator of CUT with batch norm, and only instance norm is known",
            "Train it there with --normG instance, CUT's default, or translate with that repository.",
        )


def _import_style(file: Path, out: Path, direction: Direction) -> dict[str, Any]:
    """The network of fast style transfer in `file` as a model folder."""
    if direction != "a2b":
        raise SettingsError(
            f"{file} paints pictures in one style, which has no way back", "Type --direction a2b."
        )
    found = read_style_network(file)
    _write(found, "fast_style", file, out, direction)
    return found.settings


def _write(found: ImportedGenerator, method: str, file: Path, out: Path, direction: Direction) -> None:
    """Write the model folder: the checkpoint, then the settings that make it a whole one."""
    files, fields = RunFolder(out), find(method).Config.model_fields
    settings = {key: value for key, value in found.settings.items() if key in fields}
    state = {f"method.gen_{direction}.{key}": value for key, value in found.state.items()}
    values = {
        "reskin": __version__,
        "method": method,
        "directions": [direction],
        "settings": {"method": settings, "data": {}, "train": {}},
        "resolved": {"steps": 0},
        "source": {"file": file.name, "sha256": found.sha256},
    }
    if files.config.exists():
        is_whole = files.list_checkpoints() == [files.checkpoint(0)]
        if is_whole and files.read_config() == json.loads(to_json(values)):
            return
        raise RunError(f"{out} holds a model already", "Choose another --out.")
    checkpoint.save(files.checkpoint(0), state, {"step": 0})
    files.write_config(values)
