"""What a network takes is known before it is tried; what does not fit is made in stripes, and is the same."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reskin.device import Compute, bytes_of, choose_compute
from reskin.errors import SettingsError
from reskin.inference import engine as engine_module
from reskin.inference.budget import bytes_per_pixel, free_bytes, room
from reskin.inference.engine import Engine
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.methods.translator import Translator
from reskin.types import Direction

CPU = torch.device("cpu")


def test_the_maps_of_a_network_are_counted_as_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 3, 1))
    with torch.inference_mode():
        # While the ReLU works: the picture (3), its input (8) and its output (8); twice that for libraries.
        assert bytes_per_pixel(net, CPU) == 2 * 4 * (3 + 8 + 8)
        # In place it needs no output; then the last layer's input (8) and output (3) are as many as before.
        net[1] = nn.ReLU(inplace=True)
        assert bytes_per_pixel(net, CPU) == 2 * 4 * (3 + 8 + 3)


class Counting(Translator):
    """Gives pictures back, and counts how often it was asked."""

    calls = 0

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        self.calls += 1
        return images.clone()


def striped_calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    calls: list[object] = []
    original = engine_module.striped

    def noted(model: nn.Module, **options: Any) -> AbstractContextManager[None]:
        calls.append(model)
        return original(model, **options)

    monkeypatch.setattr(engine_module, "striped", noted)
    return calls


def test_what_does_not_fit_is_made_in_stripes_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = striped_calls(monkeypatch)
    model = CycleGAN(CycleGANConfig(width=4, blocks=1)).eval()
    picture = torch.rand(1, 3, 96, 128) * 2 - 1
    whole = Engine(model, "a2b", Compute(CPU, "fp32", 10**9)).run(picture)
    assert not calls
    striped = Engine(model, "a2b", Compute(CPU, "fp32", 10**6))
    made = [striped.run(picture) for _ in range(2)]
    assert len(calls) == 2
    for one in made:
        error = float((one - whole).square().mean())
        assert error <= 4 * 10 ** (-120 / 10)
    striped.run(picture[..., :32, :32])
    assert len(calls) == 2, "a small picture fits"


@pytest.mark.sweep
def test_stripes_are_said_once_with_the_memory_that_they_take(caplog: pytest.LogCaptureFixture) -> None:
    model = CycleGAN(CycleGANConfig(width=4, blocks=1)).eval()
    whole = bytes_per_pixel(lambda pictures: model.translate(pictures, "a2b"), CPU)
    with torch.inference_mode():
        cut = bytes_per_pixel(lambda pictures: model.translate(pictures, "a2b"), CPU, striped=model)
    assert cut < whole / 2
    picture, needed = torch.zeros(1, 3, 192, 256), cut * 192 * 256
    caplog.set_level(logging.INFO, logger="reskin")
    for memory, level in ((int(needed * 1.1), logging.INFO), (int(needed * 0.9), logging.WARNING)):
        caplog.clear()
        engine = Engine(model, "a2b", Compute(CPU, "fp32", memory))
        for _ in range(2):
            engine.run(picture)
        (said,) = caplog.records
        assert said.levelno == level and said.getMessage().startswith("256x192: ")
        assert f"about {needed / 1e6:.0f} MB" in said.getMessage()


def test_where_there_is_much_room_nothing_is_measured() -> None:
    model = Counting()
    engine = Engine(model, "a2b", Compute(CPU, "fp32", 10**9))
    for _ in range(3):
        engine.run(torch.zeros(1, 3, 64, 64))
    assert model.calls == 3
    assert engine.identity() != Engine(model, "a2b", Compute(CPU, "fp32")).identity()


def test_free_memory_is_asked_for_where_no_limit_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_bytes(CPU)
    assert free is None or free > 10**6
    assert room(CPU, 5) == 5
    monkeypatch.setattr("reskin.inference.budget.free_bytes", lambda device: 1000)
    assert room(CPU, None) == 800
    monkeypatch.setattr("reskin.inference.budget.free_bytes", lambda device: None)
    assert room(CPU, None) == float("inf")


@pytest.mark.parametrize("text", ["4", "GB", "-4GB", "4 apples", "0GB", "0.5MB", ""])
def test_what_is_no_amount_is_one_line(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--memory .*\. Give a size such as 4GB or 500MB\.$") as raised:
        choose_compute("cpu", memory=text)
    assert "\n" not in str(raised.value)


def test_amounts() -> None:
    assert bytes_of("4GB") == 4 * 10**9 and bytes_of("500 mb") == 5 * 10**8 and bytes_of("2GiB") == 2**31
    assert choose_compute("cpu", memory="4GB").memory == 4 * 10**9
