"""What a screening rule is, and how it sees a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reskin.curation.combing import combed_share
from reskin.images import Picture, shrunk

SIDE_PX = 256
"""Pictures are judged with their shorter edge at most this long, which is about what training sees."""


class PictureView:
    """A picture as the rules see it.

    Attributes:
        height: of the whole picture, px.
        width: likewise.
        combing: the share of it that is combed, 0 to 1; only its own rows show it, so it is measured at once.

    Args:
        image: RGB, uint8, (H, W, 3), of any size; kept smaller where it is larger than `SIDE_PX`.
    """

    def __init__(self, image: Picture) -> None:
        self.height, self.width = image.shape[:2]
        self.combing = combed_share(image)
        self._image = shrunk(Image.fromarray(image), shorter=SIDE_PX)

    @property
    def colours(self) -> Picture:
        """RGB, uint8, (H, W, 3)."""
        return np.asarray(self._image)

    @cached_property
    def grey(self) -> Picture:
        """Brightness, uint8, (H, W)."""
        return np.asarray(self._image.convert("L"))

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of the pixels that are not brighter than each level, (256,), rising to 1."""
        counts = np.bincount(self.grey.ravel(), minlength=256)
        return np.cumsum(counts) / self.grey.size

    def brightness_at(self, share: float) -> float:
        """The brightness, 0 to 1, that this share of the pixels does not exceed."""
        return int(np.searchsorted(self.shares, share - 1e-9)) / 255


@dataclass(frozen=True)
class Rule:
    """A reason to leave a picture out.

    Attributes:
        name: one word; what stands in the manifest, and the name of the setting.
        bad: "above" or "below": where a score is bad, seen from the threshold.
        threshold: the default.
        why: one line for people; says what the score is.
        measure: gives the score of one picture; None where it takes the whole set to tell.
    """

    name: str
    bad: Literal["above", "below"]
    threshold: float
    why: str
    measure: Callable[[PictureView], float] | None = None

    def is_bad(self, score: float, threshold: float) -> bool:
        """Whether a picture with this score is to be left out; the threshold itself is good."""
        return score > threshold if self.bad == "above" else score < threshold
