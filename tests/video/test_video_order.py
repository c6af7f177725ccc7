"""Frames and times as the decoder gives them, where packets and pictures are not one to one.

Every file is made here, and the grey of each picture is its number.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from tests.support.paff import HEIGHT, WIDTH, field_packets

from reskin.video.fields import Field, FieldReader
from reskin.video.reader import VideoReader

COUNT = 25
RATE = Fraction(25)


def grey(number: int) -> np.ndarray:
    return np.full((48, 64, 3), 8 * number + 20, np.uint8)


def number_of(image: np.ndarray) -> int:
    return round((float(image.mean()) - 20) / 8)


def encode(
    target: Path | io.BytesIO,
    numbers: Sequence[int],
    *,
    form: str,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    late: Fraction = Fraction(0),
    has_sound: bool = False,
) -> None:
    with av.open(target if isinstance(target, io.BytesIO) else str(target), "w", format=form) as output:
        stream = output.add_stream(codec, rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        if codec != "libx264":
            stream.codec_context.qmin = stream.codec_context.qmax = 1
        if codec == "mpeg2video":
            stream.codec_context.gop_size, stream.codec_context.max_b_frames = 12, 2
        stream.options = options or {}
        sound = output.add_stream("mp2", rate=48000) if has_sound else None
        packets = []
        for at, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(grey(number), "rgb24")
            frame.pts, frame.time_base = at, 1 / RATE
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 2 * 1920 * len(numbers)), np.int16), "s16", "stereo"
            )
            silence.sample_rate, silence.pts, silence.time_base = 48000, 0, Fraction(1, 48000)
            resampler = av.AudioResampler("s16", "stereo", 48000, frame_size=1152)
            for piece in resampler.resample(silence) + resampler.resample(None):
                packets += sound.encode(piece)
            packets += sound.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            packet.pts += round(late / packet.time_base)
            packet.dts += round(late / packet.time_base)
            output.mux(packet)


B_FRAMES = {"bf": "2", "x264-params": "b-adapt=0:scenecut=0:keyint=8:min-keyint=8:open-gop=0"}
OPEN = {"bf": "2", "x264-params": "b-adapt=0:scenecut=0:keyint=8:min-keyint=8:open-gop=1"}


def whole(path: Path, options: dict[str, str] | None, form: str, codec: str = "libx264") -> None:
    encode(path, range(COUNT), form=form, codec=codec, options=options)


def joined(path: Path, *, form: str, late: Sequence[int], has_sound: bool) -> None:
    """Pieces written one by one, each with a clock of its own, and put together by their bytes."""
    data = b""
    step = COUNT // len(late)
    for place, start in enumerate(late):
        piece = io.BytesIO()
        numbers = range(step * place, step * (place + 1) if place + 1 < len(late) else COUNT)
        codec, options = ("mpeg2video", {}) if form == "mpeg" else ("libx264", B_FRAMES)
        encode(
            piece,
            numbers,
            form=form,
            codec=codec,
            options=options,
            late=Fraction(start),
            has_sound=has_sound,
        )
        data += piece.getvalue()
    path.write_bytes(data)


MAKERS: dict[str, Callable[[Path], None]] = {
    "avi": lambda path: whole(path, B_FRAMES, "avi"),
    "avi-open": lambda path: whole(path, OPEN, "avi"),
    "avi-plain": lambda path: whole(path, {"bf": "0"}, "avi"),
    "avi-mpeg4": lambda path: whole(path, {"bf": "2"}, "avi", "mpeg4"),
    "flv": lambda path: whole(path, OPEN, "flv"),
    "mp4-open": lambda path: whole(path, OPEN, "mp4"),
    # FFmpeg guesses wrong times of showing for some pictures of this one.
    "mpeg": lambda path: whole(path, None, "mpeg", "mpeg2video"),
    "ts-joined": lambda path: joined(path, form="mpegts", late=[0, 0], has_sound=False),
    "ts-joined-sound": lambda path: joined(path, form="mpegts", late=[0, 0], has_sound=True),
    "ts-back": lambda path: joined(path, form="mpegts", late=[3600, 10, 0], has_sound=True),
    "ts-forward": lambda path: joined(path, form="mpegts", late=[0, 5000], has_sound=True),
    "mpeg-joined": lambda path: joined(path, form="mpeg", late=[0, 0], has_sound=True),
}


@pytest.fixture(scope="module", params=list(MAKERS))
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("order") / f"{request.param}.video"
    MAKERS[request.param](path)
    return path


@pytest.mark.thinned(2)
def test_every_frame_comes_once_in_order_and_none_is_called_damaged(film: Path) -> None:
    reader = VideoReader(film)
    frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert reader.damaged == []
    assert reader.times() == [frame.time for frame in frames]
    steps = [float((b.time - a.time) * RATE) for a, b in pairwise(frames)]
    # At a joint the pieces go on where the longest track of the piece before ended; FLV rounds to 1 ms.
    assert sum(abs(step - 1) > 0.03 for step in steps) <= film.name.startswith(("ts-", "mpeg-")) * 2
    assert all(0.9 < step < 3.5 for step in steps)


@pytest.mark.thinned(4)
def test_any_frame_can_be_had_by_its_number(film: Path) -> None:
    reader = VideoReader(film)
    for wanted in ([0], [COUNT - 1], [7], [8], [9], [15, 16, 17], range(COUNT)):
        got = list(reader.frames_at(list(wanted)))
        assert [frame.index for frame in got] == list(wanted)
        assert [number_of(frame.image) for frame in got] == list(wanted)
        assert reader.damaged == []


@pytest.mark.parametrize("form", ["mpegts", "matroska", "mp4"])
@pytest.mark.parametrize("together", [False, True], ids=["packet-a-field", "packet-a-frame"])
@pytest.mark.thinned(6)
def test_two_fields_are_one_frame(form: str, together: bool, tmp_path: Path) -> None:
    path = tmp_path / "fields.video"
    pictures = field_packets(COUNT)
    raw = io.BytesIO(b"".join(first + second for first, second in pictures))
    with av.open(raw, format="h264") as source, av.open(str(path), "w", format=form) as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        unit = Fraction(1, 90000)
        for number, fields in enumerate(pictures):
            for place, data in enumerate([b"".join(fields)] if together else fields):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, unit
                packet.pts = packet.dts = 3600 * number + 1800 * place
                packet.duration = 3600 if together else 1800
                packet.is_keyframe = number == 0 and place == 0
                output.mux(packet)
    reader = VideoReader(path)
    frames = list(reader)
    assert len(frames) == COUNT and reader.damaged == []
    assert reader.notes == []  # fields, but of one moment each: nothing is combed
    assert (reader.info.width, reader.info.height) == (WIDTH, HEIGHT)
    lumas = [round(float(frame.image.mean()) * 219 / 255 + 16) for frame in frames]
    assert lumas == [40 + 4 * number for number in range(COUNT)]
    times = [frame.time - frames[0].time for frame in frames]
    assert max(abs(time - number / RATE) for number, time in enumerate(times)) <= Fraction(1, 1000)
    assert reader.times() == [frame.time for frame in frames]
    got = list(reader.frames_at([3, 24, 10]))
    assert [frame.index for frame in got] == [3, 10, 24]
    assert all((frame.image == frames[frame.index].image).all() for frame in got)


def test_fields_are_known_by_their_headers() -> None:
    (first, second), (third, _) = field_packets(2)
    reader = FieldReader(None)
    assert reader.field(first) == Field(0, is_bottom=False)
    assert reader.field(second) == Field(0, is_bottom=True)
    assert reader.field(third + second) is None  # both parities: a whole frame
    assert reader.field(third) == Field(1, is_bottom=False)
    assert reader.field(b"\0\0\1\x65") is None and reader.field(b"") is None


def test_a_long_film_in_avi_is_not_decoded_for_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "long.avi"
    encode(path, [number % 25 for number in range(400)], form="avi", options=B_FRAMES)
    reader = VideoReader(path)
    assert len(reader.times()) == 400 and reader.decoded_packets == 0
    assert [number_of(frame.image) for frame in reader.frames_at([307])] == [307 % 25]
    assert reader.decoded_packets <= 40  # two groups of 8, and what the decoder holds back


def test_a_recording_whose_first_packets_state_no_time(tmp_path: Path) -> None:
    """Matroska has no times before zero: what lies there is given without any."""
    path = tmp_path / "early.mkv"
    options = {"output_ts_offset": "-0.5", "avoid_negative_ts": "disabled"}
    with av.open(str(path), "w", container_options=options) as output:
        stream = output.add_stream("libx264", rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        packets = []
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(grey(number), "rgb24")
            frame.pts, frame.time_base = number, 1 / RATE
            packets += stream.encode(frame)
        for packet in packets + stream.encode(None):
            output.mux(packet)
    with av.open(str(path)) as source:
        untimed = sum(packet.pts is None for packet in source.demux(video=0) if packet.size)
    assert untimed > 5
    reader = VideoReader(path)
    frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == list(range(COUNT)) and reader.damaged == []
    assert {after.time - before.time for before, after in pairwise(frames)} == {1 / RATE}
    assert [number_of(frame.image) for frame in reader.frames_at([3, 20])] == [3, 20]
