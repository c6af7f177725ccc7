"""Reading: work done, changes of the source, colours without tags, and doors that stay shut."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from reskin.errors import NoFramesError, NotAVideoError, ReskinError, VideoError
from reskin.video.probe import is_video_name, probe
from reskin.video.reader import VideoReader
from reskin.video.writer import Encoding, Sound, VideoWriter

FAST = Encoding(speed="ultrafast")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 tiny frames, in groups of 250."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, size=(32, 32), frame_rate=Fraction(25), encoding=FAST) as writer:
        for number in range(600):
            writer.write(np.full((32, 32, 3), number % 200, np.uint8), Fraction(number, 25))
    return path


def test_only_the_groups_that_are_needed_are_decoded(film: Path) -> None:
    reader = VideoReader(film)
    assert len(reader.times()) == 600 and reader.decoded_packets == 0
    assert [frame.index for frame in reader.frames_at([503, 500, 500, 501])] == [500, 501, 503]
    assert reader.decoded_packets <= 8
    reader.decoded_packets = 0
    assert [frame.index for frame in reader.frames_at([599, 20, 10, 260])] == [10, 20, 260, 599]
    assert reader.decoded_packets <= 21 + 11 + 100 + 16  # each group once, up to its last wanted frame


def test_every_iteration_starts_anew(film: Path) -> None:
    with VideoReader(film) as reader:
        first, second = iter(reader), iter(reader)
        assert [next(first).index, next(first).index, next(second).index] == [0, 1, 0]


@pytest.mark.parametrize("number", [-1, 600])
def test_a_number_that_is_not_there(film: Path, number: int) -> None:
    with pytest.raises(VideoError, match=f"no frame {number}"):
        VideoReader(film).frames_at([0, number])


def test_e11_a_source_that_changes_is_an_error(film: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    reader = VideoReader(copy)
    frames = iter(reader)
    next(frames)
    with open(copy, "ab") as file:
        file.write(b"more")
    with pytest.raises(VideoError, match="changed while it was read"):
        list(frames)
    with pytest.raises(VideoError, match="changed"):
        reader.times()


def test_importing_names_needs_no_ffmpeg() -> None:
    code = "import sys, reskin.video.probe; print('av' in sys.modules, 'cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
    assert is_video_name("a.MOV") and not is_video_name("a.png")


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{other}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{other}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{other}</BaseURL></MPD>',
    "text": "This is a letter, not a film.\n" * 50,
    "webvtt": "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n",
    "image": "P3\n2 2\n255\n" + "0 0 0 " * 4,
}


@pytest.mark.parametrize("kind", [*PLAYLISTS, "zeros", "random", "empty", "jpeg"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_e10_what_is_no_video_is_refused(kind: str, suffix: str, film: Path, tmp_path: Path) -> None:
    path = tmp_path / f"bad{suffix}"
    content = {
        "zeros": bytes(4096),
        "random": np.random.default_rng(1).bytes(4096),
        "empty": b"",
        "jpeg": b"\xff\xd8\xff\xe0" + bytes(100),
    }
    path.write_bytes(content.get(kind) or PLAYLISTS.get(kind, "").format(other=film).encode())
    with pytest.raises(NotAVideoError) as caught:
        VideoReader(path)
    assert str(path) in str(caught.value) and caught.value.fix and "\n" not in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="looks into /proc")
def test_e10_a_playlist_opens_no_other_file(film: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    os.mkfifo(secret)  # Opening it would wait for ever.
    for name, text in PLAYLISTS.items():
        path = tmp_path / f"{name}.mp4"
        path.write_text(text.format(other=secret))
        with pytest.raises(NotAVideoError):
            probe(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, words in [
        (tmp_path / "missing.mp4", "no file"),
        (tmp_path, "is a folder"),
        (Path("https://example.org/film.mp4"), "is an address"),
        (tmp_path / "bad\0name.mp4", "cannot be opened"),
    ]:
        with pytest.raises(VideoError, match=words):
            probe(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(NotAVideoError, match="pipe or device"):
        probe(tmp_path / "pipe.mp4")


def test_a_name_that_looks_like_a_protocol_is_a_file(film: Path, tmp_path: Path) -> None:
    odd = tmp_path / "concat:a|b %41 é.mp4"
    odd.write_bytes(film.read_bytes())
    assert probe(odd).frames == 600


def test_e07_sound_alone_has_no_frames(tmp_path: Path) -> None:
    import av

    for codec, name in [("aac", "song.mp4"), ("libopus", "song.webm")]:
        with av.open(str(tmp_path / name), "w") as output:
            stream = output.add_stream(codec, rate=48000)
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 960), np.float32), "fltp", "stereo")
            frame.sample_rate = 48000
            for piece in av.AudioResampler(format=stream.codec_context.format, layout="stereo").resample(
                frame
            ):
                output.mux(stream.encode(piece))
            output.mux(stream.encode(None))
        with pytest.raises(NoFramesError, match="holds no pictures"):
            probe(tmp_path / name)


def test_e07_sound_with_a_cover_picture_has_no_frames(tmp_path: Path) -> None:
    import av

    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as output:
        sound = output.add_stream("aac", rate=48000)
        cover = output.add_stream("mjpeg", rate=1, width=32, height=32)
        cover.pix_fmt, cover.disposition = "yuvj420p", av.stream.Disposition.attached_pic
        cover.codec_context.color_range = 2
        output.mux(cover.encode(av.VideoFrame(32, 32, "yuvj420p")))
        output.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    with pytest.raises(NoFramesError, match="only sound and a cover picture"):
        probe(path)


@pytest.mark.parametrize(
    ("form", "notes"), [("yuv420p", []), ("yuv420p10le", ["colours of 10 bits are brought to 8"])]
)
def test_bits_that_are_not_kept_are_said(form: str, notes: list[str], tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "in.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25, width=32, height=32, options={"crf": "20"})
        stream.pix_fmt = form
        output.mux(stream.encode(av.VideoFrame(32, 32, form)))
        output.mux(stream.encode(None))
    assert VideoReader(tmp_path / "in.mp4").notes == notes


@pytest.mark.parametrize(("curve", "name"), [(16, "PQ"), (18, "HLG")])
def test_e05_hdr_is_tone_mapped_and_said(curve: int, name: str, tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "hdr.mp4"), "w") as output:
        stream = output.add_stream("libx264", rate=25, width=32, height=32)
        context = stream.codec_context
        context.colorspace = context.color_primaries = 9
        context.color_trc, context.color_range = curve, 1
        output.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        output.mux(stream.encode(None))
    reader = VideoReader(tmp_path / "hdr.mp4")
    assert len(list(reader)) == 1
    assert reader.notes == [f"{name} (HDR) pictures: tone mapped to BT.709"]


def test_e01_cut_and_overwritten_files_say_so(film: Path, tmp_path: Path) -> None:
    whole = film.read_bytes()  # faststart: the index comes first
    half = tmp_path / "half.mp4"
    half.write_bytes(whole[: len(whole) // 2])
    reader = VideoReader(half)
    frames = list(reader)
    assert 0 < len(frames) < 600
    assert "to 599 missing: the file is cut short" in reader.damaged[-1]


def test_e01_a_matroska_file_cut_short_says_so(tmp_path: Path) -> None:
    path, noise = tmp_path / "film.mkv", np.random.default_rng(0)
    with VideoWriter(path, size=(64, 64), frame_rate=Fraction(10), encoding=FAST) as writer:
        for number in range(40):
            writer.write(noise.integers(0, 255, (64, 64, 3), np.uint8), Fraction(number, 10))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    reader = VideoReader(path)
    assert 0 < len(list(reader)) < 40
    assert any("but states 4.000 s" in line for line in reader.damaged)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_m2_mutated_files_raise_nothing_else(suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    seed, bad = tmp_path / f"seed{suffix}", tmp_path / f"bad{suffix}"
    tone = Sound(np.zeros((4800, 1), np.float32), 48000)
    quick = Encoding() if suffix == ".webm" else FAST  # VP9 has no presets
    with VideoWriter(seed, size=(48, 32), frame_rate=Fraction(25), sound=tone, encoding=quick) as writer:
        for number in range(10):
            writer.write(rng.integers(0, 255, (32, 48, 3), np.uint8), Fraction(number, 25))
    whole, refused = seed.read_bytes(), 0
    for _ in range(250):
        data = bytearray(whole)
        reach = len(data) if rng.random() < 0.5 else min(len(data), 1500)  # half of them hit the headers
        for _ in range(int(rng.integers(1, 20))):
            data[int(rng.integers(reach))] = int(rng.integers(256))
        bad.write_bytes(data[: int(rng.integers(1, len(data)))] if rng.random() < 0.2 else data)
        try:
            reader = VideoReader(bad)
            frames = list(reader)
            list(reader.frames_at(range(0, len(reader.times()), 3)))
            assert all(a.time < b.time for a, b in pairwise(frames))
            with VideoWriter(tmp_path / "out.mp4", size=(16, 16), frame_rate=Fraction(25), source=bad) as out:
                out.write(np.zeros((16, 16, 3), np.uint8), Fraction(0))
        except ReskinError:
            refused += 1
    assert 0 < refused < 250
