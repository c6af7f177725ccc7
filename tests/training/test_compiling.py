"""`--compile auto`: when it compiles, that a run stays the same by it, and what earlier versions wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reskin.cli.train import read_arguments
from reskin.errors import SettingsError
from reskin.exits import InterruptedRunError
from reskin.methods import find
from reskin.runs.settings import sort_settings
from reskin.training import compiling
from reskin.training.compiling import Costs, Decision, recorded, weigh
from reskin.training.signals import StopRequest
from reskin.training.start import plan_run, train_run


@dataclass
class Machine:
    """A clock that only steps of training move, and a compiler that only marks a network."""

    plain: float = 600.0
    compiled: float = 300.0
    warm_up: float = 900.0
    seconds: float = 0.0
    networks: int = 0
    compiled_steps: int = 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Twelve steps take two hours here and one when they are compiled, which takes a quarter of an hour."""
    made, learn = Machine(), find("toy").training_step

    def mark(network: Any) -> None:
        network.is_marked = True
        made.networks += 1

    def step(self: Any, batch: Any, number: Any) -> Any:
        if any(getattr(child, "is_marked", False) for child in self.children()):
            is_first = not getattr(self, "has_begun", False)
            made.seconds += made.compiled + (made.warm_up if is_first else 0.0)
            made.compiled_steps += 1
            self.has_begun = True
        else:
            made.seconds += made.plain
        return learn(self, batch, number)

    monkeypatch.setattr(nn.Module, "compile", mark)
    monkeypatch.setattr(find("toy"), "training_step", step)
    monkeypatch.setattr(compiling, "missing_compiler", lambda device: "")
    monkeypatch.setattr("reskin.training.estimate.time.perf_counter", lambda: made.seconds)
    return made


