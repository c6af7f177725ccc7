"""`prepare` on a Ray cluster: the folder is that of one process, whichever processes are killed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.support.drawn_films import everything, shots_film
from tests.support.ray_processes import killing

from reskin.cli.main import main
from reskin.curation.prepare.process_pool import ProcessPool
from reskin.curation.prepare.ray_pool import RayPool, open_pool, perform_on_ray
from reskin.curation.prepare.tasks import scan_task
from reskin.errors import RunError, StorageError
from reskin.ray_cluster import RayAddress


def test_a_cluster_is_a_pool_like_another() -> None:
    assert isinstance(open_pool([], RayAddress("auto")), RayPool)
    pool = open_pool([Path("a"), Path("b")], 2)
    assert isinstance(pool, ProcessPool) and pool.workers == 2


@pytest.mark.sweep
def test_a_process_of_the_cluster_works_in_the_folder_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    shots_film(tmp_path / "a.mp4", [9])
    task = json.dumps(scan_task(Path("a.mp4"), Path("a.json"), shots=False, bars=True))
    result, counts = perform_on_ray(str(tmp_path), task)
    assert len(result["ticks"]) == 9 and counts[0] == counts[1] and (tmp_path / "a.json").exists()
    with pytest.raises(RunError, match=r"has no .*gone"):
        perform_on_ray(str(tmp_path / "gone"), task)


@pytest.mark.parametrize("kind", ["frames", "clips", "faces"])
def test_what_a_cluster_is_not_for_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    shots_film(tmp_path / "a.mp4", [9])
    words = ["prepare", kind, str(tmp_path / "a.mp4"), "--out", str(tmp_path / "out"), "--ray", "auto"]
    assert main([*words, "--dry-run"]) == 2
    assert "Leave --ray or --dry-run out" in capsys.readouterr().err
    if kind != "faces":
        assert main([*words, "--workers", "2"]) == 2
        assert "both --workers and --ray" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_address_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    shots_film(tmp_path / "a.mp4", [9])
    words = ["prepare", "frames", str(tmp_path / "a.mp4"), "--out", str(tmp_path / "out")]
    assert main([*words, "--ray", "here"]) == 2
    assert "Give auto, or HOST:PORT" in capsys.readouterr().err


class WorkerCrashedError(Exception):
    """As Ray has it."""


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (WorkerCrashedError("died"), None),
        (MemoryError("a machine was lost"), RunError),
        (StorageError("the disk is full", "Make room."), StorageError),
    ],
)
def test_a_task_that_fails_is_a_bad_source_or_one_line(
    failure: Exception, raised: type[Exception] | None
) -> None:
    def get(_task: object) -> None:
        raise failure

    class Remote:
        def __init__(self, _function: object) -> None:
            pass

        def remote(self, *_: object) -> str:
            return "task"

    pool = RayPool(RayAddress("auto"))
    known = SimpleNamespace(RayError=Exception, WorkerCrashedError=WorkerCrashedError)
    pool._ray = SimpleNamespace(
        remote=lambda **_: Remote, wait=lambda tasks, num_returns: (tasks, []), get=get, exceptions=known
    )
    task = scan_task(Path("a.mp4"), Path("a.json"), shots=False, bars=False)
    if raised is None:
        (result,) = pool.run([task], lambda *_: None)
        assert "died" in result["bad"]
    else:
        with pytest.raises(raised, match=r"lost|full"):
            pool.run([task], lambda *_: None)


@pytest.mark.slow
@pytest.mark.usefixtures("on_ray")
@pytest.mark.filterwarnings("ignore")
def test_the_folder_is_that_of_one_process_whichever_workers_are_killed(tmp_path: Path) -> None:
    films = [str(shots_film(tmp_path / f"{number}.mp4", [40, 35], seed=number)) for number in range(6)]
    films.append(str(tmp_path / "no film.mp4"))
    Path(films[-1]).write_bytes(b"x" * 4000)
    words = ["prepare", "frames", *films, "--every", "2", "--shots", "--size", "32x32", "--out"]
    with killing("perform_on_ray", times=3, pause=0.05) as killed:
        assert main([*words, str(tmp_path / "ray"), "--ray", "auto"]) == 3  # one is no film
    assert killed
    assert main([*words, str(tmp_path / "alone")]) == 3
    assert everything(tmp_path / "ray") == everything(tmp_path / "alone")
    assert len(everything(tmp_path / "ray")) > 200
