"""What goes with the pictures: sound of all layouts and rates, languages, titles, chapters, times."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from reskin.errors import StorageError, VideoError
from reskin.video.reader import VideoReader
from reskin.video.sound import EncodedTrack
from reskin.video.speakers import Speakers, kept, speakers_of
from reskin.video.spool import Spool
from reskin.video.writer import Encoding, VideoWriter, check_can_write

RATE = Fraction(25)
GREY = np.full((32, 32, 3), 90, np.uint8)


def add_pictures(output: Any, codec: str = "mjpeg") -> Any:
    stream = output.add_stream(codec, rate=25, width=32, height=32)
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    if codec == "mjpeg":
        stream.codec_context.color_range = 2
    return stream


def add_sound(output: Any, codec: str, rate: int, layout: str) -> Any:
    stream = output.add_stream(codec, rate=rate)
    stream.codec_context.layout = layout
    if codec.startswith("wma"):
        stream.codec_context.bit_rate = 128_000
    return stream


def mux_all(output: Any, pictures: Any, sounds: list[Any], *, seconds: int = 1) -> None:
    packets: list[Any] = []
    for number in range(25 * seconds):
        frame = av.VideoFrame.from_ndarray(GREY, "rgb24").reformat(format=pictures.pix_fmt)
        frame.pts, frame.time_base = number, 1 / RATE
        packets += pictures.encode(frame)
    packets += pictures.encode(None)
    for sound in sounds:
        context = sound.codec_context
        context.open()
        rate, channels = context.sample_rate, context.layout.nb_channels
        wave = np.sin(np.arange(rate * seconds) * 2 * np.pi * 440 / rate) * 9000
        samples = np.repeat(wave.astype(np.int16)[:, None], channels, 1).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "s16", context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        size = context.frame_size or 1024
        resampler = av.AudioResampler(context.format, context.layout, rate, frame_size=size)
        for piece in resampler.resample(frame) + resampler.resample(None):
            packets += sound.encode(piece)
        packets += sound.encode(None)
    for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
        output.mux(packet)


def copy(source: Path, target: Path, **settings: Any) -> VideoWriter:
    """What a translation that changes nothing writes."""
    with VideoReader(source) as reader:
        writer = VideoWriter(
            target,
            size=(reader.info.width, reader.info.height),
            frame_rate=reader.info.frame_rate,
            source=source,
            start=reader.start(),
            **settings,
        )
        with writer:
            for frame in reader:
                writer.write(frame.image, frame.time)
            writer.ends_at(reader.end())
        assert reader.damaged == []
    return writer


# codec, sample rate, layout of the source; rate and channels expected in .mp4
SOUNDS = [
    ("pcm_s16le", ".avi", 48000, "stereo", 48000, 2),
    ("pcm_s16le", ".avi", 8000, "mono", 8000, 1),
    ("pcm_mulaw", ".avi", 8000, "mono", 8000, 1),
    ("adpcm_ms", ".avi", 22050, "stereo", 22050, 2),
    ("wmav2", ".wmv", 44100, "stereo", 44100, 2),
    ("pcm_s16le", ".mkv", 44100, "stereo", 44100, 2),
    ("pcm_s16le", ".mov", 192000, "mono", 96000, 1),
    ("pcm_s16le", ".mov", 176400, "stereo", 88200, 2),
    ("pcm_s16le", ".mov", 5000, "mono", 7350, 1),
    ("pcm_s16le", ".mkv", 48000, "5.1", 48000, 6),
    ("pcm_s16le", ".mkv", 48000, "7.1", 48000, 8),
]


def test_what_cannot_be_written_is_said_of_the_file_that_was_asked_for(tmp_path: Path) -> None:
    """Not of the one that is thrown away."""
    source, out = tmp_path / "dot.mkv", tmp_path / "out.mkv"
    with av.open(str(source), "w") as output:
        pictures = output.add_stream("ffv1", rate=25, width=1, height=1)
        pictures.pix_fmt = "bgr0"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(GREY[:1, :1], "rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = number, 1 / RATE
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode(None))
    with pytest.raises(VideoError, match="frames of 1x1 cannot be written") as error:
        check_can_write(source, out)
    assert error.value.what.startswith(f"{out}: ") and not out.exists()


@pytest.mark.parametrize(("codec", "suffix", "rate", "layout", "new_rate", "channels"), SOUNDS)
@pytest.mark.parametrize("target", [".mp4", ".webm"])
@pytest.mark.thinned(12)
def test_sound_without_layout_or_at_odd_rates_is_kept(
    codec: str,
    suffix: str,
    rate: int,
    layout: str,
    new_rate: int,
    channels: int,
    target: str,
    tmp_path: Path,
) -> None:
    source, out = tmp_path / f"source{suffix}", tmp_path / f"out{target}"
    with av.open(str(source), "w", format="asf" if suffix == ".wmv" else None) as output:
        pictures = add_pictures(output)
        mux_all(output, pictures, [add_sound(output, codec, rate, layout)])
    assert check_can_write(source, out) == copy(source, out).notes
    with av.open(str(out)) as written:
        sound = written.streams.audio[0]
        assert sound.codec_context.sample_rate == (new_rate if target == ".mp4" else 48000)
        assert sound.codec_context.layout.nb_channels == channels
        # PyAV counts a plane too many of eight channels, so these are looked at as one.
        mixed = av.AudioResampler("s16", "mono", 48000)
        pieces = [piece for frame in written.decode(sound) for piece in mixed.resample(frame)]
        heard = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
    assert 0.1 < np.abs(heard.astype(float)).max() / 32768 < 0.9


def loudest(path: Path) -> str:
    """The name of the speaker that alone is heard."""
    levels: dict[str, float] = {}
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            for frame in kept(packet.decode()):
                plain = av.AudioResampler("flt", speakers_of(container.streams.audio[0]).layout, frame.rate)
                for piece in plain.resample(frame):
                    samples = piece.to_ndarray().reshape(-1, piece.layout.nb_channels)
                    for channel, level in zip(
                        piece.layout.channels, np.abs(samples).sum(axis=0), strict=True
                    ):
                        levels[channel.name] = levels.get(channel.name, 0.0) + float(level)
    first, second = sorted(levels, key=lambda name: -levels[name])[:2]
    assert levels[second] < 0.05 * levels[first], levels
    return first


@pytest.mark.parametrize(
    ("tag", "layout", "centre"),
    [(122, "5.1", 4), (124, "5.1", 0), (127, "7.1", 0), (128, "7.1", 2)],
    ids=["L_R_Ls_Rs_C_LFE", "C_L_R_Ls_Rs_LFE", "C_Lc_Rc_L_R_Ls_Rs_LFE", "L_R_C_LFE_Ls_Rs_Rls_Rrs"],
)
@pytest.mark.thinned(4, first=1)
def test_speakers_in_an_order_of_the_files_own_stay_where_they_are(
    tag: int, layout: str, centre: int, tmp_path: Path
) -> None:
    """PyAV frees such a list of speakers twice, which ended the process."""
    path, target = tmp_path / "a.mov", tmp_path / "b.mp4"
    with av.open(str(path), "w") as output:
        pictures, sound = add_pictures(output), add_sound(output, "pcm_s16le", 48000, layout)
        count = sound.codec_context.layout.nb_channels
        samples = np.zeros((48000, count), np.int16)
        samples[:, centre] = np.sin(np.arange(48000) * 0.05) * 9000
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", layout)
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        mux_all(output, pictures, [])
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    content = path.read_bytes()
    position = content.index(b"chan") + 8  # QuickTime's tag of the order, behind name, version and flags
    tagged = content[:position] + (tag << 16 | count).to_bytes(4, "big") + bytes(4) + content[position + 8 :]
    path.write_bytes(tagged)

    writer = copy(path, target)
    assert any("re-encoded" in note for note in writer.notes) and not any("mixed" in n for n in writer.notes)
    assert loudest(target) == "FC"
    assert loudest(path) == "FC"


@pytest.mark.parametrize(
    ("codec", "layout", "wanted"),
    [
        ("aac", "5.1", "5.1"),
        ("aac", "5.1(side)", "5.1"),  # of every DTS and AC-3 track; AAC would state six nameless channels
        ("aac", "quad(side)", "quad"),
        ("aac", "3.1", "5.1"),
        ("aac", "6.1", "7.1"),
        ("aac", "6.0", "7.1"),
        ("aac", "hexadecagonal", "5.1"),
        ("libopus", "2.1", "5.1"),
        ("libopus", "6.1", "6.1"),
    ],
)
def test_layouts_are_those_that_players_know(codec: str, layout: str, wanted: str, tmp_path: Path) -> None:
    count = av.AudioLayout(layout).nb_channels
    path = tmp_path / ("a.mp4" if codec == "aac" else "a.webm")
    with av.open(str(path), "w") as output:
        track = EncodedTrack(output, codec, 48000, Speakers(layout, count))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 9600 * count), np.int16), "s16", layout)
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        output.mux([*track.encode(frame), *track.encode(None)])
    assert bool(track.mixed) == (av.AudioLayout(wanted).nb_channels != count)
    with av.open(str(path)) as written:
        assert speakers_of(written.streams.audio[0].codec_context).layout == wanted


@pytest.mark.parametrize(("count", "target", "kept"), [(9, ".mp4", 0), (9, ".mkv", 9), (10, ".webm", 6)])
def test_speakers_that_nobody_knows(count: int, target: str, kept: int, tmp_path: Path) -> None:
    source, out = tmp_path / "source.mov", tmp_path / f"out{target}"
    with av.open(str(source), "w") as output:
        mux_all(output, add_pictures(output), [add_sound(output, "pcm_s16le", 48000, f"{count} channels")])
    notes = copy(source, out).notes
    with av.open(str(out)) as written:
        found = [stream.codec_context.layout.nb_channels for stream in written.streams.audio]
        assert found == ([kept] if kept else []) and len(list(written.decode(video=0))) == 25
    assert any("nothing says where its 9 speakers stand" in note for note in notes) == (kept == 0)
    assert check_can_write(source, out) == notes


def test_channels_that_are_lost_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tmp_path / "source.mkv", tmp_path / "out.mp4"
    with av.open(str(source), "w") as output:
        pictures = add_pictures(output)
        mux_all(output, pictures, [add_sound(output, "pcm_s16le", 48000, "5.1")])
    monkeypatch.setattr("reskin.video.sound._LAYOUTS", {1: "mono", 2: "stereo"})
    monkeypatch.setattr("reskin.video.sound._is_stated", lambda layout: False)
    notes = copy(source, out).notes
    assert notes == ["sound re-encoded to AAC: PCM cannot be stored in .mp4, 6 channels mixed to 2"]


def test_sound_no_encoder_takes_is_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "source.avi", tmp_path / "out.mp4"
    with av.open(str(source), "w") as output:
        pictures = add_pictures(output)
        mux_all(output, pictures, [add_sound(output, "pcm_s16le", 48000, "stereo")])

    def refuse(*_: object) -> str:
        raise VideoError("aac takes no such sound")

    monkeypatch.setattr("reskin.video.sound._layout_for", refuse)
    notes = copy(source, out).notes
    assert (
        len(notes) == 1 and "left out: PCM cannot be re-encoded to AAC (aac takes no such sound)" in notes[0]
    )
    assert VideoReader(out).info.has_sound is False and len(VideoReader(out).times()) == 25


def labelled(path: Path) -> None:
    with av.open(str(path), "w") as output:
        pictures = add_pictures(output, "libx264")
        sounds = [add_sound(output, "aac", 48000, "stereo") for _ in range(2)]
        output.metadata["title"] = "My Film"
        output.metadata["location"] = "+48.2/"
        sounds[0].metadata["language"], sounds[1].metadata["language"] = "eng", "deu"
        sounds[1].metadata["title"] = "Kommentar"
        sounds[0].disposition = av.stream.Disposition(0)
        sounds[1].disposition = av.stream.Disposition.default
        chapters = [
            {
                "id": n,
                "start": 500 * n,
                "end": 500 * n + 500,
                "time_base": Fraction(1, 1000),
                "metadata": {"title": t},
            }
            for n, t in enumerate(["One", "Two"])
        ]
        output.set_chapters(chapters)
        mux_all(output, pictures, sounds)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.thinned(3)
def test_languages_titles_flags_and_chapters_are_kept_or_named(suffix: str, tmp_path: Path) -> None:
    source, out = tmp_path / "source.mkv", tmp_path / f"out{suffix}"
    labelled(source)
    notes = copy(source, out).notes
    with av.open(str(out)) as written:
        sounds = written.streams.audio
        assert sounds[0].metadata.get("language") == "eng"
        # QuickTime has a list of its own, with German as "ger".
        assert sounds[1].metadata.get("language") == ("deu" if suffix != ".mov" else None)
        default = av.stream.Disposition.default
        assert [bool(sound.disposition & default) for sound in sounds] == [False, True]
        assert written.metadata["title"] == "My Film"
        times = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in written.chapters()]
        assert times == [(0, "One"), (Fraction(1, 2), "Two")]
        kept = sounds[1].metadata.get("title") == "Kommentar"
        assert kept or "the title of sound track 2 (Kommentar) is left out" in notes
        assert not any("location" in key.lower() for key in written.metadata)
    assert any("where the film was made" in note for note in notes)
    assert suffix != ".mov" or "the language of sound track 2 (deu) is left out" in notes
    lead_in = "1 sound packets before time zero left out: the container holds none"
    assert len(set(notes) - {lead_in}) == 2 - kept + (suffix == ".mov")


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_a_timecode_is_kept(suffix: str, tmp_path: Path) -> None:
    source, out = tmp_path / "source.mov", tmp_path / f"out{suffix}"
    with av.open(str(source), "w") as output:
        pictures = add_pictures(output, "libx264")
        pictures.metadata["timecode"] = "10:00:00:00"
        mux_all(output, pictures, [])
    notes = copy(source, out).notes
    with av.open(str(out)) as written:
        streams = [*written.streams.video, *written.streams.data]
        found = [stream.metadata.get("timecode") for stream in streams] + [written.metadata.get("timecode")]
        lower = {key.lower(): value for key, value in written.metadata.items()}
        assert "10:00:00:00" in [*found, lower.get("timecode")] or any("10:00:00:00" in n for n in notes)
    assert len(VideoReader(out).times()) == 25


def test_subtitles_are_copied_where_the_container_can(tmp_path: Path) -> None:
    text = io.BytesIO(b"1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    source = tmp_path / "source.mkv"
    with av.open(text, format="srt") as words, av.open(str(source), "w") as output:
        pictures = add_pictures(output, "libx264")
        lines = output.add_stream_from_template(words.streams[0])
        lines.metadata["language"] = "fin"
        for packet in [packet for packet in words.demux() if packet.size]:
            packet.stream = lines
            output.mux(packet)
        mux_all(output, pictures, [])
    assert copy(source, tmp_path / "out.mkv").notes == []
    with av.open(str(tmp_path / "out.mkv")) as written:
        stream = written.streams.subtitles[0]
        assert stream.metadata["language"] == "fin"
        packets = [packet for packet in written.demux(stream) if packet.size]
        assert [(packet.pts, bytes(packet)) for packet in packets] == [(100, b"Hello")]
    assert (
        "subtitles of source.mkv (track 1, subrip) are left out" in copy(source, tmp_path / "o.mp4").notes[0]
    )


@pytest.mark.parametrize("late", [0, 50_000])
def test_a_late_clock_is_set_to_zero_for_all_tracks(late: int, tmp_path: Path) -> None:
    source, out = tmp_path / "source.ts", tmp_path / "out.mp4"
    with av.open(str(source), "w", container_options={"output_ts_offset": str(late)}) as output:
        pictures = add_pictures(output, "libx264")
        mux_all(output, pictures, [add_sound(output, "mp2", 48000, "stereo")])
    copy(source, out)
    with av.open(str(source)) as before, av.open(str(out)) as after:
        starts = [
            [Fraction(s.start_time * s.time_base) for s in (c.streams.video[0], c.streams.audio[0])]
            for c in (before, after)
        ]
        assert after.duration < 1_300_000
    assert min(starts[0]) > late - 1 and min(starts[1]) == 0
    assert abs((starts[0][0] - starts[0][1]) - (starts[1][0] - starts[1][1])) < Fraction(1, 10_000)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("lengths", [[1000, 1000, 20_000], [40], [40, 40, 40], [3000]])
@pytest.mark.thinned(3, first=1)
def test_the_last_picture_stays_as_long_as_in_the_source(
    suffix: str, lengths: list[int], tmp_path: Path
) -> None:
    source, out = tmp_path / f"source{suffix}", tmp_path / f"out{suffix}"
    with av.open(str(source), "w") as output:
        codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
        stream = output.add_stream(codec, rate=25, width=32, height=32, options={"bf": "0"})
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        packets, at, starts = [], 0, {}
        for length in lengths:
            frame = av.VideoFrame.from_ndarray(GREY, "rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            starts[at] = length
            at += length
            packets += stream.encode(frame)
        for packet in packets + stream.encode(None):
            packet.duration = starts[packet.pts]
            output.mux(packet)
    writer = copy(source, out)
    assert writer.notes == []
    reader = VideoReader(out)
    assert len(list(reader)) == len(lengths) and reader.damaged == []
    assert abs(reader.end() - Fraction(at, 1000)) <= Fraction(1, 1000)
    with av.open(str(out)) as written:
        assert abs(written.duration / 1e6 - at / 1000) < 0.002


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("h264", ".mp4"),
        ("hevc", ".mp4"),
        ("hevc", ".mov"),
        ("av1", ".mp4"),
        ("av1", ".webm"),
        ("vp9", ".webm"),
        ("vp9", ".mp4"),
        ("prores", ".mov"),
        ("ffv1", ".mkv"),
    ],
)
@pytest.mark.thinned(3, first=2)
def test_every_codec_keeps_frames_and_times(
    codec: Any, suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, count = tmp_path / f"out{suffix}", 12
    rows, columns = np.mgrid[:64, :96]
    pictures = [
        np.stack([rows * 3, columns * 2, rows + columns + n], -1).astype(np.uint8) for n in range(count)
    ]
    with VideoWriter(path, size=(96, 64), frame_rate=RATE, encoding=Encoding(codec=codec)) as writer:
        for number, picture in enumerate(pictures):
            writer.write(picture, number / RATE)
    assert capfd.readouterr() == ("", ""), "an encoder speaks for itself"
    reader = VideoReader(path)
    frames = list(reader)
    assert reader.info.codec == codec and reader.damaged == [] and writer.notes == []
    assert [frame.time for frame in frames] == [number / RATE for number in range(count)]
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame.image.astype(float) - picture).mean() < (0.01 if codec == "ffv1" else 4)


@pytest.mark.parametrize(
    ("name", "encoding", "words"),
    [
        ("a.mp4", Encoding(codec="prores"), "cannot hold prores"),
        ("a.webm", Encoding(codec="h264"), "cannot hold h264"),
        ("a.mkv", Encoding(codec="ffv1", quality=10), "no quality"),
        ("a.mp4", Encoding(quality=52), "quality of 52"),
        ("a.webm", Encoding(speed="slow"), "vp9 has no preset 'slow'"),
        ("a.mp4", Encoding("h264_nvenc", speed="fast"), "h264_nvenc has no preset 'fast'"),
        ("a.mp4", Encoding(speed="quick"), "no preset 'quick'"),  # type: ignore[arg-type]
        ("a.mp4", Encoding(has_alpha=True), "with transparency"),
        ("a.mp4", Encoding(codec="divx"), "no codec 'divx'"),  # type: ignore[arg-type]
        ("a.mp4", Encoding(codec="av1"), "AV1 is not written at 32x32"),
    ],
)
def test_what_a_container_or_codec_cannot_do_is_one_line(name: str, encoding: Encoding, words: str) -> None:
    with pytest.raises(VideoError, match=words) as caught:
        VideoWriter(name, size=(32, 32), frame_rate=RATE, encoding=encoding)
    assert caught.value.fix


def test_lower_quality_makes_a_smaller_file(tmp_path: Path) -> None:
    noise, sizes = np.random.default_rng(0), []
    picture = noise.integers(0, 255, (64, 64, 3), np.uint8)
    for quality in (5, 25, 45):
        path = tmp_path / f"{quality}.mp4"
        with VideoWriter(path, size=(64, 64), frame_rate=RATE, encoding=Encoding(quality=quality)) as writer:
            for number in range(5):
                writer.write(np.roll(picture, number, 1), number / RATE)
        sizes.append(path.stat().st_size)
    assert sizes[0] > 1.5 * sizes[1] > 2 * sizes[2]


def test_a_spool_in_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"a\.mp4"), Spool(tmp_path / "gone" / ".1-x.part", Path("a.mp4")):
        pass
