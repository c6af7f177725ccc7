"""Converted models are kept in the user's cache, checked when they are read, and made again where damaged."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.small import tiny

from reskin.device import Compute
from reskin.inference.engine import Engine
from reskin.inference.engines import kept
from reskin.inference.engines.kept import converted
from reskin.inference.engines.remembered import engine_folder
from reskin.methods.cyclegan import CycleGAN


class Maker:
    """Gives the same parts and counts how often."""

    def __init__(self, content: bytes = b"weights") -> None:
        self.count, self.content = 0, content

    def __call__(self) -> Mapping[str, bytes]:
        self.count += 1
        return {"model.xml": b"<net/>", "model.bin": self.content}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_model_is_converted_once_for_each_engine_and_version() -> None:
    make = Maker()
    for _ in range(2):
        parts = converted("model", "openvino", "1.0", make)
        assert parts == {"model.xml": b"<net/>", "model.bin": b"weights"}
    assert make.count == 1
    for other in (
        ("other", "openvino", "1.0"),
        ("model", "onnxruntime", "1.0"),
        ("model", "openvino", "1.1"),
    ):
        converted(*other, make)
    assert make.count == 4


def test_without_a_key_nothing_is_kept(cache: Path) -> None:
    converted("", "openvino", "1.0", Maker())
    assert not cache.exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other", "folder"])
def test_a_damaged_entry_is_made_again(damage: str) -> None:
    make = Maker()
    converted("model", "openvino", "1.0", make)
    (path,) = engine_folder().glob("*.model")
    whole = path.read_bytes()
    if damage == "other":
        converted("other", "openvino", "1.0", Maker(b"of another model"))
        (other,) = set(engine_folder().glob("*.model")) - {path}
        other.replace(path)
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        at = whole.index(b"weights")
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        path.write_bytes({"cut": whole[: len(whole) // 2], "flipped": flipped, "empty": b""}[damage])
    assert converted("model", "openvino", "1.0", make)["model.bin"] == b"weights"
    assert make.count == 2
    if damage != "folder":
        assert converted("model", "openvino", "1.0", make)["model.bin"] == b"weights"
        assert make.count == 2, "it was written anew"


def test_a_cache_that_cannot_be_written_is_named_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "file"))
    make = Maker()
    for model in ("one", "two"):
        assert converted(model, "openvino", "1.0", make)["model.bin"] == b"weights"
    assert make.count == 2
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "RESKIN_CACHE" in line


def test_what_was_not_used_for_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 3_000)
    times = iter(range(1000, 2000))

    def utime(path: Path) -> None:
        moment = next(times)
        set_time(path, (moment, moment))

    set_time = kept.os.utime
    monkeypatch.setattr(kept.os, "utime", utime)
    make = Maker(bytes(800))
    converted("one", "e", "1", make), converted("one", "e", "1", make)
    converted("two", "e", "1", make), converted("two", "e", "1", make)
    converted("one", "e", "1", make)  # used last
    assert make.count == 2
    converted("three", "e", "1", make)
    assert len(list(engine_folder().glob("*.model"))) == 2
    converted("one", "e", "1", make)
    assert make.count == 3
    converted("two", "e", "1", make)
    assert make.count == 4


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_kept_model_gives_the_same_pictures(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(engine)
    images = np.random.default_rng(0).integers(0, 256, (1, 37, 50, 3), dtype=np.uint8)

    def made() -> np.ndarray:
        compute = Compute(torch.device("cpu"), "fp32", engine=engine)  # type: ignore[arg-type]
        one = Engine(tiny(CycleGAN), "a2b", compute)
        result = one.translate(images)
        assert one.used.engine == engine
        return result

    first = made()
    assert len(list(engine_folder().glob("*.model"))) == 1
    monkeypatch.setattr(torch.export, "export", None)  # nothing is converted from here on
    assert np.array_equal(made(), first)
