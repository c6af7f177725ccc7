"""A pair of clips while one is made anew, frame after frame: what each network of vid2vid sees of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reskin.networks.video_generator import FLOW_PX
from reskin.types import Step

Flow = Callable[[Tensor, Tensor], Tensor]
"""Two frames (N, 3, H, W) to the flow from the first to the second, (N, 2, H, W), px."""


class PairedSequence:
    """The frames of a pair of clips, those made so far, and the flows between the real ones.

    Args:
        inputs: T frames of domain A, (N, 3, H, W) each.
        targets: their partners in domain B.
        reference: gives the flow between two targets.

    Attributes:
        made: the frames made so far, without gradients.
    """

    def __init__(self, inputs: Sequence[Tensor], targets: Sequence[Tensor], reference: Flow) -> None:
        self.inputs, self.targets, self.reference = inputs, targets, reference
        self.made: list[Tensor] = []
        self._flows: dict[tuple[int, int], Tensor] = {}

    def flow(self, number: int, earlier: int) -> Tensor:
        """The reference flow between two targets, (N, 2, H, W), px; each is estimated once."""
        if (number, earlier) not in self._flows:
            self._flows[number, earlier] = self.reference(self.targets[number], self.targets[earlier])
        return self._flows[number, earlier]

    def triple(self, stride: int, image: Tensor | None = None) -> Tensor:
        """What a video discriminator sees of the newest frame, (N, 13, H, W): three frames, `stride` apart,
        and the two flows between them as shares of 20 px.

        Args:
            stride: frames from one to the next; see `triple_of`.
            image: the newest frame; the others are those made before. None for the targets.
        """
        numbers = triple_of(len(self.made), stride)
        assert numbers is not None, "asked for before there are three frames"
        oldest, middle, newest = numbers
        source = self.targets if image is None else self.made
        frames = [source[oldest], source[middle], self.targets[newest] if image is None else image]
        flows = [self.flow(newest, middle), self.flow(middle, oldest)]
        return torch.cat([*frames, *(flow / FLOW_PX for flow in flows)], 1)


def triple_of(number: int, stride: int) -> tuple[int, int, int] | None:
    """The numbers of three frames, `stride` apart, that end in frame `number`; None before there are any.

    >>> triple_of(6, 3), triple_of(5, 3)
    ((0, 3, 6), None)
    """
    oldest = number - 2 * stride
    return (oldest, number - stride, number) if oldest >= 0 else None


def newest_inputs(frames: Sequence[Tensor]) -> Tensor:
    """The last three of some frames as the generator takes them, (N, 9, H, W); the first stands in for those
    before it."""
    return torch.cat([frames[max(0, len(frames) - back)] for back in (3, 2, 1)], 1)


def newest_outputs(made: Sequence[Tensor], like: Tensor) -> Tensor:
    """The last two of the frames made so far, (N, 6, H, W); zeros as large as `like` where there are none."""
    before = [torch.zeros_like(like), torch.zeros_like(like), *made]
    return torch.cat(before[-2:], 1)


def sequence_length(step: Step, first: int, longest: int) -> int:
    """Frames of the sequences in a step: `first`, twice as many with each quarter of the run, to `longest`.

    >>> [sequence_length(Step(number, 20), 6, 40) for number in (1, 5, 6, 11, 16, 20)]
    [6, 6, 12, 24, 40, 40]
    """
    return min(longest, first * 2 ** (4 * (step.number - 1) // step.total))
