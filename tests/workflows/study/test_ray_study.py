"""A study on a Ray cluster: the same scores as in one process, whichever processes are killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.ray_processes import killing

from reskin.cli.main import main
from reskin.errors import RunError
from reskin.evaluation.request import Request
from reskin.images import write_image
from reskin.storage import read_json
from reskin.workflows.study.cells import cells_of, is_complete
from reskin.workflows.study.plan import Row, Study
from reskin.workflows.study.ray_cells import complete_here, complete_on_ray

COMMON = "--width 4 --blocks 1 --disc-layers 1 --crop-size 32 --load-size 32 --device cpu --precision fp32"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two domains with three splits."""
    draw = np.random.default_rng(0)
    for name in ("trainA", "trainB", "valA", "valB", "testA", "testB"):
        for index in range(3):
            write_image(
                tmp_path / "data" / name / f"{index}.png", draw.integers(0, 256, (32, 32, 3), np.uint8)
            )
    return tmp_path / "data"


def words(data: Path, out: Path, steps: int) -> list[str]:
    named = ["--methods", "cyclegan", "--variants", "cyclegan:--preset gan_alone", "--metrics", "cycle_l1"]
    length = ["--seeds", "2", "--steps", str(steps), "--common", COMMON]
    return ["compare", *named, *length, "--a", str(data), "--b", str(data), "--out", str(out)]


def scores(out: Path) -> dict[str, Any]:
    """Those of the last checkpoint of each cell; which is best depends on when there was time to score."""
    cells = {str(path.relative_to(out)): read_json(path) for path in out.glob("cells/*/*/cell.json")}
    return {name: cell["scores"]["last"] for name, cell in cells.items()}


def small(data: Path, out: Path) -> Study:
    common = {"width": 4, "blocks": 1, "disc_layers": 1, "crop_size": 32, "load_size": 32, "device": "cpu"}
    request = Request(a=data, b=data, metrics=("cycle_l1",))
    return Study(out, (Row("cyclegan", "cyclegan"),), 1, {"steps": 2}, request, common)


@pytest.mark.sweep
def test_a_process_of_the_cluster_works_in_the_folder_of_the_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths of the command may be relative, and are part of what a cell is known by."""
    study = small(Path("data"), Path("x"))
    (cell,) = cells_of(study)
    monkeypatch.chdir("/")
    complete_here(str(tmp_path), cell, study, "digest")
    assert Path.cwd() == tmp_path and is_complete(cell, study, "digest")
    assert not is_complete(cell, study, "other data")
    # Where all is known, no cluster is asked for, which is not there.
    seen: list[tuple[int, int]] = []
    report: Callable[..., None] = lambda done, total, _what: seen.append((done, total))  # noqa: E731
    complete_on_ray([cell], study, "digest", "nowhere:1", report=report)
    assert seen == [(1, 1)]


def test_a_machine_without_the_folder_is_named(tmp_path: Path) -> None:
    study = small(tmp_path, tmp_path)
    with pytest.raises(RunError, match=r"has no .*gone: Work in a folder|has no .*gone\. Work in a folder"):
        complete_here(str(tmp_path / "gone"), cells_of(study)[0], study, "")


@pytest.mark.parametrize("address", ["here", "host:99999"])
def test_what_is_no_address(data: Path, capsys: pytest.CaptureFixture[str], address: str) -> None:
    pytest.importorskip("ray")
    assert main([*words(data, data.parent / "x", 2), "--ray", address]) == 2
    assert "Give auto, or HOST:PORT" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("on_ray")
@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_one_process_whichever_workers_are_killed(data: Path, tmp_path: Path) -> None:
    with killing("complete_here", times=3, pause=1.5) as killed:
        assert main([*words(data, tmp_path / "ray", 120), "--ray", "auto"]) == 0
    assert killed
    assert main(words(data, tmp_path / "alone", 120)) == 0
    assert scores(tmp_path / "ray") == scores(tmp_path / "alone") != {}
    assert len(scores(tmp_path / "ray")) == 4
