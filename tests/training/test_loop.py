"""What a training run does beside learning: refuse, stop before harm, keep checkpoints, share work."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support import small
from tests.support.toys import environment

from reskin.cli.main import main
from reskin.data.batches import Batches
from reskin.errors import CheckpointError, NotFiniteError, RunError, ShapeError, StorageError
from reskin.images import read_image, to_image, to_tensor
from reskin.methods.base import Method
from reskin.methods.cyclegan import CycleGAN
from reskin.runs import checkpoint
from reskin.runs.folder import RunFolder, list_checkpoints
from reskin.runs.load import load
from reskin.runs.run import Run
from reskin.training import loop, start
from reskin.training.estimate import Estimate
from reskin.training.start import train_run
from reskin.types import Batch, Step

Words = Callable[[dict[str, Any]], list[str]]
Differences = Callable[[Path, Path], list[str]]


def with_nan(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Put one NaN pixel into the batch of `step`."""
    at = Batches.at

    def poisoned(self: Batches, now: int) -> Batch:
        batch = at(self, now)
        if now == step:
            batch.b[0, 0, 3, 3] = float("nan")
        return batch

    monkeypatch.setattr(Batches, "at", poisoned)


def test_a_loss_that_is_not_finite_stops_the_run_before_the_weights_change(
    tiny: dict[str, Any],
    tmp_path: Path,
    words_of: Words,
    differences: Differences,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "reskin")
    learnt: list[Method] = []
    build = start.build
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        with_nan(patch, 9)
        patch.setattr(start, "build", lambda *given: learnt.append(build(*given)) or learnt[-1])
        assert main(["train", "toy", "--out", str(run), *words_of(tiny)]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("reskin: loss 'adversarial' is nan at step 9 of "), said
    assert "run the same command again" in said and "--learning-rate" in said

    state, facts = checkpoint.load(list_checkpoints(run)[-1])
    assert facts["step"] == 8  # the end of the second epoch; nothing was learnt since
    for name, parameter in learnt[-1].named_parameters():
        assert parameter.equal(state[f"method.{name}"])
    train_run("toy", out=run, **tiny)
    assert differences(train_run("toy", out=tmp_path / "whole", **tiny), run) == []


@pytest.mark.parametrize("bad", ["cycle", "identity"])
def test_the_loss_that_is_not_finite_is_named(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, batch = small_cyclegan(), Batch(*torch.rand(2, 1, 3, 32, 32))
    method.training_step(batch, Step(1, 1))
    before = [p.detach().clone() for p in method.parameters()]
    calls = iter(["cycle", "cycle", "identity", "identity"])
    monkeypatch.setattr(
        "reskin.methods.cycle.l1",
        lambda image, _: image.mean() * (float("inf") if next(calls) == bad else 1.0),
    )
    with pytest.raises(NotFiniteError, match=f"'{bad}' is -?inf|'{bad}' is nan"):
        method.training_step(batch, Step(1, 1))
    assert all(p.equal(q) for p, q in zip(method.parameters(), before, strict=True))


def test_a_gradient_that_is_not_finite_is_named_too() -> None:
    method = small_cyclegan()
    weight = next(method.gen_a2b.parameters())
    with pytest.raises(NotFiniteError, match="'gradient of generators' is"):
        method.update("generators", root=weight.abs().sum().mul(0).sqrt())  # 0, with an endless slope


small_cyclegan = partial(small.tiny, CycleGAN)


@pytest.mark.sweep
def test_where_the_answer_is_read_later_the_weights_are_kept_all_the_same() -> None:
    method, good = small_cyclegan(), Batch(*torch.rand(2, 1, 3, 32, 32))
    method.checks_later = True
    method.training_step(good, Step(1, 1))
    method.raise_if_broken()
    plain = small_cyclegan()
    assert any(not p.equal(q) for p, q in zip(method.parameters(), plain.parameters(), strict=True))
    before = {key: value.clone() for key, value in optimized(method).items()}
    method.training_step(Batch(good.a, good.b * float("nan")), Step(1, 1))
    method.training_step(good, Step(1, 1))  # it must not learn on from a step that was left out
    after = optimized(method)
    assert before.keys() == after.keys()
    assert [key for key in before if not before[key].equal(after[key])] == []
    with pytest.raises(NotFiniteError, match="loss 'adversarial' is not finite"):
        method.raise_if_broken()


@pytest.mark.sweep
def test_reading_the_answer_later_changes_no_bit() -> None:
    batches = [Batch(*torch.rand(2, 1, 3, 32, 32)) for _ in range(3)]
    ends = []
    for later in (False, True):
        torch.manual_seed(0)
        method = small_cyclegan()
        method.checks_later = later
        for batch in batches:
            method.training_step(batch, Step(1, 1))
        ends.append(optimized(method))
    assert [key for key in ends[0] if not ends[0][key].equal(ends[1][key])] == []


def optimized(method: Method) -> dict[str, torch.Tensor]:
    """Weights and what Adam knows of them."""
    values = {key: p.detach() for key, p in method.named_parameters()}
    for name, optimizer in method.optimizers.items():
        for index, entry in optimizer.state_dict()["state"].items():
            values |= {f"{name}.{index}.{key}": value for key, value in entry.items()}
    return values


def test_the_loop_reads_the_answer_when_it_logs_and_never_saves_a_broken_state(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_step = loop.PlainStep.__call__

    def later(self: loop.PlainStep, batch: Batch, step: Step) -> dict[str, torch.Tensor]:
        self.method.checks_later = True
        return take_step(self, batch, step)

    monkeypatch.setattr(loop.PlainStep, "__call__", later)
    with_nan(monkeypatch, 6)
    with pytest.raises(NotFiniteError, match=r"'adversarial' is not finite by step 8"):
        train_run("toy", out=tmp_path / "run", **tiny | {"log_every": 100, "sample_every": 100})
    assert [path.stem for path in list_checkpoints(tmp_path / "run")] == ["00000004"]


def test_changed_settings_are_refused_by_name(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = train_run("toy", out=tmp_path / "run", **tiny | {"steps": 4})
    with pytest.raises(RunError) as error:
        train_run("toy", out=run, **tiny | {"steps": 6, "width": 6, "cycle_weight": 5, "keep": 7})
    line = str(error.value)
    for change in ("width (4 → 6)", "cycle_weight (10.0 → 5.0)", "steps (4 → 6)"):
        assert change in line
    assert "keep" not in line and "--allow-change" in line


@pytest.mark.sweep
def test_allow_change_goes_on(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Also to a running mean that the run had not: it starts at the weights it finds."""
    run = train_run("toy", out=tmp_path / "run", **tiny | {"steps": 4, "ema": 0.0})
    begun = checkpoint.load(list_checkpoints(run)[-1])[0]
    changed = tiny | {"steps": 6, "learning_rate": 1e-4, "ema": 0.9}
    train_run("toy", out=run, allow_change=True, **changed)
    state = checkpoint.load(list_checkpoints(run)[-1])[0]
    name = "gen_a2b.head.weight"
    assert [row["step"] for row in rows(run)] == [1, 2, 3, 4, 5, 6]
    assert not state[f"method.{name}"].equal(begun[f"method.{name}"])
    assert torch.allclose(state[f"ema.{name}"], begun[f"method.{name}"], atol=1e-3)  # not the first weights
    assert json.loads((run / "config.json").read_text())["settings"]["train"]["ema"] == 0.9
    train_run("toy", out=run, **changed)  # now these are the run's settings


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "losses.jsonl").read_text().splitlines()]


@pytest.mark.sweep
def test_minutes_are_turned_into_steps_once(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, timed = tmp_path / "run", []

    def estimate(*_: Any, **__: Any) -> Estimate:
        timed.append(1)
        return Estimate(0.5 * len(timed), 0, 0)

    monkeypatch.setattr(start, "estimate", estimate)
    budget = tiny | {"steps": None, "minutes": 0.1}
    for _ in range(2):
        train_run("toy", out=run, **budget)
        assert json.loads((run / "config.json").read_text())["resolved"]["steps"] == 12
    assert timed == [1]
    with pytest.raises(RunError, match=r"minutes \(0\.1 → 0\.2\)"):
        train_run("toy", out=run, **budget | {"minutes": 0.2})
    train_run("toy", out=run, allow_change=True, **budget | {"minutes": 0.4})
    assert rows(run)[-1]["step"] == 16  # 0.4 minutes of steps that were timed a third time


@pytest.mark.sweep
def test_as_many_checkpoints_are_kept_as_asked_for(tiny: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    kept = []
    save = Run.save

    def watched(self: Run, step: int, *state: Any) -> None:
        save(self, step, *state)
        kept.append([int(path.stem) for path in list_checkpoints(run)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save", watched)
        patch.setattr(
            Run, "save_is_due", lambda self, step: step % 4 == 0 or step in (6, 20)
        )  # 6: ten minutes
        train_run("toy", out=run, **tiny | {"steps": 20, "keep": 2})
    assert kept == [[4], [4, 6], [4, 8], [4, 8, 12], [8, 12, 16], [12, 16, 20]]


def test_between_epochs_the_state_is_saved_every_ten_minutes(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("reskin.runs.run.time.monotonic", lambda: now[0])
    resolved = {"steps": 99, "epoch_steps": 50, "processes": 1}
    run = Run(tmp_path, start.gather_settings("toy", None, tiny), resolved, saved=0.0)
    due = []
    for step in range(1, 8):
        now[0] += 250
        due.append(run.save_is_due(step))
        run.saved = now[0] if due[-1] else run.saved
    assert due == [False, False, True, False, False, True, False]
    assert run.save_is_due(50) and run.save_is_due(99)


def test_a_full_disk_leaves_the_checkpoint_before(
    tiny: dict[str, Any], tmp_path: Path, differences: Differences
) -> None:
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        flush = os.fsync

        def full(descriptor: int) -> None:
            if (run / "checkpoints" / "00000004.safetensors").exists():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush(descriptor)

        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"no space left to write .* free"):
            train_run("toy", out=run, **tiny)
    assert not list(run.rglob("*.part"))
    assert checkpoint.load(list_checkpoints(run)[-1])[1]["step"] == 4
    train_run("toy", out=run, **tiny)
    assert differences(train_run("toy", out=tmp_path / "whole", **tiny), run) == []


@pytest.mark.sweep
def test_a_damaged_checkpoint_is_passed_over(
    tiny: dict[str, Any], tmp_path: Path, differences: Differences, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "reskin")
    run = train_run("toy", out=tmp_path / "run", **tiny)
    whole = train_run("toy", out=tmp_path / "whole", **tiny)
    *others, last = list_checkpoints(run)
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    train_run("toy", out=run, **tiny)
    assert "checksum differs" in caplog.text and "Trying the one before" in caplog.text
    assert differences(whole, run) == []
    for path in [*others, last]:
        path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* is sound"):
        train_run("toy", out=run, **tiny)


def test_a_missing_tensorboard_is_said_in_one_line(
    tiny: dict[str, Any],
    tmp_path: Path,
    words_of: Words,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.CRITICAL, "reskin")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    words = ["train", "toy", "--out", str(tmp_path / "run"), *words_of(tiny), "--tensorboard"]
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert said == "reskin: TensorBoard is not installed. Type: pip install 'reskin[logs]'"


PROCESS = """
import json, os, signal, sys
from tests.support.toys import register
register()
from pathlib import Path
import torch
torch.set_num_threads(1)
from reskin.exits import InterruptedRunError
from reskin.runs.run import Run
from reskin.training.start import train_run
write = Run.write_losses
for port, out, settings, stop in json.loads(sys.argv[1]):
    os.environ["MASTER_PORT"] = str(port)
    if out.endswith("hurt") and not stop and os.environ["RANK"] == "1":
        (Path(out) / "checkpoints" / "00000010.process1").write_bytes(b"damaged")
    def signalling(run, step, losses):
        write(run, step, losses)
        if step == stop and run.rank == 1:  # the other process must hear of it
            signal.raise_signal(signal.SIGTERM)
    Run.write_losses = signalling
    try:
        train_run("toy", out=out, **settings)
    except InterruptedRunError as error:
        assert stop and "after step 10 of 14" in str(error), error
    else:
        assert not stop
"""


@pytest.fixture(scope="module")
def of_two_processes(tiny: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two processes: `even` without chance, `whole` with it; `run` and `hurt` were stopped once."""
    root = tmp_path_factory.mktemp("processes")
    long = tiny | {"steps": 14, "sample_every": 100}
    jobs = [("even", tiny | EVEN, 0), ("whole", long, 0)]
    jobs += [(out, long, stop) for out in ("run", "hurt") for stop in (3, 0)]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in jobs]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    work = [
        [port, str(root / out), given, stop] for port, (out, given, stop) in zip(ports, jobs, strict=True)
    ]
    env = environment(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1")
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning:reskin", "-c", PROCESS, json.dumps(work)],
            env=env | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=180)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], said
    return root


EVEN = {"pool_size": 0, "has_dropout": False, "steps": 2, "ema": 0.0}


@pytest.mark.sweep
def test_two_processes_learn_what_one_learns_with_twice_the_batch(
    tiny: dict[str, Any], of_two_processes: Path, tmp_path: Path
) -> None:
    one = train_run("toy", out=tmp_path / "one", **tiny | EVEN | {"batch": 2})
    expected = checkpoint.load(list_checkpoints(one)[-1])[0]
    state = checkpoint.load(list_checkpoints(of_two_processes / "even")[-1])[0]
    assert expected.keys() == state.keys()
    for key, value in expected.items():
        # Instance norm takes a constant before it away: its gradient is rounding noise, which Adam enlarges.
        if value.dim() < 2:
            continue
        tolerance = 1e-6 if key.startswith("method.") else 1e-5 * value.abs().max().item()
        assert torch.allclose(state[key], value, rtol=0, atol=tolerance), key


@pytest.mark.parametrize("name", ["run", "hurt"])
@pytest.mark.sweep
def test_two_processes_resume_exactly(of_two_processes: Path, name: str, differences: Differences) -> None:
    """Each has pools of its own beside the checkpoint; where one's are damaged, both go one back (`hurt`)."""
    whole, run = of_two_processes / "whole", of_two_processes / name
    assert differences(whole, run) == []
    pools = [checkpoint.load(folder / "checkpoints" / "00000014.process1")[0] for folder in (whole, run)]
    assert pools[0].keys() == {
        f"method.pool_{side}.{part}" for side in "ab" for part in ("images", "count", "edges")
    }
    assert all(pools[0][key].equal(pools[1][key]) for key in pools[0])
    own = checkpoint.load(list_checkpoints(run)[-1])[0]
    assert not own["method.pool_a.images"].equal(pools[0]["method.pool_a.images"])
    kept = {path.name.split(".")[0] for path in (run / "checkpoints").iterdir()}
    assert kept == {path.stem for path in list_checkpoints(run)}  # pruned together


def test_grids_show_the_running_mean_which_is_also_what_is_loaded(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    run = train_run("toy", out=tmp_path / "run", **tiny | {"load_size": 32})
    model = load(run, device="cpu")
    state = checkpoint.load(list_checkpoints(run)[-1])[0]
    for name, parameter in model.named_parameters():
        assert parameter.equal(state[f"ema.{name}" if name.startswith("gen") else f"method.{name}"])
    middles = [read_image(path)[None] for path in sorted(Path(tiny["a"]).iterdir())]
    with torch.no_grad():
        there = to_image(model.translate(to_tensor(np.concatenate(middles)), "a2b"))
    grid = read_image(run / "samples" / "00000012.png")
    facts = json.loads((run / "samples" / "00000012.json").read_text())
    row = facts["rows"].index("A → B") * 32
    assert np.array_equal(grid[row : row + 32], np.concatenate(list(there), axis=1))


@pytest.mark.sweep
def test_looking_on_changes_nothing(tiny: dict[str, Any], tmp_path: Path) -> None:
    quiet = tiny | {"sample_every": 100, "log_every": 100, "save_every": 100, "keep": 1}
    ends = [
        checkpoint.load(list_checkpoints(train_run("toy", out=tmp_path / name, **settings))[-1])[0]
        for name, settings in {"often": tiny | {"sample_every": 3}, "rarely": quiet}.items()
    ]
    assert [key for key in ends[0] if not ends[0][key].equal(ends[1][key])] == []


def test_each_step_of_each_process_has_chances_of_its_own() -> None:
    drawn = set()
    for seed, step, rank in [(0, 1, 0), (0, 2, 0), (0, 1, 1), (1, 1, 0), (0, 1, 0)]:
        loop.seed_step(seed, step, rank)
        drawn.add(torch.rand(()).item())
    assert len(drawn) == 4


@pytest.mark.sweep
def test_a_run_that_has_learnt_nothing_may_be_begun_with_other_settings(
    tiny_cyclegan: dict[str, Any], tmp_path: Path
) -> None:
    """A refused size leaves config.json behind; the corrected command must not be refused for it."""
    run = tmp_path / "run"
    with pytest.raises(ShapeError, match="multiples of 512"):
        start.train_run("cyclegan_unet", out=run, **tiny_cyclegan | {"downsamplings": 9})
    assert (run / "config.json").exists()
    start.train_run("cyclegan_unet", out=run, **tiny_cyclegan | {"downsamplings": 5, "steps": 1})
    assert RunFolder(run).last_step == 1


def test_a_config_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"name": "something"}', encoding="utf-8")
    with pytest.raises(RunError, match="names no method"):
        load(tmp_path)
