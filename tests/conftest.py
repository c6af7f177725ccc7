"""What every test relies on: one torch thread, a known seed, the folder of real test data.

And how the tests are found and shared among processes, so that this takes little time.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

torch.set_num_threads(1)

# pytest compiles the asserts of 170 files: 15 s in each process, unless __pycache__ keeps them.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Of files in this folder the tests; doctests are looked for in the package alone."""
    found = yield
    return [collector for collector in found if type(collector).__name__ != "DoctestModule"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """In several processes all tests of a file go to one, which makes what they share once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


def pytest_collection_finish() -> None:
    """Leave modules and test items, which stay until the end, out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Files reach the disk when the system likes: no test cuts the power; tests of a full disk patch this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # which refuses a closed file too
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures and films; tests that want it are skipped where it is not."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RESKIN_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real test data at {folder}; set RESKIN_TEST_DATA to its folder")
    return folder
