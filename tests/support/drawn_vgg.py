"""A file of VGG weights small enough for tests: torchvision names, four channels, drawn from a fixed seed."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import torch

CONVOLUTIONS = {
    "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "vgg19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
}
"""Index of every convolution in torchvision's `features`."""


@functools.cache
def drawn_vgg(kind: str = "vgg16", width: int = 4) -> Path:
    """The file, in a folder of its own; made once in a process."""
    source = torch.Generator().manual_seed(0)
    state, channels = {}, 3
    for index in CONVOLUTIONS[kind]:
        spread = (2 / (9 * channels)) ** 0.5
        # its type is stated, as other numbers are drawn for another default type
        drawn = torch.randn(width, channels, 3, 3, generator=source, dtype=torch.float32)
        state[f"features.{index}.weight"] = drawn * spread
        state[f"features.{index}.bias"] = torch.zeros(width, dtype=torch.float32)
        channels = width
    folder = Path(tempfile.mkdtemp(prefix="reskin-vgg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    torch.save(state, folder / f"{kind}.pth")
    return folder / f"{kind}.pth"
