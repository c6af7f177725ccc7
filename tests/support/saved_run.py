"""A run folder that holds a model of a few channels, as training leaves it."""

from __future__ import annotations

from pathlib import Path

from tests.support.small import tiny

from reskin.methods import find_trained
from reskin.methods.base import Method
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.folder import RunFolder
from reskin.storage import write_json


def save_run(folder: Path, name: str, *, trained_edge: int = 32, **settings: object) -> Method:
    """Write a run of the method `name`, its weights drawn from the seed 0; returns its model."""
    model = tiny(find_trained(name), **settings)
    config = {
        "method": name,
        "settings": {"method": model.config.to_dict()},
        "directions": list(model.directions),
        "data": {"shorter_edge": trained_edge},
    }
    write_json(RunFolder(folder).config, config)
    checkpoint.save(RunFolder(folder).checkpoint(1), checkpoint.state_of(model, Ema(model, 0.0)), {"step": 1})
    return model.eval()
