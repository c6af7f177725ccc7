"""Which devices are taken, and what is said of the others."""

from __future__ import annotations

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
