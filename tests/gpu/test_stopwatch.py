"""How training tells waiting from learning where the device has a queue of its own."""

from __future__ import annotations

import time

import pytest
import torch

from reskin.training.health import Stopwatch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


@pytest.mark.parametrize(("busy", "pause", "low", "high"), [(20, 0.002, 0.0, 0.2), (1, 0.02, 0.7, 1.0)])
def test_only_waits_that_the_device_feels_count(busy: int, pause: float, low: float, high: float) -> None:
    """A batch made while the device is busy with the step before costs nothing, however long it takes."""
    device = torch.device("cuda")
    matrix = torch.rand(4096, 4096, device=device)
    (matrix @ matrix).sum().item()
    watch, total = Stopwatch(device), torch.zeros((), device=device)
    began = time.perf_counter()
    for _ in range(20):
        watch.mark()
        time.sleep(pause)  # the batch
        watch.mark()
        for _ in range(busy):
            total += (matrix @ matrix).sum()
        watch.mark()
    total.item()  # as the losses are read
    took = time.perf_counter() - began
    waits, learns = watch.seconds()
    assert low <= waits / (waits + learns) <= high
    assert waits + learns == pytest.approx(took, rel=0.2)
