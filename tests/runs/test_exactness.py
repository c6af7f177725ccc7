"""A run that goes on with other threads or on another kind of CPU: the threads are set, the rest is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from reskin.runs.exactness import cpu_facts, go_on_as_before

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_same_machine_has_nothing_to_say() -> None:
    facts = cpu_facts(CPU)
    assert facts["threads"] == torch.get_num_threads()
    assert torch.backends.cpu.get_cpu_capability() in facts["cpu"]
    assert go_on_as_before(facts, CPU) == (facts, "")


def test_threads_are_those_of_the_beginning() -> None:
    torch.set_num_threads(1)
    facts, line = go_on_as_before(cpu_facts(CPU) | {"threads": 2}, CPU)
    assert torch.get_num_threads() == 2 == facts["threads"]
    assert line == "uses 2 threads as it was begun with, not 1"


def test_another_kind_of_cpu_is_said_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = cpu_facts(CPU)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    facts, line = go_on_as_before(begun, CPU)
    assert "another kind of CPU" in line and "SSE41" in line and "\n" not in line
    assert facts == begun  # config.json goes on naming the one that it was begun on
    assert go_on_as_before(facts, CPU)[1] == line


@pytest.mark.parametrize("value", [None, 0, -3, 1.5, True, "2", [2], 10**30])
def test_a_recorded_number_that_is_none_is_passed_over(value: Any) -> None:
    before = torch.get_num_threads()
    assert go_on_as_before({"threads": value, "cpu": value if value != "2" else 5}, CPU)[1] == ""
    assert torch.get_num_threads() == before


def test_a_run_of_an_earlier_version_has_no_such_facts() -> None:
    assert go_on_as_before({"steps": 5}, CPU) == (cpu_facts(CPU), "")


def test_a_gpu_has_no_such_facts() -> None:
    assert cpu_facts(torch.device("cuda")) == {} and go_on_as_before(
        {"threads": 4}, torch.device("cuda")
    ) == ({}, "")
