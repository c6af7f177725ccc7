"""Engines side by side: what a row holds, what is refused, what the command prints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.support.saved_run import save_run

from reskin.cli.main import main
from reskin.workflows import bench
from reskin.workflows.bench import Row, Subject, measure, peak_gigaflops

TORCH = Row("torch", str(torch.__version__), "fp32")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(bench, "_PEAK_SHAPE", (8, 8))


def test_a_row_holds_what_was_measured(tmp_path: Path) -> None:
    save_run(tmp_path / "run", "cyclegan")
    subject = Subject(tmp_path / "run", (37, 50), device="cpu")
    row, work = measure(subject, TORCH, tmp_path / "exact.npy", 1)
    assert row.ms and row.ms > 0 and row.build_seconds is not None and row.levels == row.mean_levels == 0
    # The stem alone: 7x7 weights from 3 to 4 channels at 40 x 52 px, two operations each.
    assert work * 1e9 > 2 * 49 * 3 * 4 * 40 * 52
    assert row.peak_mb is None or row.peak_mb > 50
    np.save(tmp_path / "exact.npy", np.load(tmp_path / "exact.npy") * 0)
    again, none = measure(subject, replace(TORCH, precision="bf16"), tmp_path / "exact.npy", 1)
    assert none == 0 and again.levels is not None and again.levels > 1


def test_a_model_that_an_engine_cannot_take_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_run(tmp_path / "run", "cyclegan")

    def convert(*args: Any, **options: Any) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(torch, "compile", lambda *args, **options: convert)
    row, _ = measure(
        Subject(tmp_path / "run", (32, 32), device="cpu"), replace(TORCH, engine="compile"), tmp_path, 1
    )
    assert row.ms is None and "PyTorch translates instead" in row.refused


def test_the_peak_counts_two_operations_for_each_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_fastest", lambda call, device: 1e-9 * call().numel())
    assert peak_gigaflops(torch.device("cpu"), "fp32") == pytest.approx(2 * 9 * 8)


def test_the_table_has_a_row_for_each_engine_and_the_share_of_the_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_run(tmp_path / "run", "cyclegan", trained_edge=48)
    seen = []

    def alone(subject: Subject, row: Row, exact: Path) -> tuple[Row, float]:
        seen.append((subject.size, row.engine))
        numbers = {"ms": 100.0, "build_seconds": 0.0, "levels": 0.0, "mean_levels": 0.0, "peak_mb": 300.0}
        return replace(row, **numbers), 2.0 if row.engine == "torch" else 0.0  # type: ignore[arg-type]

    monkeypatch.setattr(bench, "_alone", alone)
    monkeypatch.setattr(bench, "peak_gigaflops", lambda device, precision: 40.0)
    monkeypatch.setattr(bench, "computes_bf16", lambda device: False)
    for backend, version in zip(bench.BACKENDS, ("1.0", None, "2.0"), strict=True):
        monkeypatch.setattr(type(backend), "version", lambda self, version=version: version)
    assert main(["bench", str(tmp_path / "run"), "--json", "--device", "cpu"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert seen == [((48, 48), "torch"), ((48, 48), "openvino"), ((48, 48), "compile")]
    rows = {row["engine"]: row for row in found["rows"]}
    assert rows["torch"]["share"] == rows["openvino"]["share"] == pytest.approx(2.0 / 0.1 / 40.0)
    assert "pip install 'reskin[onnx]'" in rows["onnxruntime"]["refused"]
    assert main(["bench", str(tmp_path / "run"), "--size", "64x32", "--device", "cpu"]) == 0
    table = capsys.readouterr().out
    assert seen[-1] == ((32, 64), "compile") and "50%" in table and "300 MB" in table


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--size", "1280"], "--size 1280. Give WIDTHxHEIGHT"),
        (["--size", "99999x5"], "Give 1 to 8192 px"),
        (["--direction", "b2a"], "does not translate b2a"),
        (["--device", "gpu"], "no device"),
    ],
)
def test_a_mistake_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    save_run(tmp_path / "run", "cut")
    assert main(["bench", str(tmp_path / "run"), *words]) == 2
    (answer,) = capsys.readouterr().err.strip().splitlines()
    assert line in answer


@pytest.mark.slow
def test_each_row_has_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_run(tmp_path / "run", "cyclegan")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = bench.bench(Subject(tmp_path / "run", (32, 32), device="cpu"), lambda what: None)
    first = found["rows"][0]
    assert (first["engine"], first["levels"]) == ("torch", 0) and first["share"] > 0
