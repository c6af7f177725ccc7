"""The first losses of every method are those that are stored."""

from __future__ import annotations

import json

import pytest
from tests.contract.first_losses import FILE, first_losses

from reskin.methods import trained_names

STORED = json.loads(FILE.read_text(encoding="utf-8"))


def test_every_method_has_its_losses_stored() -> None:
    assert sorted(STORED) == trained_names()


@pytest.mark.parametrize("name", trained_names())
@pytest.mark.thinned(5)
def test_they_are_what_they_were(name: str) -> None:
    """A change on purpose: python -m tests.contract.first_losses, and say so in the commit."""
    found = first_losses(name)
    assert [sorted(losses) for losses in found] == [sorted(losses) for losses in STORED[name]]
    for losses, stored in zip(found, STORED[name], strict=True):
        assert losses == pytest.approx(stored, rel=1e-6, abs=1e-12)
