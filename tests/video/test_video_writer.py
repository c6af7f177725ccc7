"""Writing: whole or not at all, true colours at the default quality, and sound in all its cases."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reskin.errors import NoFramesError, StorageError, VideoError
from reskin.video.probe import probe
from reskin.video.reader import VideoReader
from reskin.video.spool import Spool
from reskin.video.writer import Encoding, Sound, VideoWriter

RATE = Fraction(25)
BLACK = np.zeros((16, 16, 3), np.uint8)


def smooth(width: int, height: int, number: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(3 * x / width + number / 9), np.cos(2 * y / height + number / 11)]
    waves.append(np.sin((x + y) / 99 - number / 13))
    return (128 + 90 * np.stack(waves, -1)).round().astype(np.uint8)


@pytest.mark.parametrize("size", [(320, 180), (319, 179)])
def test_the_default_quality_is_close_and_without_tint(size: tuple[int, int], tmp_path: Path) -> None:
    pictures = [smooth(*size, number) for number in range(15)]
    with VideoWriter(tmp_path / "a.mp4", size=size, frame_rate=RATE) as writer:
        for number, picture in enumerate(pictures):
            writer.write(picture, number / RATE)
    read = np.stack([frame.image for frame in VideoReader(tmp_path / "a.mp4")])
    errors = read.astype(float) - np.stack(pictures)
    assert 10 * np.log10(255**2 / np.mean(errors**2)) >= 38
    assert np.abs(errors.mean((0, 1, 2))).max() <= 0.5
    assert any("4:4:4" in note for note in writer.notes) == bool(size[0] % 2)


def test_tags_say_what_was_written(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=(16, 16), frame_rate=RATE) as writer:
        writer.write(BLACK, Fraction(0))
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert [int(tag) for tag in tags] == [1, 1, 1, 1]
    head = (tmp_path / "a.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        with VideoWriter(tmp_path / name, size=(64, 48), frame_rate=RATE) as writer:
            for number in range(30):
                writer.write(smooth(64, 48, number * 5), number / RATE)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1] == files[2]


def test_nothing_is_left_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"old")
    with pytest.raises(KeyError), VideoWriter(target, size=(16, 16), frame_rate=RATE) as writer:
        writer.write(BLACK, Fraction(0))
        raise KeyError
    with pytest.raises(FileNotFoundError), VideoWriter(target, size=(16, 16), frame_rate=RATE):
        (tmp_path / "missing").read_text()
    with (
        pytest.raises(NoFramesError, match="no frame was written"),
        VideoWriter(target, size=(16, 16), frame_rate=RATE),
    ):
        pass
    assert target.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_wrong_frames_and_times_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=(16, 16), frame_rate=RATE) as writer:
        writer.write(BLACK, Fraction(1))
        for image, when in [
            (BLACK, Fraction(1)),
            (BLACK, Fraction(1, 2)),
            (BLACK[:8], Fraction(2)),
            (BLACK.astype(np.float32), Fraction(2)),
        ]:
            with pytest.raises(VideoError, match=r"a\.mp4"):
                writer.write(image, when)
    assert VideoReader(tmp_path / "a.mp4").times() == [1]
    with pytest.raises(VideoError, match="not open"):
        writer.write(BLACK, Fraction(3))


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("a.gif", {}, "unknown ending '.gif'"),
        ("a", {}, "unknown ending ''"),
        ("a.mp4", {"size": (0, 16)}, "0x16"),
        ("a.mp4", {"frame_rate": Fraction(0)}, "frame rate"),
        ("a.mp4", {"source": Path("missing.mp4")}, "no file missing.mp4"),
    ],
)
def test_what_cannot_be_written_is_said_at_once(name: str, changes: dict, words: str, tmp_path: Path) -> None:
    settings = {"size": (16, 16), "frame_rate": RATE, **changes}
    with pytest.raises(VideoError, match=words):
        VideoWriter(tmp_path / name, **settings)
    assert list(tmp_path.iterdir()) == []


def test_times_that_no_common_unit_holds(tmp_path: Path) -> None:
    primes = [10007, 10009, 10037, 10039]
    times = [Fraction(number) + Fraction(1, prime) for number, prime in enumerate(primes)]
    with VideoWriter(tmp_path / "a.mp4", size=(16, 16), frame_rate=Fraction(1)) as writer:
        for when in times:
            writer.write(BLACK, when)
    read = VideoReader(tmp_path / "a.mp4").times()
    assert max(abs(a - b) for a, b in zip(read, times, strict=True)) <= Fraction(1, 1_000_000)
    assert "times are rounded to 1/1000000 s" in writer.notes[0]


def test_negative_times_move_everything(tmp_path: Path) -> None:
    times = [Fraction(number - 3, 25) for number in range(6)]
    with VideoWriter(tmp_path / "a.mp4", size=(16, 16), frame_rate=RATE) as writer:
        for when in times:
            writer.write(BLACK, when)
    assert VideoReader(tmp_path / "a.mp4").times() == [when + Fraction(3, 25) for when in times]
    assert "0.120 s later" in writer.notes[0]


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".mkv", "aac"), (".webm", "opus")])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.thinned(2, first=1)
def test_sound_from_memory(suffix: str, codec: str, channels: int, tmp_path: Path) -> None:
    rate = 44100
    click = np.zeros((rate, channels), np.float32)
    click[rate // 2 : rate // 2 + 400] = 0.9  # half a second after the start
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, size=(16, 16), frame_rate=RATE, sound=Sound(click, rate)) as writer:
        for number in range(25):
            writer.write(BLACK, number / RATE)
    assert probe(path).sound_codec == codec
    assert abs(onset(path) - 0.5) < 0.005
    assert VideoReader(path).times() == [number / RATE for number in range(25)]


def onset(path: Path) -> float:
    """Seconds at which a silent sound track becomes loud."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            step = 1 if frame.format.is_planar else len(frame.layout.channels)
            samples = frame.to_ndarray()[0, ::step]
            loud = np.flatnonzero(np.abs(samples) > (10_000 if samples.dtype == np.int16 else 0.3))
            if len(loud):
                return float(frame.pts * frame.time_base) + loud[0] / frame.sample_rate
    return float("nan")


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_sound_that_cannot_be_copied_is_encoded_and_said(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / "source.mov"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=48000)
        samples = np.zeros((1, 2 * 48000), np.int16)
        samples[0, 60000:60800] = 30000  # 0.625 s, both channels
        frame = av.AudioFrame.from_ndarray(samples, "s16", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 24000, Fraction(1, 48000)  # 0.5 s late
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, size=(16, 16), frame_rate=RATE, source=source) as writer:
        for number in range(25):
            writer.write(BLACK, number / RATE)
    new = "AAC" if suffix == ".mp4" else "Opus"
    assert f"sound re-encoded to {new}: PCM cannot be stored in {suffix}" in writer.notes
    assert abs(onset(path) - onset(source)) < 0.005 and onset(source) > 1


