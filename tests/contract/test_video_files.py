"""One suite over drawn video files of every kind: size, number, times and colours come back as drawn.

The files are made with PyAV alone and the colours with the formulas of ITU-R BT.601, BT.709 and BT.2020, so
nothing here leans on the code that is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from reskin.video.probe import probe
from reskin.video.reader import VideoReader
from reskin.video.writer import Encoding, VideoWriter

KR_KB = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
TAGS = {"601": 6, "709": 1, "2020": 9, None: 2}
COUNT = 12


def drawn(width: int, height: int, number: int) -> np.ndarray:
    """A smooth picture that differs in its corners, so that a wrong turn or flip shows; (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    x, y = x / width, y / height
    parts = [60 + 120 * x + 30 * np.sin(3 * y + number / 5), 200 - 150 * y, 90 + 80 * x * y + 2.0 * number]
    return np.stack(parts, -1).round().astype(np.uint8)


def as_yuv(image: np.ndarray, matrix: str, full: bool, bits: int) -> list[np.ndarray]:
    """Y, Cb, Cr of an RGB picture by the formulas of the standards, at full resolution."""
    red, green, blue = (image[..., part] / 255 for part in range(3))
    kr, kb = KR_KB[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    scale = 2 ** (bits - 8)
    if full:
        top = 2**bits - 1
        planes = [top * luma, 2 ** (bits - 1) + top * cb, 2 ** (bits - 1) + top * cr]
    else:
        planes = [scale * (16 + 219 * luma), scale * (128 + 224 * cb), scale * (128 + 224 * cr)]
    return [np.clip(plane.round(), 0, 2**bits - 1) for plane in planes]


def halved(plane: np.ndarray) -> np.ndarray:
    """Half the resolution, as H.264 sites its chroma: between two lines, on the left column of two."""
    left = np.concatenate([plane[:, :1], plane[:, :-1]], 1)
    right = np.concatenate([plane[:, 1:], plane[:, -1:]], 1)
    smooth = ((left + 2 * plane + right) / 4)[:, ::2]
    return ((smooth[::2] + smooth[1::2]) / 2).round()


def fill(frame: Any, planes: Sequence[np.ndarray], bits: int) -> None:
    """Put planes into a PyAV frame, line by line, since its lines are padded."""
    for target, source in zip(frame.planes, planes, strict=True):
        kind = np.uint16 if bits > 8 else np.uint8
        lines = np.frombuffer(target, np.uint8).reshape(-1, target.line_size).copy()
        packed = np.ascontiguousarray(source.astype(kind)).view(np.uint8)
        lines[: packed.shape[0], : packed.shape[1]] = packed
        target.update(lines.tobytes())


@dataclass(frozen=True)
class Kind:
    """How a drawn file is made."""

    name: str
    suffix: str = ".mp4"
    codec: str = "libx264"
    size: tuple[int, int] = (96, 64)
    times: Sequence[Fraction] = field(default_factory=lambda: [Fraction(i, 25) for i in range(COUNT)])
    matrix: str | None = "709"
    full: bool = False
    bits: int = 8
    chroma: str = "420"
    rotation: int = 0
    flip: bool = False
    aspect: Fraction | None = None
    sound: str | None = None
    options: tuple[tuple[str, str], ...] = ()


NTSC = [Fraction(1001 * i, 30000) for i in range(COUNT)]
UNEVEN = [
    Fraction(t, 90000) for t in (0, 3000, 9000, 9001, 18000, 30000, 33003, 50000, 50100, 60000, 90000, 99999)
]
LATE = [Fraction(1, 3) + Fraction(i, 30) for i in range(COUNT)]
LOSSLESS = (("qp", "0"), ("bf", "2"), ("g", "5"))
VP8 = (("crf", "4"), ("b", "9M"), ("auto-alt-ref", "1"))
X265 = (("x265-params", "lossless=1:log-level=none"),)
MILLISECONDS = [Fraction(40 * i, 1000) for i in range(COUNT)]

KINDS = [
    Kind("plain", options=LOSSLESS),
    *[
        Kind(f"odd_{w}x{h}", size=(w, h), chroma="444", options=LOSSLESS)
        for w, h in [(96, 65), (97, 64), (97, 65), (33, 17)]
    ],
    Kind("ntsc", times=NTSC, options=LOSSLESS),
    Kind("uneven", times=UNEVEN, options=LOSSLESS),
    Kind("late_start", times=LATE, options=LOSSLESS),
    Kind("one_frame", times=[Fraction(0)], options=LOSSLESS),
    *[Kind(f"rotated_{r}", rotation=r, options=LOSSLESS) for r in (90, 180, 270)],
    *[Kind(f"mirrored_{r}", rotation=r, flip=True, options=LOSSLESS) for r in (0, 90, 180, 270)],
    Kind("wide_pixels", aspect=Fraction(4, 3), options=LOSSLESS),
    Kind("aac", sound="aac", options=LOSSLESS),
    Kind("pcm_mov", suffix=".mov", sound="pcm_s16le", options=LOSSLESS),
    Kind("matroska", suffix=".mkv", times=MILLISECONDS, sound="flac", options=LOSSLESS),
    Kind("webm", ".webm", "libvpx-vp9", times=MILLISECONDS, sound="libopus", options=(("lossless", "1"),)),
    Kind("webm_vp8", ".webm", "libvpx", times=MILLISECONDS, matrix="601", options=VP8),
    Kind("avi_mpeg4", suffix=".avi", codec="mpeg4", matrix="601", options=(("qscale", "1"), ("bf", "2"))),
    Kind("transport_stream", suffix=".ts", options=LOSSLESS),
    Kind("full_range", full=True, options=LOSSLESS),
    Kind("bt601", matrix="601", options=LOSSLESS),
    Kind("bt2020_10bit", matrix="2020", bits=10, codec="libx265", options=X265),
    Kind("hevc_10bit", bits=10, codec="libx265", options=X265),
    Kind("untagged_small", matrix=None, options=LOSSLESS),
    Kind("untagged_tall", matrix=None, size=(64, 720), times=[Fraction(0), Fraction(1)], options=LOSSLESS),
]


def true_matrix(kind: Kind) -> str:
    return kind.matrix or ("709" if kind.size[1] >= 720 else "601")


def make(kind: Kind, path: Path) -> None:
    """Encode a drawn file with PyAV."""
    width, height = kind.size
    # The muxer keeps the first frame's offset in this unit, else in milliseconds.
    options = {"movie_timescale": "90000"} if kind.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=options) as output:
        stream = output.add_stream(kind.codec, rate=25, width=width, height=height)
        stream.pix_fmt = f"yuv{kind.chroma}p" + ("10le" if kind.bits == 10 else "")
        stream.options = dict(kind.options)
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90000)
        context = stream.codec_context
        context.colorspace = TAGS[kind.matrix]
        context.color_range = 2 if kind.full else 1
        if kind.aspect:
            context.sample_aspect_ratio = kind.aspect
        if kind.codec == "mpeg4":
            stream.time_base = context.time_base = Fraction(1, 25)
            context.qmin = context.qmax = 1
        if kind.rotation or kind.flip:
            stream.set_display_rotation(kind.rotation, hflip=kind.flip)
        sound = output.add_stream(kind.sound, rate=48000) if kind.sound else None
        if sound is not None:
            sound.codec_context.open()
        for number, time in enumerate(kind.times):
            frame = av.VideoFrame(width, height, stream.pix_fmt)
            y, cb, cr = as_yuv(drawn(width, height, number), true_matrix(kind), kind.full, kind.bits)
            fill(frame, [y, cb, cr] if kind.chroma == "444" else [y, halved(cb), halved(cr)], kind.bits)
            frame.pts, frame.time_base = int(time / context.time_base), context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            write_tone(output, sound)


