"""The real clips: counts, times and damage as their README states them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from reskin.errors import DamagedVideoError
from reskin.video.probe import probe
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter

# name: (frames that decode, width, height, rotation)
CLIPS = {
    "live/portrait_woman.mp4": (200, 640, 338, 0),
    "live/talking_man_portrait.mp4": (200, 360, 640, 0),
    "live/signer_man.mkv": (77, 640, 480, 0),
    "live/signer_woman.mkv": (89, 640, 480, 0),
    "live/film_bw_audio.mp4": (241, 640, 360, 0),
    "cg/film_sintel_faces_audio.mp4": (249, 640, 272, 0),
    "cg/film_sintel_cliff_audio.mp4": (120, 854, 480, 0),
    "cg/game_voxel_snow.mp4": (240, 640, 360, 0),
    "odd/rotated_90_phone_audio.mov": (66, 320, 568, 270),
    "odd/rotated_180_vfr_phone_audio.mp4": (25, 1280, 720, 180),
    "odd/vfr_dropped_frames.mp4": (55, 480, 360, 0),
    "odd/h264_10bit.mp4": (30, 200, 200, 0),
    "odd/hevc_10bit.mp4": (30, 200, 200, 0),
    "odd/no_duration_vp9_opus.webm": (74, 1280, 720, 0),
}


FAST = {
    "live/signer_man.mkv",
    "odd/rotated_90_phone_audio.mov",
    "odd/vfr_dropped_frames.mp4",
    "odd/hevc_10bit.mp4",
}
"""Short and small ones, of four kinds; the others take seconds."""


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in CLIPS]
)
@pytest.mark.sweep
def test_a_sound_clip_gives_every_frame(name: str, real_data: Path) -> None:
    reader = VideoReader(real_data / "video" / name)
    count, width, height, rotation = CLIPS[name]
    assert (reader.info.width, reader.info.height, reader.info.rotation) == (width, height, rotation)
    times = []
    for frame in reader:
        assert frame.image.shape == (height, width, 3) and frame.index == len(times)
        times.append(frame.time)
    assert len(times) == count and times == reader.times() and reader.damaged == []
    assert all(a < b for a, b in pairwise(times))


def test_e02_variable_rates_are_kept(real_data: Path) -> None:
    steps = {b - a for a, b in pairwise(VideoReader(real_data / "video/odd/vfr_dropped_frames.mp4").times())}
    assert len(steps) > 1 and all(step % Fraction(1, 15360) == 0 for step in steps)
    phone = VideoReader(real_data / "video/odd/rotated_180_vfr_phone_audio.mp4").times()
    assert {round(float(b - a), 2) for a, b in pairwise(phone)} == {0.08, 0.09, 0.1}


@pytest.mark.sweep
def test_e01_a_file_cut_short_gives_what_is_sound(real_data: Path) -> None:
    reader = VideoReader(real_data / "video/odd/truncated_midway.mp4")
    frames = list(reader)
    assert reader.info.frames == 125 and len(frames) == 53
    assert any("to 124 missing: the file is cut short" in line for line in reader.damaged)
    numbers = [frame.index for frame in frames]
    again = list(reader.frames_at(numbers))
    assert [frame.index for frame in again] == numbers
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, again, strict=True))


@pytest.mark.sweep
def test_e01_a_damaged_stream_is_listed(real_data: Path) -> None:
    reader = VideoReader(real_data / "video/odd/corrupt_stream.mp4")
    frames = list(reader)
    lost = set(range(50)) - {frame.index for frame in frames}
    assert len(frames) == 49 and len(lost) == 1
    assert reader.damaged[0].startswith(f"frame {lost.pop()} (") and "cannot be decoded" in reader.damaged[0]


def test_e01_a_file_without_its_index_is_refused(real_data: Path) -> None:
    with pytest.raises(DamagedVideoError, match=r"truncated_no_index\.mp4 is damaged or cut short"):
        probe(real_data / "video/odd/truncated_no_index.mp4")


def test_a_file_without_a_duration(real_data: Path) -> None:
    info = probe(real_data / "video/odd/no_duration_vp9_opus.webm")
    assert info.duration is None and info.frames is None and info.sound_codec == "opus"
    assert info.frame_rate == Fraction(15000, 1001)


@pytest.mark.parametrize(("name", "depth"), [("h264_10bit", 10), ("hevc_10bit", 10)])
def test_e05_ten_bits(name: str, depth: int, real_data: Path) -> None:
    assert probe(real_data / f"video/odd/{name}.mp4").bit_depth == depth


def stamped_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        return [
            (packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(sound) if packet.size
        ]


@pytest.mark.parametrize(
    "name",
    [
        "odd/rotated_90_phone_audio.mov",
        pytest.param("odd/rotated_180_vfr_phone_audio.mp4", marks=pytest.mark.slow),
        pytest.param("cg/film_sintel_cliff_audio.mp4", marks=pytest.mark.slow),
    ],
)
@pytest.mark.sweep
def test_e06_frames_times_and_sound_packets_survive(name: str, real_data: Path, tmp_path: Path) -> None:
    source = real_data / "video" / name
    reader = VideoReader(source)
    copy, info = tmp_path / "copy.mp4", reader.info
    small = (info.width // 4, info.height // 4)
    with VideoWriter(copy, size=small, frame_rate=info.frame_rate, source=source) as writer:
        for frame in reader:
            writer.write(frame.image[: small[1] * 4 : 4, : small[0] * 4 : 4], frame.time)
    assert VideoReader(copy).times() == reader.times()
    assert stamped_packets(copy) == stamped_packets(source)
    assert not any("re-encoded" in note for note in writer.notes)