FULL_DISK = """
import resource, signal, sys, numpy as np
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from reskin.errors import StorageError
from reskin.video.writer import VideoWriter
target = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def write(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    noise = np.random.default_rng(0)
    with VideoWriter(target, size=(64, 64), frame_rate=Fraction(25)) as writer:
        for number in range(30):
            writer.write(noise.integers(0, 255, (64, 64, 3), np.uint8), Fraction(number, 25))

write(10**7)
size = target.stat().st_size
target.unlink()
for limit in (5000, size - 200):  # While frames are encoded, and while the file itself is written.
    try:
        write(limit)
    except StorageError as error:
        print("refused:", error, [path.name for path in target.parent.iterdir()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
@pytest.mark.sweep
def test_a_full_disk_is_a_storage_error_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert len(said) == 2 and done.stderr == "", (said, done.stderr)
    assert all(
        line.startswith("refused: no space left to write") and line.endswith(" []") for line in said
    ), said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    target = tmp_path / "a.mp4"
    (target / "inside").mkdir(parents=True)
    with pytest.raises(StorageError), VideoWriter(target, size=(16, 16), frame_rate=RATE) as writer:
        writer.write(BLACK, Fraction(0))
    assert (target / "inside").is_dir() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.sweep
def test_m5_a_killed_writer_leaves_no_file_at_the_name(tmp_path: Path) -> None:
    code = f"""
