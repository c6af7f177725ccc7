"""Small drawn sets, and measurements made up where no picture is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reskin.curation.inspect.measure import Look, look_at
from reskin.curation.inspect.sets import MeasuredSet, PictureSet
from reskin.curation.leakage import LeakReport
from reskin.data.manifest import FrameRecord, Manifest

Make = Callable[..., MeasuredSet]


def scene(seed: int, size: tuple[int, int] = (48, 48), tint: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    """A smooth random picture; `tint` is added to its colours."""
    rough = np.random.default_rng(seed).integers(40, 200, (6, 6, 3))
    rough = np.clip(rough + np.array(tint), 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC))


@pytest.fixture
def make() -> Make:
    """Makes a measured set of looks, with a manifest, without any file."""

    def made(name: str, looks: list[Look], records: list[FrameRecord] | None = None) -> MeasuredSet:
        rows = records or [FrameRecord(file=f"train/{name}-{i}.png") for i in range(len(looks))]
        manifest = Manifest(reskin="0", settings={"every": 5}, sources=[], frames=rows, damaged=[])
        leaks = LeakReport(0, 0, 0, 0, (), 4, 0.5)
        return MeasuredSet(PictureSet(name, Path(name), None, manifest), rows, looks, [], leaks)

    return made


@pytest.fixture(scope="session")
def plain_look() -> Look:
    return look_at(scene(0))


@pytest.fixture
def looks(plain_look: Look) -> Callable[..., list[Look]]:
    """Makes many looks around a style and a form, each with a hash of its own."""

    def made(count: int, seed: int, *, style: float = 0.0, form: float = 0.0, **same: object) -> list[Look]:
        chance = np.random.default_rng(seed)
        found = []
        for _ in range(count):
            found.append(
                replace(
                    plain_look,
                    style=(chance.normal(size=6) + style).astype(np.float32),
                    form=(chance.normal(size=11) + form).astype(np.float32),
                    hash=int(chance.integers(0, 2**63)),
                    **same,  # type: ignore[arg-type]
                )
            )
        return found

    return made
