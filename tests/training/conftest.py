"""Drawn pictures and a tiny run that the tests of training share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.toys import registered
from torch import Tensor

from reskin.images import write_image
from reskin.runs import checkpoint

TINY: dict[str, Any] = {
    "pool_size": 2,
    "has_dropout": True,
    "learning_rate": 1e-3,
    "load_size": 36,
    "crop_size": 32,
    "batch": 1,
    "steps": 12,
    "epochs": 6,
    "decay_epochs": 4,
    "ema": 0.9,
    "device": "cpu",
    "precision": "fp32",
    "save_every": 1,
    "keep": 2,
    "sample_every": 6,
    "log_every": 1,
}
"""Everything a step can depend on is in use: full pools, dropout, a running mean, a falling rate, crops."""


SMALL_CYCLEGAN: dict[str, Any] = {"width": 4, "blocks": 1, "disc_layers": 1}


@pytest.fixture(scope="module", autouse=True)
def _toy() -> Iterator[None]:
    """Of each module: no folder here is a package, so one of scope "package" would last for all tests."""
    with registered():
        yield


@pytest.fixture(scope="session")
def sides(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders `a` and `b` of four drawn pictures of 32 px each, as settings."""
    root, source = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    for side in ("a", "b"):
        for index in range(4):
            blocks = source.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            picture = blocks.repeat(8, axis=0).repeat(8, axis=1)
            write_image(root / side / f"{index}.png", np.ascontiguousarray(picture))
    return {"a": str(root / "a"), "b": str(root / "b")}


@pytest.fixture(scope="session")
def tiny(sides: dict[str, str]) -> dict[str, Any]:
    """Settings of a run of `toy` of 12 steps, which are three epochs of four pictures."""
    return {**TINY, **sides}


@pytest.fixture(scope="session")
def tiny_cyclegan(tiny: dict[str, Any]) -> dict[str, Any]:
    """The same for a small CycleGAN, where a test is about a network with more than one layer."""
    return tiny | SMALL_CYCLEGAN


def last_state(run: Path) -> dict[str, Tensor]:
    """Every tensor of a run's last checkpoint."""
    return checkpoint.load(sorted((run / "checkpoints").glob("[0-9]*.safetensors"))[-1])[0]


def lines(run: Path) -> list[dict[str, Any]]:
    """A run's losses.jsonl without what the clock says."""
    rows = [json.loads(line) for line in (run / "losses.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "time"} for row in rows]


def differences(first: Path, second: Path) -> list[str]:
    """What two finished runs do not have in common, bit for bit: tensors, loss lines, sample grids."""
    one, other = last_state(first), last_state(second)
    found = sorted(one.keys() ^ other.keys())
    found += [key for key in one.keys() & other.keys() if not one[key].equal(other[key])]
    found += ["losses.jsonl"] if lines(first) != lines(second) else []
    grids = [
        {path.name: path.read_bytes() for path in (run / "samples").iterdir()} for run in (first, second)
    ]
    return found + [
        name for name in grids[0].keys() | grids[1].keys() if grids[0].get(name) != grids[1].get(name)
    ]


def words_of(settings: dict[str, Any]) -> list[str]:
    """Settings as flags of the command line."""
    words = []
    for key, value in settings.items():
        flag = f"--{key.replace('_', '-')}"
        words += ([flag] if value is True else []) if isinstance(value, bool) else [flag, str(value)]
    return words


@pytest.fixture(name="differences")
def _differences() -> Callable[[Path, Path], list[str]]:
    return differences


@pytest.fixture(name="words_of")
def _words_of() -> Callable[[dict[str, Any]], list[str]]:
    return words_of