import numpy as np
from dataclasses import dataclass
from fractions import Fraction
from reskin.video.writer import VideoWriter
with VideoWriter({str(tmp_path / "a.mp4")!r}, size=(64, 64), frame_rate=Fraction(25)) as writer:
    for number in range(10**6):
        writer.write(np.full((64, 64, 3), number % 250, np.uint8), Fraction(number, 25))
        if number == 50:
            print("on", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "on\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "a.mp4").exists()
    assert all(path.name.startswith(".") and path.suffix == ".part" for path in tmp_path.iterdir())
    assert any("-packets" in path.name for path in tmp_path.iterdir())
    with VideoWriter(tmp_path / "b.mp4", size=(16, 16), frame_rate=RATE) as writer:
        writer.write(BLACK, Fraction(0))
    assert [path.name for path in tmp_path.iterdir()] == ["b.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.thinned(3)
@pytest.mark.sweep
def test_films_and_segments_of_a_few_frames_in_hevc(suffix: str, tmp_path: Path) -> None:
    for segments in [
        (1,),
        (2,),
        (3,),
        (1, 1, 2),
        (6, 1),
        (1, 6, 2),
    ] * 3:  # x265's garbage differs by the call
        path, number = tmp_path / f"a{suffix}", 0
        encoding = Encoding(codec="hevc", speed="ultrafast")
        with VideoWriter(path, size=(32, 32), frame_rate=RATE, encoding=encoding) as writer:
            for length in segments:
                for _ in range(length):
                    writer.write(smooth(32, 32, number), number / RATE)
                    number += 1
                writer.end_segment(number - 1)
        assert [frame.time for frame in VideoReader(path)] == [n / RATE for n in range(number)]


@dataclass
class Encoded:
    """What an encoder gives for one frame."""

    pts: int
    dts: int | None
    size: int = 1
    is_keyframe: bool = True

    def __bytes__(self) -> bytes:
        return b"x"

    def has_sidedata(self, kind: str) -> bool:
        return False


@pytest.mark.parametrize(
    ("order", "said", "wanted"),
    [
        ([0, 1, 2], [0, 1, 2], [0, 1, 2]),
        ([0, 3, 1, 2], [-2, -1, 0, 1], [-2, -1, 0, 1]),  # as the encoder says
        ([0, 2, 1], [0, 1, 2], [-1, 0, 1]),  # the order itself asks for one
        ([0], [94_608_225_804_112], [0]),
        ([0], [-(2**63)], [0]),
        ([0, 1], [3, None], [0, 1]),
    ],
)
def test_times_of_decoding_are_made_where_the_encoder_gives_none(
    order: list[int], said: list[int | None], wanted: list[int], tmp_path: Path
) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as output, Spool(tmp_path / "b.part", tmp_path / "b") as spool:
        stream = output.add_stream("ffv1", rate=1000)
        stream.time_base = Fraction(1, 1000)
        for pts, dts in zip(order, said, strict=True):
            spool.add(Encoded(pts, dts))
        ticks = [10 * number for number in range(len(order))]
        packets = list(spool.packets(stream, ticks, 10, end=10 * len(order), sums_up=False))
        assert [packet.pts for packet in packets] == [10 * pts for pts in order]
        assert [packet.dts for packet in packets] == [10 * dts for dts in wanted]


def test_an_encoder_goes_with_its_segment(tmp_path: Path) -> None:
    """Its frames are many megabytes, and nobody knows when Python next looks for garbage."""

    def open_files() -> int:
        return sum(isinstance(one, av.container.OutputContainer) for one in gc.get_objects())

    gc.collect()
    before = open_files()
    gc.disable()
    try:
        with VideoWriter(tmp_path / "a.mp4", size=(16, 16), frame_rate=RATE) as writer:
            for number in range(6):
                writer.write(BLACK, number / RATE)
                writer.end_segment(number)
            assert open_files() - before == 2  # the file, and what encodes the segment that has begun
    finally:
        gc.enable()


ON_CORES = """
import hashlib, os, sys
from fractions import Fraction
from pathlib import Path
import av, numpy as np
cores = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, set(cores if sys.argv[1] == "all" else cores[:1]))
from reskin.video.writer import Encoding, VideoWriter
noise = np.random.default_rng(0).integers(0, 40, (240, 352, 3), dtype=np.uint8)
for codec, end in (("h264", ".mp4"), ("hevc", ".mp4"), ("vp9", ".webm")):
    path, digest = Path(sys.argv[2], f"film{end}"), hashlib.sha256()
    with VideoWriter(path, size=(352, 240), frame_rate=Fraction(25), encoding=Encoding(codec)) as writer:
        for number in range(12):
            writer.write(np.roll(noise, 7 * number, 1) + 3 * number, Fraction(number, 25))
    with av.open(str(path)) as made:
        for packet in made.demux(video=0):
            digest.update(bytes(packet))
    print(codec, digest.hexdigest())
"""
"""Digests of what each encoder gives, on one core or on all."""


@pytest.mark.sweep
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be left out on this system")
def test_the_bytes_do_not_depend_on_the_number_of_cores(tmp_path: Path) -> None:
    """A film that is made on two machines, and one that goes on on another, is the same film."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core")
    found = {}
    for cores in ("one", "all"):
        folder = tmp_path / cores
        folder.mkdir()
        words = [sys.executable, "-c", ON_CORES, cores, str(folder)]
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
        found[cores] = done.stdout.splitlines()
    assert found["one"] == found["all"] and len(found["one"]) == 3
