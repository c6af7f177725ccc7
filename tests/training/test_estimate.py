"""What a run will cost: which steps are timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reskin.methods import find
from reskin.training.estimate import TIMED_STEPS
from reskin.training.start import plan_run
from reskin.types import Step


@pytest.mark.parametrize(("length", "first"), [(1000, 492), (TIMED_STEPS, 1), (3, 1)])
@pytest.mark.thinned(3)
@pytest.mark.sweep
def test_steps_from_the_middle_of_the_run_are_timed(
    length: int, first: int, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method such as SimGAN begins with steps that cost a fraction of the later ones."""
    seen: list[Step] = []
    train = find("toy").training_step

    def spy(self: Any, batch: Any, step: Step) -> Any:
        seen.append(step)
        return train(self, batch, step)

    monkeypatch.setattr(find("toy"), "training_step", spy)
    monkeypatch.setattr("reskin.training.estimate.TIMED_SECONDS", float("inf"))
    plan_run("toy", out=tmp_path / "run", **tiny | {"steps": length})
    assert [step.number for step in seen] == [1 + (first - 1 + i) % length for i in range(TIMED_STEPS + 1)]
    assert {step.total for step in seen} == {length}
