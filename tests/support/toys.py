"""Makes the method `toy` known by its name, as if its file were in the package."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reskin import methods

FOLDER = str(Path(__file__).parent / "toy")
ROOT = Path(__file__).parents[2]
COMMAND = """
import sys
from tests.support.toys import register
register()
sys.argv[0] = "reskin"
from reskin.cli.main import main
raise SystemExit(main())
"""
"""`reskin`, with the toy, for `python -c` in the `environment`."""


def environment(**more: str) -> dict[str, str]:
    """What a process of its own needs to find the package and these tests; one thread, no other processes."""
    kept = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
    path = os.pathsep.join([str(ROOT), str(ROOT / "src"), kept.get("PYTHONPATH", "")])
    return kept | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | more


def register() -> None:
    """For the rest of this process: `reskin train toy`, `train_run("toy")`."""
    if FOLDER not in methods.__path__:
        methods.__path__.append(FOLDER)


@contextmanager
def registered() -> Iterator[None]:
    """The same inside of the block, so that tests of all methods do not see it."""
    is_known = FOLDER in methods.__path__
    register()
    try:
        yield
    finally:
        if not is_known:
            methods.__path__.remove(FOLDER)
            sys.modules.pop("reskin.methods.toy", None)