def config_of(run: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((run / "config.json").read_text(encoding="utf-8"))
    return config


@pytest.mark.sweep
@pytest.mark.parametrize("seconds", [Machine.compiled, 590.0])
def test_the_timed_steps_leave_no_trace(
    seconds: float,
    machine: Machine,
    tiny: dict[str, Any],
    tmp_path: Path,
    differences: Callable[[Path, Path], list[str]],
) -> None:
    """Weights, chance and order are those of a run of which the answer was known."""
    machine.compiled = seconds
    expected = "on" if seconds == Machine.compiled else "off"
    auto = train_run("toy", out=tmp_path / "auto", **tiny, compile="auto")
    assert config_of(auto)["resolved"]["compile"] == expected
    assert config_of(auto)["settings"]["train"]["compile"] == "auto"
    known = train_run("toy", out=tmp_path / "known", **tiny, compile=expected)
    assert differences(auto, known) == []
    lines = (auto / "log.txt").read_text(encoding="utf-8")
    assert lines.count("s a step instead of 600 s") == 1
    assert "compiled" not in (known / "log.txt").read_text(encoding="utf-8")


@pytest.mark.sweep
def test_a_run_that_goes_on_keeps_what_was_decided(
    machine: Machine,
    tiny: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    differences: Callable[[Path, Path], list[str]],
) -> None:
    whole = train_run("toy", out=tmp_path / "whole", **tiny, compile="auto")
    with monkeypatch.context() as patched:
        patched.setattr(StopRequest, "agreed", lambda self, step, device: 2 if step == 5 else 0)
        with pytest.raises(InterruptedRunError):
            train_run("toy", out=tmp_path / "run", **tiny, compile="auto")
    machine.compiled, machine.compiled_steps = 590.0, 0  # would be "off" if it were asked again
    run = train_run("toy", out=tmp_path / "run", **tiny, compile="auto")
    assert config_of(run)["resolved"]["compile"] == "on"
    assert machine.compiled_steps == tiny["steps"] - 5  # none was timed
    assert differences(whole, run) == []


def test_short_runs_do_not_try_the_compiler(machine: Machine, tiny: dict[str, Any], tmp_path: Path) -> None:
    machine.plain = 149.0  # twelve take a second less than half an hour
    run = train_run("toy", out=tmp_path / "run", **tiny, compile="auto")
    assert config_of(run)["resolved"]["compile"] == "off" and machine.networks == 0
    assert "the run takes about 29 min 48 s" in (run / "log.txt").read_text(encoding="utf-8")


def test_of_a_few_minutes_nothing_is_timed(machine: Machine, tiny: dict[str, Any]) -> None:
    def make(kind: object) -> Any:
        raise AssertionError("no method is needed")

    compute = compiling.Compute(torch.device("cpu"), "fp32")
    batches: Any = None
    decision = compiling.decide(make, batches, compute, steps=12, minutes=29.9, graphed=False)
    assert decision.value == "off" and "29 min 54 s" in decision.why


@pytest.mark.sweep
def test_a_compiler_that_fails_is_left_out(
    machine: Machine, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(network: nn.Module) -> None:
        raise RuntimeError("g++: internal error\nand more")

    monkeypatch.setattr(nn.Module, "compile", fail)
    run = train_run("toy", out=tmp_path / "run", **tiny, compile="auto")
    text = (run / "log.txt").read_text(encoding="utf-8")
    assert "not compiled: it fails here (g++: internal error)" in text and "and more" not in text
    assert config_of(run)["resolved"]["compile"] == "off"


@pytest.mark.sweep
def test_without_a_compiler(tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real search for one, in a machine that has none."""
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    run = train_run("toy", out=tmp_path / "run", **tiny, compile="auto")
    text = (run / "log.txt").read_text(encoding="utf-8")
    assert text.count("not compiled: there is no C++ compiler in this machine") == 1
    with pytest.raises(SettingsError, match="no C\\+\\+ compiler"):
        train_run("toy", out=tmp_path / "other", **tiny, compile="on")


def test_several_processes_have_to_ask_for_it(machine: Machine, tiny: dict[str, Any], tmp_path: Path) -> None:
    from reskin.processes import Processes
    from reskin.training import start

    settings = sort_settings("toy", tiny | {"compile": "auto"})
    compute = compiling.Compute(torch.device("cpu"), "fp32")
    nothing: Any = None
    decision = start._decide(
        settings, None, batches=nothing, compute=compute, epoch_steps=4, processes=Processes(0, 2)
    )
    assert decision.value == "off" and "--compile on" in decision.why


@pytest.mark.sweep
def test_a_dry_run_says_it(machine: Machine, tiny: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_run("toy", out=tmp_path / "run", **tiny, compile="auto")
    assert [line for line in plan.warnings if line.startswith("compiled: 300 s a step instead of 600 s")]
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("plain", "compiled", "seconds", "expected"),
    [
        (Costs(1, 1), Costs(601, 0.5), 1202, "on"),  # 600.5 s at the start, 601 s saved
        (Costs(1, 1), Costs(601, 0.5), 1200, "off"),
        (Costs(100, 1), Costs(130, 0.5), 100, "on"),  # of its first step, 99 s are none of the compiler's
        (Costs(1, 1), Costs(1, 0.96), 1e9, "off"),  # within the machine's unrest
        (Costs(1, 1), Costs(1, 2), 1e9, "off"),
    ],
)
def test_what_is_won_is_weighed_against_the_start(
    plain: Costs, compiled: Costs, seconds: float, expected: str
) -> None:
    assert weigh(plain, compiled, seconds).value == expected


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        ({"resolved": {"compile": "on"}, "settings": {"train": {"compile": "auto"}}}, Decision("on")),
        ({"settings": {"train": {"compile": True}}}, Decision("on")),  # versions with a switch
        ({"resolved": {"steps": 3}, "settings": {"train": {"compile": False}}}, Decision("off")),
        ({"resolved": 3, "settings": []}, None),
        ({}, None),
    ],
)
def test_what_a_run_was_begun_with(begun: dict[str, Any], expected: Decision | None) -> None:
    assert recorded(begun) == expected


@pytest.mark.sweep
def test_runs_of_earlier_versions_go_on(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Their config.json says false and nothing among what was worked out."""
    run = train_run("toy", out=tmp_path / "run", **tiny)
    config = config_of(run)
    config["settings"]["train"]["compile"] = False
    del config["resolved"]["compile"]
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    train_run("toy", out=run, **tiny)
    train_run("toy", out=run, **tiny, compile="auto")
    assert config_of(run)["resolved"]["compile"] == "off"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--compile"], "on"),
        (["--compile", "auto"], "auto"),
        (["--compile=off"], "off"),
        (["--no-compile"], "off"),
        (["--compile", "--no-compile"], "off"),
        ([], "off"),
    ],
)
def test_the_ways_of_typing_it(words: list[str], expected: str) -> None:
    rest = ["--a", "a", "--b", "b", "--out", "c"]
    assert read_arguments("toy", [*words, *rest])[1].train.compile == expected


def test_a_wrong_word_is_named() -> None:
    with pytest.raises(SettingsError, match="--compile maybe"):
        read_arguments("toy", ["--a", "a", "--b", "b", "--out", "c", "--compile", "maybe"])


@pytest.mark.parametrize(("value", "expected"), [(True, "on"), (False, "off"), ("auto", "auto")])
def test_values_of_python_and_files(value: Any, expected: str, tiny: dict[str, Any]) -> None:
    assert sort_settings("toy", tiny | {"compile": value}).train.compile == expected


def compiled_graphs() -> int:
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler has much to say
def test_with_the_real_compiler_the_timed_steps_leave_no_trace(
    tiny: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    differences: Callable[[Path, Path], list[str]],
) -> None:
    """Also where the run is stopped, and goes on without timing anything."""
    if reason := compiling.missing_compiler(torch.device("cpu")):
        pytest.skip(reason)
    known = train_run("toy", out=tmp_path / "known", **tiny, compile="on")
    torch.compiler.reset()
    monkeypatch.setattr(compiling, "LEAST_MINUTES", 0)
    graphs: list[int] = []
    begun = compiled_graphs()

    def always(plain: Costs, compiled: Costs, seconds: float) -> Decision:
        graphs.append(compiled_graphs() - begun)
        return Decision("on", "compiled")

    monkeypatch.setattr(compiling, "weigh", always)
    with monkeypatch.context() as patched:
        patched.setattr(StopRequest, "agreed", lambda self, step, device: 2 if step == 5 else 0)
        with pytest.raises(InterruptedRunError):
            train_run("toy", out=tmp_path / "auto", **tiny, compile="auto")
    assert len(graphs) == 1 and graphs[0] > 0  # it was compiled
    torch.compiler.reset()
    auto = train_run("toy", out=tmp_path / "auto", **tiny, compile="auto")
    assert differences(known, auto) == [] and len(graphs) == 1
