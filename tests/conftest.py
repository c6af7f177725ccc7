"""What every test relies on: one torch thread, a known seed, the folder of real test data.

And how the tests are found and shared among processes, so that this takes little time.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.ray_processes import on_ray  # noqa: F401 - a fixture
from tests.support.thinning import thin

PACKAGE = Path(__file__).parents[1] / "src"

# pytest compiles the asserts of 170 files: 15 s in each process, unless __pycache__ keeps them.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

with suppress(ModuleNotFoundError):  # `make gpu` does without it
    from hypothesis import HealthCheck, settings

    # Drawn examples are the same in every run, and a busy machine, on which one takes long, is no fault.
    settings.register_profile(
        "reskin", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("reskin")


class OnlyWithExamples:
    """Files of the package without an example are not imported to look for doctests."""

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Whether to pass a file over; None leaves that to others."""
        is_module = collection_path.suffix == ".py" and collection_path.is_relative_to(PACKAGE)
        return True if is_module and b">>>" not in collection_path.read_bytes() else None


def pytest_configure(config: pytest.Config) -> None:
    """See to files outside of this folder too; nothing that is imported or collected is garbage yet."""
    config.pluginmanager.register(OnlyWithExamples())
    gc.disable()


def pytest_sessionstart(session: pytest.Session) -> None:
    """One thread, where tests are run: in several processes the first only shares them out."""
    if not getattr(session.config.option, "numprocesses", None):
        import torch

        torch.set_num_threads(1)


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before `-m` chooses: of tests with many cases the fast ones stay, the others are marked `sweep`."""
    thin(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed goes from process to process as UTF-8, which names of files need not be."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode()) for title, text in report.sections
    ]
    return report


def pytest_collection_finish() -> None:
    """Leave modules and test items, which stay until the end, out of every later search for garbage.

    And let torch's fifty loggers hand on what they say: pytest listens at the root, and for each part of each
    test anew at every logger that hands on nothing.
    """
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("torch") and isinstance(logger, logging.Logger):
            logger.propagate = True
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _seed() -> None:
    import torch

    torch.default_generator.manual_seed(0)  # torch.manual_seed looks for graphics cards: a ms for each test


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Files reach the disk when the system likes: no test cuts the power; tests of a full disk patch this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # which refuses a closed file too
        yield


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """Signals mean what they mean in a terminal, to processes begun from here too.

    What runs in the background of a script, or under `nohup`, ignores some, and hands that on.
    """
    usual = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL, "SIGTERM": signal.SIG_DFL}
    before = {
        number: signal.signal(number, handler)
        for name, handler in usual.items()
        if (number := getattr(signal, name, None)) is not None
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures and films; tests that want it are skipped where it is not."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RESKIN_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real test data at {folder}; set RESKIN_TEST_DATA to its folder")
    return folder
