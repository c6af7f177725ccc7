"""Films, faces, live frames and grids by another engine than PyTorch: it computes, with the same result.

"by hand" is an engine that needs nothing installed: PyTorch behind the protocol of engines.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.fake_faces import RedDetector, drawn
from tests.support.fake_faces import film as faces_film
from tests.support.small import tiny
from torch import Tensor

from reskin.device import Compute
from reskin.engine_names import EngineName
from reskin.images import Picture
from reskin.inference.engines import settle
from reskin.inference.engines.backend import Backend
from reskin.inference.engines.look import Look
from reskin.methods.cyclegan import CycleGAN
from reskin.methods.munit import MUNIT
from reskin.translation import face_live, face_search
from reskin.translation.clips import translate_video
from reskin.translation.face_plan import FaceOptions
from reskin.translation.film import AS_IT_IS, FilmOptions
from reskin.translation.grid import style_grid
from reskin.translation.live import LiveFrame, translate_live
from reskin.video.encoding import Encoding
from reskin.video.reader import VideoReader
from reskin.worlds.film import write_footage
from reskin.worlds.footage import Footage

CPU = torch.device("cpu")
TORCH = Compute(CPU, "fp32")
LOSSLESS = Encoding("ffv1")


class Counting:
    """An engine that counts the pictures that it computes.

    Args:
        inner: which; None for PyTorch behind the protocol.
    """

    extra = "nothing"

    def __init__(self, inner: Backend | None) -> None:
        self.inner, self.pictures = inner, 0
        self.name: EngineName = inner.name if inner else "openvino"

    def version(self) -> str | None:
        return self.inner.version() if self.inner else "by hand"

    def lacks(self, device: torch.device, precision: Literal["fp32", "bf16"]) -> tuple[str, str] | None:
        return None

    def build(self, look: Look, picture: Tensor, compute: Compute) -> Callable[[Tensor], Tensor]:
        program = self.inner.build(look, picture, compute) if self.inner else look

        def run(pictures: Tensor) -> Tensor:
            self.pictures += len(pictures)
            with torch.no_grad():
                return program(pictures)

        return run


@pytest.fixture(params=["by hand", "openvino", "onnxruntime"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Counting:
    monkeypatch.setenv("RESKIN_CACHE", str(tmp_path / "cache"))
    if request.param != "by hand" and importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    inner = next((one for one in settle.BACKENDS if one.name == request.param), None)
    counting = Counting(inner)
    monkeypatch.setattr(settle, "BACKENDS", (counting,))
    return counting


def by(engine: Counting) -> Compute:
    return replace(TORCH, engine=engine.name)


def frames_of(path: Path) -> list[Picture]:
    with VideoReader(path) as reader:
        return [frame.image for frame in reader]


def assert_near(made: list[Picture], wanted: list[Picture]) -> None:
    assert len(made) == len(wanted)
    for one, other in zip(made, wanted, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


@pytest.mark.thinned(3)
def test_a_film(engine: Counting, tmp_path: Path) -> None:
    write_footage(tmp_path / "in.mp4", Footage("film", seed=1, frames=6, size=(66, 50), scene_frames=3))
    model = tiny(CycleGAN)
    options = FilmOptions(work_size=36, steady=0.0, encoding=LOSSLESS)
    for name, compute in (("torch", TORCH), ("other", by(engine))):
        translate_video(
            model, tmp_path / "in.mp4", tmp_path / f"{name}.mkv", "a2b", film=options, compute=compute
        )
    assert engine.pictures == 6
    assert_near(frames_of(tmp_path / "other.mkv"), frames_of(tmp_path / "torch.mkv"))


@pytest.mark.thinned(3)
def test_faces_of_a_film(engine: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_search, "open_detector", lambda name: RedDetector())
    faces_film(tmp_path / "in.mp4", [[(60.0 + number, 60.0, 48)] for number in range(8)])
    model = tiny(CycleGAN)
    options = FilmOptions(work_size=32, steady=0.0, has_bars=False, faces=FaceOptions(), encoding=LOSSLESS)
    for name, compute in (("torch", TORCH), ("other", by(engine))):
        translate_video(
            model, tmp_path / "in.mp4", tmp_path / f"{name}.mkv", "a2b", film=options, compute=compute
        )
    assert engine.pictures == 8
    assert_near(frames_of(tmp_path / "other.mkv"), frames_of(tmp_path / "torch.mkv"))


@pytest.mark.parametrize("are_faces", [False, True])
def test_live_frames(engine: Counting, monkeypatch: pytest.MonkeyPatch, are_faces: bool) -> None:
    monkeypatch.setattr(face_live, "open_detector", lambda name: RedDetector())
    frames = [drawn([(60 + number, 60, 40)]) for number in range(5)]
    model, options = tiny(CycleGAN), AS_IT_IS
    if are_faces:
        options = replace(AS_IT_IS, work_size=32, faces=FaceOptions())

    def made(compute: Compute) -> list[Picture]:
        found: list[Picture] = []
        coming = [LiveFrame(picture, number / 25, 0.0) for number, picture in enumerate(frames)]
        settings: dict[str, Any] = {"film": options, "size": (160, 120), "compute": compute}
        translate_live(model, iter(coming), lambda picture, _: found.append(picture), "a2b", **settings)
        return found

    other = made(by(engine))
    assert engine.pictures >= 4, "a face is sure from its second frame on"
    assert_near(other, made(TORCH))


def test_a_grid_of_styles(engine: Counting, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    contents = []
    for number in range(2):
        contents.append(tmp_path / f"{number}.png")
        picture = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(picture).save(contents[-1])
    model = tiny(MUNIT)
    styles = model.sample_styles(3, seed=0)
    for name, compute in (("torch", TORCH), ("other", by(engine))):
        out = tmp_path / f"grid-{name}.png"
        style_grid(model, contents, ["1", "2", "3"], styles, out=out, size=36, compute=compute)
    assert engine.pictures == 2
    one, other = (np.asarray(Image.open(tmp_path / f"grid-{name}.png"), int) for name in ("torch", "other"))
    assert one.shape == other.shape and np.abs(one - other).max() <= 1
