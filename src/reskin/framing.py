"""How faces are found and cut out, as settings and runs name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Align = Literal["landmarks", "box"]
"""How a face is cut out: turned and scaled so that eyes, nose and mouth coincide, or as a square."""


@dataclass(frozen=True)
class Framing:
    """How faces are cut out for a model, in training and in translation.

    Attributes:
        margin: room around the face, as a share of its height.
        align: see `Align`.
    """

    margin: float = 0.25
    align: Align = "landmarks"


DetectorName = Literal["auto", "yunet", "dlib"]
"""Which face detector: the best one that can be had, or one by name."""
