"""What every metric says of itself, so that no reader has to know whether 0.3 is good news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]
"""Which way a number is good news."""


@dataclass(frozen=True)
class Facts:
    """How to read the numbers of one metric; each module of this folder holds one, called `FACTS`.

    Attributes:
        name: the function that measures, in the same module.
        kind: what is compared: "pair" for an image and its truth, "set" for two sets of images that do not
            belong together one by one, "cycle" for an image and its reconstruction, "numbers" for what is
            measured of features, probabilities or labels that a network made of images before.
        better: whether higher or lower is better.
        best: the value of a perfect result.
        symmetric: whether the two inputs may be exchanged.
        unit: of the value, for people; empty where it has none.
        needs_features: whether a network must be given that turns pictures into features.
        is_unbiased: whether random variation may take the value of a perfect result past `best`.
    """

    name: str
    kind: Literal["pair", "set", "cycle", "numbers"]
    better: Better
    best: float
    symmetric: bool
    unit: str = ""
    needs_features: bool = False
    is_unbiased: bool = False
