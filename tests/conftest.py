"""What every test relies on: one torch thread, a known seed, the folder of real test data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures and films; tests that want it are skipped where it is not."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RESKIN_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real test data at {folder}; set RESKIN_TEST_DATA to its folder")
    return folder
