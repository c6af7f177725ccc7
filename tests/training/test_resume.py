"""A run that was stopped, killed or split ends in the same bits as one that never stopped (A01, A07, A10)."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.toys import COMMAND, environment
from torch import Tensor

from reskin.data.batches import Batches
from reskin.exits import InterruptedRunError
from reskin.runs import checkpoint
from reskin.runs.folder import list_checkpoints
from reskin.runs.run import Run
from reskin.runs.settings import TrainConfig
from reskin.training.start import train_run

pytestmark = pytest.mark.usefixtures("usual_signals")

SMALL_CYCLEGAN = {"width": 4, "blocks": 1, "disc_layers": 1}
Differences = Callable[[Path, Path], list[str]]
Words = Callable[[dict[str, Any]], list[str]]


def stopped(
    settings: dict[str, Any],
    out: Path,
    at: int,
    *,
    method: str = "toy",
    number: signal.Signals = signal.SIGTERM,
) -> str:
    """Begin a run and stop it by a signal in step `at`; what it says."""
    write = Run.write_losses

    def signalling(run: Run, step: int, losses: dict[str, float]) -> None:
        write(run, step, losses)
        if step == at:
            signal.raise_signal(number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "write_losses", signalling)
        with pytest.raises(InterruptedRunError) as error:
            train_run(method, out=out, **settings)
    assert error.value.exit_code == 128 + number
    assert list_checkpoints(out)[-1].stem == f"{at:08d}"
    return str(error.value)


@pytest.fixture(scope="module")
def whole(tiny: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbed."""
    return train_run("toy", out=tmp_path_factory.mktemp("whole") / "run", **tiny)


def test_the_run_has_everything_that_a_resumed_one_could_lose(whole: Path) -> None:
    state = checkpoint.load(list_checkpoints(whole)[-1])[0]
    assert int(state["method.pool_a.count"]) == 2  # full
    assert any(key.startswith("ema.gen_a2b") for key in state)
    assert any(key.startswith("optimizer.discriminators") for key in state)


@pytest.mark.sweep
def test_stopped_twice_it_ends_in_the_same_bits(
    tiny: dict[str, Any], whole: Path, tmp_path: Path, differences: Differences
) -> None:
    said = stopped(tiny, tmp_path / "run", 5)
    assert "stopped and saved after step 5 of 12. Go on with: " in said
    stopped(tiny, tmp_path / "run", 8, number=signal.SIGINT)
    train_run("toy", out=tmp_path / "run", **tiny)
    assert differences(whole, tmp_path / "run") == []


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("toy", {"precision": "bf16"}),
        ("toy", {"norm": "batch", "batch": 2}),
        pytest.param("cyclegan", SMALL_CYCLEGAN | {"precision": "bf16"}, marks=pytest.mark.slow),
    ],
    ids=["bf16", "batch norm", "bf16 with instance norms"],
)
@pytest.mark.sweep
def test_the_same_holds_in_other_settings(
    tiny: dict[str, Any], tmp_path: Path, differences: Differences, method: str, changes: dict[str, Any]
) -> None:
    settings = tiny | changes
    train_run(method, out=tmp_path / "whole", **settings)
    stopped(settings, tmp_path / "run", 7, method=method)
    train_run(method, out=tmp_path / "run", **settings)
    assert differences(tmp_path / "whole", tmp_path / "run") == []


