"""A model folder from somebody else's checkpoint: like a run folder, without the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import reskin
from reskin.config import write_json
from reskin.errors import CheckpointError, RunError
from reskin.methods import find
from reskin.training import checkpoint
from reskin.training.importer import read_generator
from reskin.types import Direction


def import_model(file: Path, out: Path, direction: Direction) -> dict[str, Any]:
    """Write the generator in `file` as a model folder that translates in one direction.

    Args:
        file: a checkpoint of one generator of the CycleGAN and pix2pix repository.
        out: the folder to make.
        direction: which way the generator translates.

    Returns:
        The settings that were read off the file.

    Raises:
        CheckpointError: the file is not such a generator, or its channels are not three.
        RunError: `out` is a run already.
    """
    if (out / "config.json").exists():
        raise RunError(f"{out} holds a model already", "Choose another --out.")
    found = read_generator(file)
    if (found.settings["in_channels"], found.settings["out_channels"]) != (3, 3):
        raise CheckpointError(
            f"{file} turns {found.settings['in_channels']} channels into {found.settings['out_channels']}",
            "Only colour pictures (3 to 3 channels) can be translated.",
        )
    fields = find("cyclegan").Config.model_fields
    settings = {key: value for key, value in found.settings.items() if key in fields}
    state = {f"method.gen_{direction}.{key}": value for key, value in found.state.items()}
    checkpoint.save(out / "checkpoints" / "00000000.safetensors", state, {"step": 0})
    write_json(
        out / "config.json",
        {
            "reskin": reskin.__version__,
            "method": "cyclegan",
            "directions": [direction],
            "settings": {"method": settings, "data": {}, "train": {}},
            "resolved": {"steps": 0},
            "source": {"file": file.name, "sha256": found.sha256},
        },
    )
    return found.settings
