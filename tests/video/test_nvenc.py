"""NVIDIA's encoders: taken where they encode a frame, else the processor's with one line that says so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from tests.support.drawn_films import shots_film
from tests.support.small import tiny

from reskin.device import Compute
from reskin.errors import VideoError
from reskin.methods.cut import CUT
from reskin.translation.clips import How, open_film
from reskin.translation.film import FilmOptions
from reskin.video import nvenc
from reskin.video.encoding import NVENC, Codec, Encoding, _options, check_size, chosen_codec
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter
from reskin.workflows.translate import FilmSettings


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> Iterator[None]:
    for found in (nvenc._settled, nvenc._encodes_h264):
        found.cache_clear()
    yield
    for found in (nvenc._settled, nvenc._encodes_h264):
        found.cache_clear()


class Encoder:
    """An encoder of a driver: gives a packet when it is drained, fails, or gives nothing."""

    def __init__(self, fault: Exception | None = None, *, packets: int = 1) -> None:
        self.fault, self.packets, self.frames = fault, packets, list[Any]()

    def encode(self, frame: Any) -> list[bytes]:
        if self.fault is not None:
            raise self.fault
        self.frames.append(frame)
        return [b"packet"] * self.packets if frame is None else []


def with_encoder(monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> list[tuple[str, str]]:
    """Makes PyAV create `encoder`; filled with what was asked for."""
    asked: list[tuple[str, str]] = []

    def create(name: str, mode: str) -> Encoder:
        asked.append((name, mode))
        return encoder

    monkeypatch.setattr(nvenc.av, "CodecContext", type("Contexts", (), {"create": staticmethod(create)}))
    return asked


@pytest.mark.parametrize("codec", NVENC)
def test_an_encoder_that_encodes_is_taken(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = Encoder()
    asked = with_encoder(monkeypatch, encoder)
    for _ in range(3):
        assert nvenc.offered(codec) == codec
    assert asked == [(codec, "w")]  # tried once
    first, end = encoder.frames
    assert first.width == first.height == 256 and end is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("encoder", "reason"),
    [
        (Encoder(av.error.PermissionError(1, "Operation not permitted")), "Operation not permitted"),
        (Encoder(av.error.ExternalError(0x1234, "Generic error")), "Generic error"),
        (Encoder(packets=0), "it gave nothing"),
    ],
)
def test_one_that_fails_is_replaced_with_one_line(
    encoder: Encoder, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_encoder(monkeypatch, encoder)
    with caplog.at_level(logging.WARNING, logger="reskin"):
        found = [FilmSettings(codec="hevc_nvenc").options().encoding.codec for _ in range(3)]
    assert found == ["hevc"] * 3
    (record,) = caplog.records
    assert reason in record.getMessage() and "--codec hevc" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_the_real_search_in_a_machine_without_a_driver(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """PyAV knows the encoder's name here, and the film is made all the same."""
    if not nvenc.missing("h264_nvenc"):
        pytest.skip("this machine has NVIDIA's encoder")
    encoding = FilmSettings(codec="h264_nvenc", quality=20).options().encoding
    assert encoding == Encoding("h264", 20) and len(caplog.records) == 1
    path = tmp_path / "film.mp4"
    with VideoWriter(path, size=(160, 96), frame_rate=Fraction(25), encoding=encoding) as writer:
        writer.write(np.full((96, 160, 3), 90, np.uint8), Fraction(0))
    with VideoReader(path) as reader:
        assert [frame.image.shape for frame in reader] == [(96, 160, 3)]


def test_a_name_that_ffmpeg_does_not_know() -> None:
    assert nvenc.missing("no_such_nvenc") == "this FFmpeg does not have it"


