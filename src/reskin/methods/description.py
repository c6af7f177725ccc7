"""What a method says of itself: its presets and its adversarial part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """Settings of any group that belong together, by name, and in one sentence what they are for."""

    about: str
    settings: Mapping[str, Any]


class Adversary(NamedTuple):
    """The adversarial part of a method.

    Attributes:
        networks: the discriminators, by their names in the method. They have no part in translating, so no
            moving average of them is kept.
        losses: names of the discriminators' losses.
        generator_losses: names of the losses by which the generators learn to deceive them.
        objective: kind of these losses, as in `losses.adversarial`; None for one that is not there.
        setting: name of the method's setting that holds the objective, if it can be chosen.
    """

    networks: tuple[str, ...]
    losses: tuple[str, ...]
    generator_losses: tuple[str, ...] = ("adversarial",)
    objective: str | None = None
    setting: str | None = None