def write_tone(output: Any, stream: Any) -> None:
    context = stream.codec_context
    size = context.frame_size or 960
    resampler = av.AudioResampler(format=context.format, layout=context.layout, rate=48000, frame_size=size)
    tone = (8000 * np.sin(np.arange(2 * 24000) / 30)).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(tone, "s16", "stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    for piece in resampler.resample(frame) + resampler.resample(None):
        output.mux(stream.encode(piece))
    output.mux(stream.encode(None))


def upright(image: np.ndarray, kind: Kind) -> np.ndarray:
    """The drawn picture as a player shows it."""
    turned = np.rot90(image, kind.rotation // 90)
    return turned[:, ::-1] if kind.flip else turned


@pytest.fixture(scope="session")
def file_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    folder = tmp_path_factory.mktemp("videos")

    def get(kind: Kind) -> Path:
        path = folder / f"{kind.name}{kind.suffix}"
        if not path.exists():
            make(kind, path)
        return path

    return get


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    error = np.mean((image.astype(float) - reference.astype(float)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.mark.thinned(2)
def test_size_count_and_exact_times(kind: Kind, file_of: Callable[[Kind], Path]) -> None:
    path = file_of(kind)
    reader = VideoReader(path)
    frames = list(reader)
    width, height = kind.size
    if kind.aspect:
        width = 2 * round(width * kind.aspect / 2)
    expected = (width, height) if kind.rotation % 180 == 0 else (height, width)
    assert (reader.info.width, reader.info.height) == expected
    assert {frame.image.shape for frame in frames} == {(expected[1], expected[0], 3)}
    assert [frame.index for frame in frames] == list(range(len(kind.times)))
    # Transport streams begin where they like, and AVI counts from the first frame that is decoded.
    start = frames[0].time if kind.suffix in (".ts", ".avi") else Fraction(0)
    assert [frame.time - start for frame in frames] == list(kind.times)
    assert reader.times() == [frame.time for frame in frames]
    brought_down = [f"colours of {kind.bits} bits are brought to 8"] if kind.bits > 8 else []
    assert reader.damaged == [] and reader.notes == brought_down


@pytest.mark.thinned(4, first=1)
def test_colours_are_true(kind: Kind, file_of: Callable[[Kind], Path]) -> None:
    if kind.aspect:
        return  # Scaled on reading: there is no drawn picture to compare with.
    lossy = kind.codec in ("libvpx", "mpeg4")
    for frame in VideoReader(file_of(kind)):
        wanted = upright(drawn(*kind.size, frame.index), kind)
        assert psnr(frame.image, wanted) >= (38 if lossy else 45)
        shift = np.abs((frame.image.astype(float) - wanted).mean((0, 1))).max()
        assert shift <= (1.5 if lossy else 0.5)


@pytest.mark.thinned(4)
def test_frames_by_number_equal_frames_in_order(kind: Kind, file_of: Callable[[Kind], Path]) -> None:
    reader = VideoReader(file_of(kind))
    frames = list(reader)
    last = len(frames) - 1
    for wanted in ([0], [last], [last // 2, 0, last], range(len(frames))):
        got = list(reader.frames_at(list(wanted)))
        assert [frame.index for frame in got] == sorted(set(wanted))
        for frame in got:
            assert frame.time == frames[frame.index].time
            np.testing.assert_array_equal(frame.image, frames[frame.index].image)


@pytest.mark.thinned(5, first=2)
def test_probe_knows_sound_and_codec(kind: Kind, file_of: Callable[[Kind], Path]) -> None:
    info = probe(file_of(kind))
    names = {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9", "libvpx": "vp8", "mpeg4": "mpeg4"}
    assert info.codec == names[kind.codec]
    assert info.has_sound == bool(kind.sound)
    assert info.sound_codec == (kind.sound.removeprefix("lib") if kind.sound else None)
    assert info.bit_depth == kind.bits
    assert info.rotation == kind.rotation


def sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


# The container matters for the sound and for times; for pictures one of each family is enough.
WRITTEN: list[Any] = [(kind, ".mp4") for kind in KINDS]
WRITTEN += [
    pytest.param(
        kind, ".mkv", marks=() if kind.sound or kind.name in ("ntsc", "uneven") else pytest.mark.slow
    )
    for kind in KINDS
]
WRITTEN += [(kind, suffix) for kind in KINDS if kind.sound for suffix in (".mov", ".webm")]


@pytest.mark.parametrize(("kind", "suffix"), WRITTEN, ids=lambda value: getattr(value, "name", value))
@pytest.mark.thinned(4)
def test_written_again_it_is_the_same_film(
    kind: Kind, suffix: str, file_of: Callable[[Kind], Path], tmp_path: Path
) -> None:
    source = file_of(kind)
    reader = VideoReader(source)
    frames = list(reader)
    copy = tmp_path / f"copy{suffix}"
    size = (reader.info.width, reader.info.height)
    with VideoWriter(
        copy, size=size, frame_rate=reader.info.frame_rate, source=source, encoding=Encoding(quality=8)
    ) as writer:
        for frame in frames:
            writer.write(frame.image, frame.time)
    again = VideoReader(copy)
    read = list(again)
    assert (again.info.width, again.info.height) == size and again.damaged == []
    times, exact = [frame.time for frame in read], [frame.time for frame in frames]
    if suffix in (".mkv", ".webm"):
        assert max(abs(a - b) for a, b in zip(times, exact, strict=True)) <= Fraction(1, 1000)
        assert all(a < b for a, b in pairwise(times))
    else:
        assert times == exact
    for before, after in zip(frames, read, strict=True):
        assert psnr(after.image, before.image) >= 38
    errors = [after.image.astype(float) - before.image for before, after in zip(frames, read, strict=True)]
    assert np.abs(np.mean(errors, (0, 1, 2))).max() <= 0.5
    assert again.info.has_sound == bool(kind.sound)
    if kind.sound and not any("re-encoded" in note for note in writer.notes):
        packets, copied = sound_packets(source), sound_packets(copy)
        dropped = sum("before time zero" in note for note in writer.notes)
        if kind.sound.startswith("pcm"):  # How many samples make a packet is up to the reader.
            packets, copied = [b"".join(packets)], [b"".join(copied)]
        assert copied == packets[dropped:]
