"""A training step equals the one of the papers' equations, in gradients and in weights."""

from __future__ import annotations

import pytest
from tests.parity.compare import METHODS, compare

EDGES = {"cut": 24, "fastcut": 24}
"""Of pictures for methods that here compare each position with each other: it grows with the fourth power."""


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.sweep
def test_a_step_is_that_of_the_paper(name: str, count: int) -> None:
    found = compare(name, count=count, edge=EDGES.get(name, 32))
    assert len(found.gradients) == 2
    assert max(found.gradients.values()) < 1e-9
    assert found.weights < 1e-7


@pytest.mark.sweep
def test_a_wrong_weight_of_a_term_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "cyclegan", METHODS["cyclegan"] | {"identity_weight": 0.501})
    assert max(compare("cyclegan").gradients.values()) > 1e-5
