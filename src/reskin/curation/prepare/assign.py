"""Which split each picture of new videos belongs to, with regard to what the dataset holds already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from reskin.curation.prepare.config import VideoConfig
from reskin.curation.split_rules import (
    FEWEST,
    SourceUnits,
    SplitBy,
    guard_frames,
    shot_groups,
    split_sources,
)
from reskin.data.manifest import Manifest
from reskin.types import Split


class Unit(NamedTuple):
    """What is not parted: a frame or a clip."""

    time: Fraction
    """When it is shown, in seconds."""
    shot: int | None
    """Its shot, where shots are known."""


Units = Sequence[Sequence[Unit]]
"""For each source its units, by time."""


def split_by(units: Units, config: VideoConfig, before: Manifest | None) -> SplitBy:
    """How to part the units.

    As the dataset was parted by `reskin split`; else as asked; else as it was parted when it was made; else
    by shot where shots are known and there are enough of them, else by segments of time.
    """
    if before is not None and before.splitting:
        by: SplitBy = before.splitting["by"]
        return by
    if config.split is not None:
        return config.split
    if before is not None and "split_used" in before.settings:
        by = before.settings["split_used"]
        return by
    if not config.wants_shots:
        return "block"
    groups = {group for source in _shots(units, config.ratio) for group in source}
    return "shot" if len(groups) >= FEWEST else "block"


def split_units(
    units: Units, config: VideoConfig, *, by: SplitBy, before: Manifest | None, least_guard: int = 1
) -> list[list[Split | None]]:
    """The split of each unit; None for what is left out between two splits. What is there already stays.

    Args:
        units: what to part.
        config: the ratio and the seed.
        by: from `split_by`.
        before: what the dataset holds.
        least_guard: units to leave out at least between segments of time.

    Raises:
        DataError: there are too few shots or sources to split by these.
    """
    sources = [
        SourceUnits(
            sizes=[1] * len(source),
            shots=[unit.shot or 0 for unit in source],
            guard=max(least_guard, guard_frames(_spacing(source))),
        )
        for source in units
    ]
    first = 0 if before is None else len(before.sources)
    ratio, have = _ratio(config, before), _have(before)
    return split_sources(sources, by=by, ratio=ratio, seed=config.seed, first=first, have=have)


def _shots(units: Units, ratio: str) -> list[list[int]]:
    return shot_groups([[unit.shot or 0 for unit in source] for source in units], ratio=ratio)


def _ratio(config: VideoConfig, before: Manifest | None) -> str:
    asked = before.splitting if before is not None else None
    return str(asked["ratio"]) if asked else config.ratio


def _have(before: Manifest | None) -> Counter[Split]:
    return Counter() if before is None else Counter(frame.split for frame in before.frames)


def _spacing(source: Sequence[Unit]) -> float:
    """Seconds from one unit to the next, on average; 0 for fewer than two."""
    if len(source) < 2:
        return 0.0
    return float(source[-1].time - source[0].time) / (len(source) - 1)
