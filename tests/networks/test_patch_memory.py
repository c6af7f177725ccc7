"""The memory of patches: newest first, older ones behind, all of it in the state."""

from __future__ import annotations

import pytest
import torch

from reskin.errors import SettingsError
from reskin.networks.patch_memory import PatchMemory


def test_the_last_batches_follow_the_newest_and_take_no_gradient() -> None:
    memory = PatchMemory(batches=2, patches=1, values=2)
    for step in range(4):
        memory(torch.full((1, 2), float(step)))
    newest = torch.full((1, 2), 9.0, requires_grad=True)
    together = memory(newest)
    assert together[0].tolist() == [9.0, 9.0] and sorted(together[1:, 0].tolist()) == [2.0, 3.0]
    together.sum().backward()
    assert newest.grad is not None and newest.grad.tolist() == [[1.0, 1.0]]


def test_it_goes_on_from_its_state() -> None:
    one, two = (PatchMemory(batches=3, patches=2, values=1) for _ in range(2))
    for step in range(5):
        one(torch.full((2, 1), float(step)))
    two.load_state_dict(one.state_dict())
    assert torch.equal(one(torch.zeros(2, 1)), two(torch.zeros(2, 1)))


def test_without_batches_only_the_newest() -> None:
    memory = PatchMemory(batches=0, patches=1, values=1)
    assert [len(memory(torch.zeros(1, 1))) for _ in range(3)] == [1, 1, 1]
    with pytest.raises(SettingsError):
        PatchMemory(batches=-1, patches=1, values=1)
