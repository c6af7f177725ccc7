"""Commands that are killed at any write: the same command then ends as one that was never stopped."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator

import pytest
from tests.contract.test_failing_writes import commands, result
from tests.support.disk import Disk, Killer
from tests.support.finished_folders import (
    Kept,
    draw_sources,
    make_asked,
    make_datasets,
    make_given,
    make_runs,
    see_drawn_faces,
)

from reskin import storage
from reskin.cli.main import main

KILLS = int(os.environ.get("RESKIN_TEST_KILLS", "3"))
"""Moments at which each command is killed."""

NAMES = (
    *(
        "images",
        "frames",
        "clips",
        "faces",
        "split",
        "screen",
        "balance",
        "inspect",
        "train",
        "folder",
        "video",
    ),
    *("download", "import", "evaluate", "report", "export", "stylize", "make"),
    *("picture", "styles", "compared", "grid", "interpolate", "paint", "undo"),
    *("study-new", "study-results", "compare", "segmenter"),
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kills")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESKIN_CACHE", str(folder / "base" / "cache"))
        see_drawn_faces(patch)
        yield Kept(folder, draw_sources, make_datasets, make_runs, make_given, make_asked)


@pytest.fixture(scope="module")
def killer(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    found = Killer(kept.base, tmp_path_factory.mktemp("killer") / "said.txt")
    yield found
    found.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs SIGKILL and /proc")
@pytest.mark.parametrize("name", NAMES)
def test_killed_and_run_again(kept: Kept, killer: Killer, name: str) -> None:
    words = commands(kept.base)[name]
    kept.renew()
    with pytest.MonkeyPatch.context() as patch:
        counting = Disk(kept.base)
        counting.install(patch)
        assert main(list(words)) == 0
    undisturbed = result(kept.base)
    moments = random.Random(0).sample(range(counting.calls), min(KILLS - 1, counting.calls - 1))
    for moment in [*moments, counting.calls - 1]:  # the last one is after the last rename
        kept.renew()
        assert killer.run(moment, words) == -signal.SIGKILL, killer.said.read_text()[-1000:]
        storage._swept.clear()  # what a process of its own begins with
        assert main(list(words)) == 0, (name, moment)
        left = result(kept.base)
        other = sorted(key for key in {*left, *undisturbed} if left.get(key, "") != undisturbed.get(key, ""))
        assert not other, (name, moment, other)
