"""The optional second copy of a run's curves and samples, for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from reskin.errors import SettingsError
from reskin.images import read_image
from reskin.runs.run import Run


class Board:
    """Writes to TensorBoard, or nowhere.

    Args:
        writer: a `SummaryWriter`, or None for nowhere.
    """

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def losses(self, step: int, values: dict[str, float]) -> None:
        """Add one point to every curve."""
        if self.writer:
            for name, value in values.items():
                self.writer.add_scalar(f"loss/{name}", value, step)

    def samples(self, step: int, path: Path | None) -> None:
        """Add a sample grid."""
        if self.writer and path:
            self.writer.add_image("samples", torch.from_numpy(read_image(path)), step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still in memory."""
        if self.writer:
            self.writer.close()


def open_tensorboard(run: Run) -> Board:
    """The board of a run: a real one where the setting asks for it.

    Raises:
        SettingsError: TensorBoard is not installed.
    """
    if not run.config.tensorboard or run.rank:
        return Board(None)
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise SettingsError("TensorBoard is not installed", "Type: pip install 'reskin[logs]'") from None
    return Board(SummaryWriter(str(run.folder / "tensorboard")))
