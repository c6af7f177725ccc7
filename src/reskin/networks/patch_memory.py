"""Patches of the last few batches, so that a batch is judged as a part of its domain and not as all of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reskin.errors import SettingsError


class PatchMemory(nn.Module):
    """Keeps the patches of the last batches; all that it knows is in its state_dict.

    Args:
        batches: how many earlier batches are kept; 0 for none.
        patches: of each batch.
        values: of each patch.

    Raises:
        SettingsError: a number below 0.

    >>> memory = PatchMemory(batches=2, patches=1, values=3)
    >>> [len(memory(torch.full((1, 3), float(step)))) for step in range(4)]
    [1, 2, 3, 3]
    """

    kept: Tensor
    count: Tensor

    def __init__(self, *, batches: int, patches: int, values: int) -> None:
        super().__init__()
        if min(batches, patches, values) < 0:
            raise SettingsError(f"a memory of {batches} batches of {patches} patches", "Give 0 or more.")
        self.register_buffer("kept", torch.zeros(batches, patches, values))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, patches: Tensor) -> Tensor:
        """The newest patches followed by those of earlier batches, which take no gradient.

        Args:
            patches: (patches, values).

        Returns:
            (patches * n, values), n up to `batches` + 1.
        """
        number = min(int(self.count), len(self.kept))
        together = torch.cat([patches, self.kept[:number].flatten(0, 1).clone()])
        if len(self.kept):
            with torch.no_grad():
                self.kept[int(self.count) % len(self.kept)] = patches
                self.count += 1
        return together