@pytest.mark.parametrize("codec", [None, "h264", "av1"])
def test_other_codecs_are_not_tried(codec: Codec | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = with_encoder(monkeypatch, Encoder())
    assert nvenc.offered(codec) == codec and not asked


def grey_film(path: Path, encoding: Encoding) -> Path:
    """Two frames of 160x96 px."""
    alpha = np.full((96, 160), 70, np.uint8) if encoding.has_alpha else None
    with VideoWriter(path, size=(160, 96), frame_rate=Fraction(25), encoding=encoding) as writer:
        for number in range(2):
            writer.write(np.full((96, 160, 3), 90, np.uint8), Fraction(number, 25), alpha)
    return path


@pytest.mark.parametrize(
    ("encoder", "codec", "said"),
    [(Encoder(), "h264_nvenc", "by the GPU"), (Encoder(packets=0), None, "by the processor")],
)
def test_what_a_gpu_translates_it_encodes_too_where_its_driver_offers_that(
    encoder: Encoder,
    codec: Codec | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The codec belongs to what the film's segments depend on; one line says which it is."""
    asked = with_encoder(monkeypatch, encoder)
    monkeypatch.setattr(Compute, "move", lambda self, network: None)  # no GPU here
    film = shots_film(tmp_path / "film.mp4", [4])
    wide = grey_film(tmp_path / "wide.mp4", Encoding())
    keys: set[str] = set()

    def encoding(source: Path, name: str, asked_for: Encoding, device: str = "cuda") -> Encoding:
        compute = Compute(torch.device(device), "fp32")
        options = FilmOptions(work_size="full", encoding=asked_for)
        how = How(compute=compute, film=options)
        with open_film(tiny(CUT), source, tmp_path / name, "a2b", how) as opened:
            keys.add(opened.key)
            return opened.film.options.encoding

    with caplog.at_level(logging.INFO, logger="reskin"):
        assert encoding(film, "out.mp4", Encoding()) == Encoding()  # too small
        assert encoding(wide, "out.webm", Encoding()) == Encoding()
        assert encoding(wide, "out.mp4", Encoding("h264")) == Encoding("h264")
        assert encoding(wide, "out.mp4", Encoding(speed="slow")) == Encoding(speed="slow")
        assert encoding(wide, "out.mp4", Encoding(), "cpu") == Encoding()
        assert not asked and not caplog.records
        keys.clear()
        for name in ("out.mp4", "out.mp4"):
            assert encoding(wide, name, Encoding(quality=20)) == Encoding(codec, 20)
        encoding(wide, "out.mp4", Encoding("h264_nvenc", 20))
    assert len(asked) == 1 and len(keys) == (1 if codec else 2)
    (record,) = caplog.records
    assert said in record.getMessage() and "\n" not in record.getMessage()


def test_what_is_transparent_is_left_to_codecs_that_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_encoder(monkeypatch, Encoder())
    monkeypatch.setattr(Compute, "move", lambda self, network: None)
    film = grey_film(tmp_path / "film.mov", Encoding(has_alpha=True))
    how = How(compute=Compute(torch.device("cuda"), "fp32"), film=FilmOptions(work_size="full"))
    with open_film(tiny(CUT), film, tmp_path / "out.mov", "a2b", how) as opened:
        assert opened.film.options.encoding == Encoding()
    with open_film(tiny(CUT), film, tmp_path / "out.mp4", "a2b", how) as opened:
        assert opened.film.options.encoding == Encoding("h264_nvenc")


@pytest.mark.parametrize("ending", [".mp4", ".m4v", ".mov", ".mkv"])
def test_where_they_can_be_kept(ending: str) -> None:
    path = Path(f"film{ending}")
    assert [chosen_codec(path, Encoding(codec)) for codec in NVENC] == list(NVENC)
    with pytest.raises(VideoError, match=r"\.webm cannot hold h264_nvenc"):
        chosen_codec(Path("film.webm"), Encoding("h264_nvenc"))


@pytest.mark.parametrize(
    ("codec", "size"), [("h264_nvenc", (144, 96)), ("hevc_nvenc", (8194, 96)), ("h264_nvenc", (4098, 2160))]
)
def test_sizes_that_the_hardware_does_not_take(codec: Codec, size: tuple[int, int]) -> None:
    with pytest.raises(VideoError, match="Take h264 or hevc"):
        check_size(Path("film.mp4"), codec, size)


def test_the_quality_is_that_of_the_field() -> None:
    """Lossless at 0, where a cq of 0 would be any; never beyond the scale."""
    assert _options("h264_nvenc", 0, Encoding())["tune"] == "lossless"
    assert _options("h264_nvenc", 18, Encoding())["cq"] == "19"
    assert _options("hevc_nvenc", 51, Encoding())["cq"] == "51"
