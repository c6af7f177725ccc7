"""Which devices are taken, and what is said of the others."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from reskin import device
from reskin.device import choose_compute
from reskin.errors import SettingsError


@pytest.mark.parametrize(
    "name", ["meta", "vulkan", "xla", "", "cuda:-1", "cuda:99999", "CPU", "cpu ", "\x1b[31m"]
)
def test_names_that_are_no_device_of_ours_are_one_line(name: str) -> None:
    with pytest.raises(SettingsError, match="no device") as caught:
        choose_compute(name)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value) and len(str(caught.value)) < 200


def test_a_device_that_is_not_there_is_one_short_line() -> None:
    absent = "cuda:998" if torch.cuda.is_available() else "cuda"
    with pytest.raises(SettingsError, match="in this machine") as caught:
        choose_compute(absent)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["cpu", "cpu:0", "cpu:7"])
def test_the_processor_is_one_device_by_any_number(name: str) -> None:
    assert choose_compute(name).device == torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize("kind", ["cpu", "cuda", "mps"])
def test_memory_is_kept_whatever_computes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What surrounds the model, frames and their enlarging, is made by the processor with a GPU too."""
    asked: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: None) -> None:
            self.mallopt = lambda what, value: asked.append((what, value))

    monkeypatch.setattr(device.ctypes, "CDLL", Library)
    monkeypatch.setattr(device, "_find_device", lambda name: torch.device(kind))
    choose_compute(kind, "fp32")
    assert dict(asked)[-4] == 0  # M_MMAP_MAX: no block is mapped by itself


HOLES = """
import os

import numpy as np
from reskin.device import choose_compute, give_back_memory

def held() -> float:
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

choose_compute("cpu", "fp32")
blocks = [np.ones(1_000_000, np.uint8) for _ in range(300)]
blocks = blocks[::30]  # the others are free, between those that are used
before = held()
give_back_memory()
assert before - held() > 200, (before, held())
assert all(block.all() for block in blocks)
"""


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_free_blocks_between_used_ones_go_back_to_the_system() -> None:
    """They stayed with the process while a film was translated."""
    subprocess.run([sys.executable, "-c", HOLES], check=True)
