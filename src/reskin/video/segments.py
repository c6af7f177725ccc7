"""Encoded pictures of consecutive frames that need no others to be decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """Frames from a key frame on, encoded by an encoder of their own.

    Attributes:
        times: of the frames in the order of showing, seconds.
        last: number of the last frame in its source.
        data: (bytes,) uint8, the packets one behind the other in the order of decoding.
        sizes: (packets,) int64, bytes of each packet.
        pts: (packets,) int64, which frame of the segment each shows, from 0.
        dts: (packets,) int64, position in the order of decoding; negative before the first frame.
        keys: (packets,) int64, 1 where a packet holds a key frame.
    """

    times: list[Fraction]
    last: int
    data: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    keys: NDArray[np.int64]

    def to_tensors(self) -> dict[str, Tensor]:
        """The same as tensors, to be kept in a file."""
        times = np.array([[time.numerator, time.denominator] for time in self.times], np.int64)
        arrays = {"times": times, "last": np.array([self.last], np.int64), "data": self.data}
        arrays |= {name: getattr(self, name) for name in ("sizes", "pts", "dts", "keys")}
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Segment:
        """What `to_tensors` gave.

        Raises:
            KeyError, ValueError: it is something else.
        """
        times = [Fraction(above, below) for above, below in tensors["times"].tolist()]
        arrays = {name: tensors[name].numpy() for name in ("data", "sizes", "pts", "dts", "keys")}
        if len(arrays["data"]) != arrays["sizes"].sum() or len(times) != len(arrays["sizes"]):
            raise ValueError("packets and their sizes do not agree")
        return cls(times, int(tensors["last"]), **arrays)