def test_what_was_done_after_the_last_checkpoint_is_done_again(
    tiny: dict[str, Any], whole: Path, tmp_path: Path, differences: Differences
) -> None:
    """As after a kill: newer loss lines, a line cut short, a half-written file."""
    run = tmp_path / "run"
    stopped(tiny, run, 5)
    with open(run / "losses.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 6, "epoch": 2, "losses": {}}\n{"step": 7, "los')
    (run / "checkpoints" / ".123-abc.part").write_bytes(b"half")
    train_run("toy", out=run, **tiny)
    assert differences(whole, run) == []
    assert not list(run.rglob("*.part"))


def test_a_finished_run_is_left_alone(tiny: dict[str, Any], whole: Path) -> None:
    before = {
        path: path.read_bytes() for path in whole.rglob("*") if path.is_file() and path.name != "log.txt"
    }
    train_run("toy", out=whole, **tiny)
    assert before == {path: path.read_bytes() for path in before}
    assert "is complete" in (whole / "log.txt").read_text(encoding="utf-8").splitlines()[-1]


State = dict[str, Tensor]


def emptied(*beginnings: str) -> Callable[[State], State]:
    """The state with zeros in every tensor whose name begins so."""
    return lambda state: {
        key: value * 0 if key.startswith(beginnings) else value for key, value in state.items()
    }


def without(beginning: str) -> Callable[[State], State]:
    return lambda state: {key: value for key, value in state.items() if not key.startswith(beginning)}


def moments(ending: str) -> Callable[[State], State]:
    return lambda state: {key: value * 0 if key.endswith(ending) else value for key, value in state.items()}


SPOILT: dict[str, Callable[[State], State]] = {
    "pool of A": emptied("method.pool_a"),
    "pool of B": emptied("method.pool_b"),
    "running mean": without("ema."),
    "optimizer of the generators": without("optimizer.generators"),
    "optimizer of the discriminators": without("optimizer.discriminators"),
    "mean gradients": moments(".exp_avg"),
    "mean squared gradients": moments(".exp_avg_sq"),
    "step count of Adam": moments(".step"),
    "a generator": emptied("method.gen_b2a"),
    "a discriminator": emptied("method.disc_a"),
}


@pytest.fixture(scope="module")
def halfway(tiny: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that was stopped after step 5."""
    run = tmp_path_factory.mktemp("half") / "run"
    stopped(tiny, run, 5)
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def laid_out(files: dict[str, bytes], run: Path) -> Path:
    for name, content in files.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    return run


@pytest.mark.parametrize("item", [None, *SPOILT])
@pytest.mark.thinned(5, first=4)
def test_each_item_of_the_state_is_needed(
    item: str | None,
    tiny: dict[str, Any],
    whole: Path,
    halfway: dict[str, bytes],
    tmp_path: Path,
    differences: Differences,
) -> None:
    """The test of exact resume can fail: without any one item the run ends elsewhere."""
    run = laid_out(halfway, tmp_path / "run")
    last = list_checkpoints(run)[-1]
    state, facts = checkpoint.load(last)
    spoilt = state if item is None else SPOILT[item](state)
    assert item is None or len(spoilt) < len(state) or any(not spoilt[key].equal(state[key]) for key in state)
    checkpoint.save(last, spoilt, facts)
    train_run("toy", out=run, **tiny)
    assert bool(differences(whole, run)) == (item is not None)


@pytest.mark.parametrize("item", ["seed of each step", "position in the data", "schedule"])
@pytest.mark.thinned(3)
def test_each_function_of_the_step_is_needed(
    item: str,
    tiny: dict[str, Any],
    whole: Path,
    halfway: dict[str, bytes],
    tmp_path: Path,
    differences: Differences,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = laid_out(halfway, tmp_path / "run")
    at, multiplier = Batches.at, TrainConfig.multiplier
    if item == "seed of each step":
        monkeypatch.setattr("reskin.training.loop.seed_step", lambda *_: None)
    elif item == "position in the data":
        monkeypatch.setattr(Batches, "at", lambda self, step: at(self, step - 5))
    else:
        monkeypatch.setattr(TrainConfig, "multiplier", lambda self, step, n: multiplier(self, step - 5, n))
    train_run("toy", out=run, **tiny)
    assert differences(whole, run)


def begin(method: str, settings: dict[str, Any], out: Path, words_of: Words) -> Any:
    """`reskin train` in a process of its own."""
    words = [sys.executable, "-c", COMMAND, "train", method, "--out", str(out), *words_of(settings)]
    return subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
@pytest.mark.sweep
def test_a_signal_from_outside_saves_and_says_how_to_go_on(
    number: signal.Signals,
    tiny: dict[str, Any],
    tmp_path: Path,
    differences: Differences,
    words_of: Words,
) -> None:
    settings = tiny | {"steps": 100_000, "sample_every": 10**6, "save_every": 10**4}
    run, whole = tmp_path / "run", tmp_path / "whole"
    process = begin("toy", settings, run, words_of)
    while process.poll() is None and not (run / "losses.jsonl").exists():
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number, said
    end = int(list_checkpoints(run)[-1].stem)
    wanted = f"reskin: stopped and saved after step {end} of 100000. Go on with: reskin train"
    assert wanted in said
    assert f"--out {run}" in said and "Traceback" not in said
    assert not (run / ".lock").exists()

    stopped(settings, whole, end + 3)
    stopped(settings, run, end + 3)
    assert differences(whole, run) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_twenty_moments_it_ends_in_the_same_bits(
    tiny: dict[str, Any],
    tmp_path: Path,
    differences: Differences,
    words_of: Words,
) -> None:
    settings = (
        tiny | SMALL_CYCLEGAN | {"steps": 1600, "epochs": 800, "decay_epochs": 400, "sample_every": 100}
    )
    whole, run = tmp_path / "whole", tmp_path / "run"
    undisturbed = begin("cyclegan", settings, whole, words_of)
    chance, kills, progress = random.Random(0), 0, []
    while kills < 20:
        before = len(list_checkpoints(run)) and int(list_checkpoints(run)[-1].stem)
        process = begin("cyclegan", settings, run, words_of)
        log = run / "losses.jsonl"
        size = log.stat().st_size if log.exists() else 0
        if kills % 5:  # every fifth falls anywhere, also while it starts
            while process.poll() is None and (not log.exists() or log.stat().st_size <= size):
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 1.2))
        else:
            time.sleep(chance.uniform(0, 4))
        assert process.poll() is None, process.communicate()[1]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        found = list_checkpoints(run)
        assert not found or checkpoint.load(found[-1])[1]["step"] >= before
        progress.append(int(found[-1].stem) if found else 0)
    assert 0 < progress[-1] < 1600, f"no fair test: steps at the kills were {progress}"
    last = begin("cyclegan", settings, run, words_of)
    assert last.communicate(timeout=600)[0] is None and last.returncode == 0
    assert undisturbed.communicate(timeout=600)[0] is None and undisturbed.returncode == 0
    assert differences(whole, run) == []
    assert len(list_checkpoints(run)) == 3 and not list(run.rglob("*.part"))
