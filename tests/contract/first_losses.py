"""The losses of the first three steps of every method, in float64: what a refactoring must leave as it is.

    python -m tests.contract.first_losses    writes first_losses.json anew, after a change on purpose

Weights and batches are drawn by NumPy and in float64, so that the numbers do not depend on the processor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from tests.support import small
from torch import Tensor, nn

from reskin.methods import find_trained, trained_names
from reskin.training.loop import seed_step
from reskin.types import Batch, Step

FILE = Path(__file__).with_name("first_losses.json")
STEPS = 3
MANY_UPDATES = ("vid2vid",)
"""Their step changes the networks once for each frame: rounding grows to sight in the second."""


@contextmanager
def double_precision() -> Iterator[None]:
    """Make new tensors float64 and use one kind of convolution on every processor."""
    before, onednn = torch.get_default_dtype(), torch.backends.mkldnn.enabled
    torch.set_default_dtype(torch.float64)
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        torch.backends.mkldnn.enabled = onednn


def draw_weights(network: nn.Module) -> None:
    """Weights of a size that keeps activations near 1, the same on every processor."""
    source = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in network.parameters():
            drawn = torch.from_numpy(source.standard_normal(tuple(parameter.shape)))
            inputs = parameter[0].numel() if parameter.dim() > 1 else 1
            parameter.copy_(drawn / inputs**0.5 if parameter.dim() > 1 else 0.1 * drawn + 0.5)


def steady_flow(frame: Tensor, earlier: Tensor) -> Tensor:
    """Everything moves by half a px and a quarter."""
    return torch.cat([torch.full_like(frame[:, :1], shift) for shift in (0.5, -0.25)], 1)


def first_losses(name: str) -> list[dict[str, float]]:
    """The losses of each of the first steps of a small method."""
    with double_precision():
        method = small.doubled(small.tiny(find_trained(name)))
        if hasattr(method, "reference_flow"):  # an estimated one would depend on the processor
            method.reference_flow = steady_flow
        for network in (method, *vars(method).values()):  # pretrained ones are no part of the method's state
            if isinstance(network, nn.Module):
                draw_weights(network)
        source, found = np.random.default_rng(1), []
        frames = () if method.clip_length == 1 else (method.clip_length,)
        for number in range(1, 1 + (1 if name in MANY_UPDATES else STEPS)):
            a, b = torch.from_numpy(source.uniform(-1, 1, (2, 2, *frames, 3, 32, 32)))
            seed_step(0, number, 0)
            losses = method.training_step(Batch(a, b), Step(number, 100))
            found.append({key: loss.item() for key, loss in sorted(losses.items())})
    return found


def main() -> None:
    """Write the file."""
    text = json.dumps({name: first_losses(name) for name in trained_names()}, indent=1)
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
