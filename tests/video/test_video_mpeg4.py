"""MPEG-4 Part 2 as DivX and Xvid programs wrote it: packed pictures, empty ones, and times that are wrong.

The grey of each picture is its number.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from reskin.video.reader import VideoReader
from reskin.video.vops import VopReader

COUNT, KEY_EVERY = 25, 8
VOP = b"\0\0\1\xb6"
PACKED_MARK = b"\0\0\1\xb2DivX503b1393p"
"""User data by which decoders know that pictures are packed."""


def empty_picture(number: int) -> bytes:
    """A P-picture that codes nothing: type, no whole seconds, marker, 5 bits of time, marker, not coded."""
    bits = f"01{'0'}1{number % 25:05b}1" + "0" + "01111"
    return VOP + int(bits, 2).to_bytes(2, "big")


def coded(b_pictures: int) -> list[tuple[bytes, str, bool]]:
    """The pictures in the order of decoding: their bytes, type and whether they are keys."""
    context: Any = av.CodecContext.create("mpeg4", "w")
    context.width, context.height, context.pix_fmt = 64, 48, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.gop_size, context.max_b_frames = KEY_EVERY, b_pictures
    context.options = {"qmin": "2", "qmax": "2", "b_strategy": "0", "sc_threshold": "1000000000"}
    packets = []
    for number in range(COUNT):
        picture = np.full((48, 64, 3), 8 * number + 20, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += context.encode(frame)
    packets += context.encode(None)
    found = []
    for packet in packets:
        data = bytes(packet)
        kind = "IPBS"[data[data.index(VOP) + 4] >> 6]
        found.append((data, kind, packet.is_keyframe))
    return found


def write(path: Path, packets: list[tuple[bytes, bool]]) -> Path:
    """Packets, each a unit of time after the one before it, in a file."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        for number, (data, is_key) in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), is_key
            packet.pts = packet.dts = number
            output.mux(packet)
    return path


def packed(b_pictures: int) -> list[tuple[bytes, bool]]:
    """The first B-picture behind another picture in that one's packet, and an empty picture at the end."""
    packets: list[tuple[bytes, bool]] = []
    is_open, shown = False, -1 - b_pictures
    for data, kind, is_key in coded(b_pictures):
        if kind == "B" and not is_open:
            packets[-1] = (packets[-1][0] + data, packets[-1][1])
            is_open = True
        elif kind == "B":
            packets.append((data, False))
        else:
            if is_open:
                packets.append((empty_picture(shown), False))
            shown = min(shown + 1 + b_pictures, COUNT - 1)
            # Programs write the mark before each key, where FFmpeg's encoder writes its name.
            marked = re.sub(rb"\x00\x00\x01\xb2Lavc[0-9.]*", lambda _: PACKED_MARK, data)
            packets.append((marked, is_key))
            is_open = False
    return [*packets, (empty_picture(shown), False)] if is_open else packets


def check(path: Path, *, times: list[Fraction] | None = None) -> None:
    """All pictures in order, none called damaged, each found by its number."""
    with VideoReader(path) as reader:
        frames = list(reader)
        assert reader.damaged == []
        assert [number_of(frame.image) for frame in frames] == list(range(COUNT))
        assert [frame.index for frame in frames] == list(range(COUNT))
        assert reader.times() == [frame.time for frame in frames]
        if times is not None:
            assert reader.times() == times
        for index in (0, 1, 7, 8, 9, 14, 16, 23, 24):
            found = [number_of(frame.image) for frame in reader.frames_at([index])]
            assert found == [index], index
            assert reader.damaged == []


def number_of(image: np.ndarray) -> int:
    return round((float(image.mean()) - 20) / 8)


@pytest.mark.parametrize("b_pictures", [1, 2])
@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
@pytest.mark.thinned(2)
def test_packed_pictures_are_read_in_order(b_pictures: int, suffix: str, tmp_path: Path) -> None:
    packets = packed(b_pictures)
    assert any(data.count(VOP) == 2 for data, _ in packets)
    check(write(tmp_path / f"packed{suffix}", packets))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_times_against_the_order_of_decoding_are_those_of_the_order(suffix: str, tmp_path: Path) -> None:
    """FFmpeg's wrapper of Xvid gives each picture the time at which it was coded."""
    path = write(tmp_path / f"late{suffix}", [(data, is_key) for data, _, is_key in coded(2)])
    check(path, times=[Fraction(number, 25) for number in range(COUNT)])


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_a_picture_that_is_not_coded_is_no_damage(suffix: str, tmp_path: Path) -> None:
    """Programs drop frames by writing an empty picture: the one before it stays."""
    packets, times = [], []
    for number, (data, _, is_key) in enumerate(coded(0)):
        if number % 5 == 3:
            packets.append((empty_picture(len(packets)), False))
        times.append(Fraction(len(packets), 25))
        packets.append((data, is_key))
    check(write(tmp_path / f"dropped{suffix}", packets), times=times)


def test_headers_by_hand() -> None:
    # Layer with a resolution of 25 ticks: 5 bits of time. Extension of the start, then I, P, empty P.
    layer = "0" + "00000001" + "0" + "0001" + "0" + "00" + "1" + f"{25:016b}" + "1" + "0" * 5
    header = b"\0\0\1\x20" + int(layer, 2).to_bytes(len(layer) // 8, "big")
    reader = VopReader(header)
    picture = VOP + int("00" + "0" + "1" + "00000" + "1" + "1" + "01111", 2).to_bytes(2, "big")
    assert reader.is_key(picture) and not reader.is_key(empty_picture(3))
    assert reader.gives(picture, None) and not reader.is_disordered
    assert reader.gives(picture + picture, None) and reader.is_disordered
    assert reader.gives(empty_picture(1), None)  # the second of the two
    assert not reader.gives(empty_picture(2), None)
    assert VopReader(None).gives(empty_picture(0), None)  # without a layer nothing is known


@pytest.mark.parametrize("data", [b"", VOP, VOP + b"\xff" * 9, b"\0\0\1\x20", b"\0\0\1"])
def test_what_cannot_be_understood_counts_as_a_picture(data: bytes) -> None:
    reader = VopReader(data)
    assert reader.gives(data, 5)
