"""The few types that every floor shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Direction = Literal["a2b", "b2a"]
"""Which way a picture is translated: domain A to domain B, or back."""

Domain = Literal["a", "b"]
"""One of the two domains."""

Bars = tuple[int, int, int, int]
"""Px to cut away at the left, top, right and bottom of a picture."""

NO_BARS: Bars = (0, 0, 0, 0)

Split = Literal["train", "val", "test"]
"""The part of a dataset that an image belongs to."""


Trouble = Literal[
    "inverted", "copy", "mode_collapse", "discriminator_won", "data_waits", "overfitting", "not_finite"
]
"""What can go wrong in training, as the health monitor names it."""


class Step(NamedTuple):
    """Which step of a training this is.

    Attributes:
        number: of the step, from 1.
        total: number of the last step.
    """

    number: int
    total: int


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        a: pictures of domain A, (N, 3, H, W), float32, in [-1, 1]; clips are (N, T, 3, H, W).
        b: pictures of domain B, the same shape and range. In paired data `a[i]` and `b[i]` belong together.
        mask_a: where the pictures of A are to change, (N, 1, H, W), 0 to 1; None where no masks were given.
        mask_b: where those of B are to.
    """

    a: Tensor
    b: Tensor
    mask_a: Tensor | None = None
    mask_b: Tensor | None = None
