"""Video comes out as it went in: sources of every kind through a model that changes nothing.

Sources are made and both files are read with PyAV alone: nothing here leans on the code that is tested.
What differs between source and result must be named in a note, and nothing of a sound file is called damaged.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from torch import Tensor

from reskin.methods.translator import Translator
from reskin.translation.clips import VideoResult, translate_video
from reskin.translation.film import AS_IT_IS
from reskin.types import Direction

COUNT = 12
SECONDS = 1
TONE_FROM = 0.25
"""Seconds of silence before the tone of every sound track."""


class Identity(Translator):
    """Changes nothing."""

    directions = ("a2b",)

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return images


@dataclass(frozen=True)
class Sound:
    """A sound track of a source."""

    codec: str
    rate: int = 48000
    layout: str = "stereo"
    language: str | None = None
    title: str | None = None
    starts: Fraction = Fraction(0)


def steady(rate: Fraction | int, start: Fraction | int = 0) -> tuple[Fraction, ...]:
    return tuple(start + number / Fraction(rate) for number in range(COUNT))


VARIABLE = tuple(Fraction(t, 1000) for t in (0, 33, 100, 101, 200, 333, 367, 500, 560, 700, 740, 900))
"""Times of frames with a variable rate, in whole milliseconds."""


@dataclass(frozen=True)
class Source:
    """How a source is made; `target` is the ending of the result."""

    name: str
    suffix: str = ".mp4"
    codec: str = "libx264"
    form: str = "yuv420p"
    size: tuple[int, int] = (96, 64)
    times: Sequence[Fraction] = steady(25)
    sounds: tuple[Sound, ...] = ()
    rotation: int = 0
    flip: bool = False
    aspect: Fraction | None = None
    interlaced: bool = False
    language: str | None = None
    title: str | None = None
    chapters: bool = False
    subtitles: tuple[str, ...] = ()
    """A track of two subtitles in each of these languages; only in .mkv."""
    offset: int = 0
    target: str | None = None
    slow: bool = True
    options: dict[str, str] = field(default_factory=dict)

    @property
    def end(self) -> str:
        writable = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
        return self.target or (self.suffix if self.suffix in writable else ".mp4")


AAC, AC3, PCM, OPUS = Sound("aac"), Sound("ac3"), Sound("pcm_s16le"), Sound("libopus")
MP2, MP3, FLAC = Sound("mp2"), Sound("libmp3lame"), Sound("flac")
SURROUND = Sound("aac", layout="5.1")
TWO = (Sound("aac", language="eng", title="Film"), Sound("aac", language="deu", layout="mono"))
NTSC, FILM, PAL = Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25)
HEVC = {"x265-params": "log-level=none"}
VP9: dict[str, Any] = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
LATE = Fraction(2, 5)

SOURCES = [
    # Containers and codecs
    Source("mp4_h264_aac", sounds=(AAC,), slow=False),
    Source("mp4_h264_silent", slow=False),
    Source("mp4_h264_intra", options={"g": "1"}),
    Source("mp4_h264_open_groups", options={"x264-params": "open-gop=1:keyint=4:bframes=3"}),
    Source("mp4_hevc", codec="libx265", options=HEVC, size=(96, 96), sounds=(AAC,)),
    Source("mp4_hevc_10bit", codec="libx265", form="yuv420p10le", options=HEVC),
    Source("mp4_mpeg4", codec="mpeg4", options={"bf": "2"}),
    Source("mp4_mjpeg", codec="mjpeg", form="yuvj420p"),
    Source("mp4_av1", codec="libsvtav1", options={"preset": "12"}),
    Source("m4v_h264", suffix=".m4v", sounds=(AAC,)),
    Source("mov_h264_pcm", suffix=".mov", sounds=(PCM,), slow=False),
    Source("mov_prores", suffix=".mov", codec="prores_ks", form="yuv422p10le", sounds=(PCM,)),
    Source("mov_mjpeg_to_mp4", suffix=".mov", codec="mjpeg", form="yuvj422p", sounds=(PCM,), target=".mp4"),
    Source("mkv_h264_flac", suffix=".mkv", sounds=(FLAC,), slow=False),
    Source("mkv_ffv1_pcm", suffix=".mkv", codec="ffv1", form="yuv444p", sounds=(PCM,)),
    Source("mkv_mpeg2", suffix=".mkv", codec="mpeg2video", sounds=(MP2,)),
    Source("mkv_vp8_opus", suffix=".mkv", codec="libvpx", sounds=(OPUS,)),
    Source("webm_vp9_opus", suffix=".webm", sounds=(OPUS,), slow=False, **VP9),
    Source("webm_vp8", suffix=".webm", codec="libvpx", options={"auto-alt-ref": "1"}),
    Source("webm_to_mp4", suffix=".webm", sounds=(OPUS,), target=".mp4", **VP9),
    Source("avi_mpeg4_mp3", suffix=".avi", codec="mpeg4", sounds=(MP3,), slow=False),
    Source("avi_mpeg4_reordered", suffix=".avi", codec="mpeg4", options={"bf": "2"}, sounds=(PCM,)),
    Source("avi_h264_reordered", suffix=".avi", sounds=(PCM,)),
    Source("avi_mjpeg_pcm", suffix=".avi", codec="mjpeg", form="yuvj420p", sounds=(PCM,)),
    Source("ts_h264_aac", suffix=".ts", sounds=(AAC,), slow=False),
    Source("ts_mpeg2_mp2", suffix=".ts", codec="mpeg2video", sounds=(MP2,)),
    Source("ts_hevc_ac3", suffix=".ts", codec="libx265", options=HEVC, sounds=(AC3,)),
    Source("mpg_mpeg2_mp2", suffix=".mpg", codec="mpeg2video", sounds=(MP2,), options={"bf": "2"}),
    Source("flv_h264_mp3", suffix=".flv", sounds=(Sound("libmp3lame", rate=44100),)),
    # Sound
    Source("mp4_surround", sounds=(SURROUND,), slow=False),
    Source("mp4_ac3_surround", sounds=(Sound("ac3", layout="5.1"),)),
    Source("mp4_mono_low_rate", sounds=(Sound("aac", rate=22050, layout="mono"),)),
    Source("mkv_surround_pcm_to_mp4", ".mkv", sounds=(Sound("pcm_s16le", layout="5.1"),), target=".mp4"),
    Source("mov_high_rate_to_mp4", ".mov", sounds=(Sound("pcm_s24le", rate=192000),), target=".mp4"),
    Source("mkv_two_tracks", ".mkv", sounds=TWO, slow=False),
    Source("mp4_two_tracks", ".mp4", sounds=TWO),
    Source("mkv_mixed_tracks_to_mp4", ".mkv", sounds=(AAC, FLAC, OPUS), target=".mp4"),
    Source("mp4_to_webm", sounds=(AAC,), target=".webm"),
    Source("mp4_to_mkv", sounds=(AAC,), target=".mkv"),
    Source("mkv_to_mov", ".mkv", sounds=(AAC,), target=".mov"),
    # Times
    Source("mp4_ntsc", times=steady(NTSC), sounds=(AAC,), slow=False),
    Source("mkv_ntsc", ".mkv", times=steady(NTSC), sounds=(AAC,)),
    Source("mov_film", ".mov", times=steady(FILM), sounds=(PCM,)),
    Source("ts_ntsc", ".ts", times=steady(NTSC), sounds=(AC3,)),
    Source("mp4_variable", times=VARIABLE, sounds=(AAC,), slow=False),
    Source("mkv_variable", ".mkv", times=VARIABLE, sounds=(AAC,)),
    Source("webm_variable", ".webm", times=VARIABLE, sounds=(OPUS,), **VP9),
    Source("mkv_variable_to_mp4", ".mkv", times=VARIABLE, sounds=(AAC,), target=".mp4"),
    Source("mp4_pictures_late", times=steady(25, LATE), sounds=(AAC,), slow=False),
    Source("mkv_pictures_late", ".mkv", times=steady(25, LATE), sounds=(FLAC,)),
    Source("mp4_sound_late", sounds=(Sound("aac", starts=LATE),)),
    Source("mkv_sound_late", ".mkv", sounds=(Sound("flac", starts=LATE),)),
    Source("ts_clock_of_hours", ".ts", sounds=(AAC,), offset=50_000, slow=False),
    Source("mkv_late_clock", ".mkv", sounds=(FLAC,), offset=100),
    Source("mp4_one_frame", times=(Fraction(0),)),
    Source("mp4_120", times=steady(120)),
    Source("mp4_slow_show", times=tuple(Fraction(3 * number) for number in range(4))),
    # Shapes
    Source("mp4_rotated_90", rotation=90, sounds=(AAC,), slow=False),
    Source("mov_rotated_270", ".mov", rotation=270),
    Source("mp4_rotated_180_variable", rotation=180, times=VARIABLE),
    Source("mp4_mirrored", flip=True),
    Source("mp4_vp9_rotated", rotation=90, **VP9),
    Source("mp4_vp9_rotated_to_mov", rotation=270, sounds=(AAC,), target=".mov", **VP9),
    Source("mp4_hevc_rotated_180", codec="libx265", options=HEVC, rotation=180, sounds=(AAC,)),
    Source("mp4_odd", form="yuv444p", size=(97, 65), slow=False),
    Source("webm_odd", ".webm", size=(97, 65), **VP9),
    Source("mkv_odd_height_422", ".mkv", form="yuv422p", size=(96, 65)),
    Source("mp4_wide_pixels", aspect=Fraction(4, 3), slow=False),
    Source("mkv_tall_pixels", ".mkv", aspect=Fraction(8, 9)),
    Source("mpg_dvd", ".mpg", "mpeg2video", aspect=Fraction(32, 27), size=(720, 480), sounds=(AC3,)),
    Source("mp4_tiny", size=(16, 16)),
    Source("mp4_strip", size=(640, 16)),
    Source("mp4_full_range", form="yuvj420p"),
    Source("mp4_grey", form="gray"),
    # Interlace
    Source("mp4_interlaced", interlaced=True, sounds=(AAC,), slow=False),
    Source("ts_mpeg2_interlaced", ".ts", "mpeg2video", interlaced=True, sounds=(MP2,)),
    Source("avi_mpeg4_interlaced", ".avi", "mpeg4", interlaced=True, sounds=(PCM,)),
    # Alpha
    Source("webm_alpha", ".webm", form="yuva420p", **VP9),
    Source("mov_alpha", ".mov", codec="prores_ks", form="yuva444p10le"),
    Source("mov_animation_to_mp4", ".mov", codec="qtrle", form="argb", target=".mp4", slow=False),
    Source("mkv_alpha", ".mkv", codec="ffv1", form="bgra"),
    Source("webm_alpha_opus", ".webm", form="yuva420p", sounds=(OPUS,), slow=False, **VP9),
    Source("mov_alpha_pcm", ".mov", codec="prores_ks", form="yuva444p10le", sounds=(PCM,)),
    Source("webm_alpha_opus_to_mp4", ".webm", form="yuva420p", sounds=(OPUS,), target=".mp4", **VP9),
    Source("mov_alpha_surround_to_webm", ".mov", "qtrle", "argb", sounds=(SURROUND,), target=".webm"),
    # Subtitles
    Source("mkv_subtitles", ".mkv", sounds=TWO, subtitles=("eng", "deu"), slow=False),
    Source("mkv_subtitles_late", ".mkv", times=steady(25, LATE), sounds=(AAC,), subtitles=("jpn",)),
    Source("mkv_subtitles_to_mp4", ".mkv", sounds=(AAC,), subtitles=("eng", "fra"), target=".mp4"),
    Source("mkv_subtitles_to_webm", ".mkv", subtitles=("eng",), target=".webm"),
    # Labels
    Source("mkv_labels", ".mkv", sounds=TWO, language="fra", title="A Film", chapters=True, slow=False),
    Source("mp4_labels", sounds=TWO, language="fra", title="A Film", chapters=True),
    Source("mov_labels", ".mov", sounds=TWO, language="fra", title="A Film", chapters=True),
    Source(
        "mkv_labels_to_mp4", ".mkv", sounds=TWO, language="jpn", title="A Film", chapters=True, target=".mp4"
    ),
    Source(
        "mkv_labels_to_webm", ".mkv", sounds=TWO, language="jpn", title="Ä", chapters=True, target=".webm"
    ),
    Source("mp4_labels_late", times=steady(25, LATE), title="A", chapters=True, target=".mkv"),
]


def drawn(source: Source, number: int) -> np.ndarray:
    """A picture that differs in its corners and in its level from frame to frame; (H, W, 4) uint8."""
    width, height = source.size
    y, x = np.mgrid[:height, :width]
    picture = np.empty((height, width, 4), np.uint8)
    picture[..., 0] = 40 + 10 * number + 60 * x / width
    picture[..., 1] = 40 + 10 * number + 60 * y / height
    picture[..., 2] = 60 + 10 * number
    picture[..., 3] = 255
    if "a" in source.form.removeprefix("gray"):
        picture[: height // 2, : width // 2, 3] = 0
    return picture


def make(source: Source, path: Path) -> None:
    options = {"output_ts_offset": str(source.offset)} if source.offset else {}
    if source.suffix in (".mp4", ".m4v", ".mov"):
        options["movie_timescale"] = "90000"
    with av.open(str(path), "w", container_options=options) as output:
        pictures = picture_stream(output, source)
        sounds = [(sound_stream(output, sound), sound) for sound in source.sounds]
        if source.title:
            output.metadata["title"] = source.title
        if source.chapters:
            output.set_chapters([chapter(number) for number in range(2)])
        packets = picture_packets(pictures, source)
        for stream, sound in sounds:
            packets += sound_packets(stream, sound)
        for language in source.subtitles:
            packets += subtitle_packets(output, language, path.with_suffix(".srt"))
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)


def chapter(number: int) -> dict[str, Any]:
    start, unit = 500 * number, Fraction(1, 1000)
    labels = {"title": ("One", "Two")[number]}
    return {"id": number, "start": start, "end": start + 500, "time_base": unit, "metadata": labels}


def picture_stream(output: Any, source: Source) -> Any:
    gaps = [after - before for before, after in pairwise(source.times)]
    rate = 1 / gaps[0] if len(set(gaps)) == 1 else Fraction(25)
    stream = output.add_stream(source.codec, rate=rate, width=source.size[0], height=source.size[1])
    stream.pix_fmt = source.form
    context = stream.codec_context
    # Containers that count frames, and codecs that know only a few rates, keep the rate as their unit.
    is_fixed = source.suffix in (".avi", ".mpg") or source.codec in ("mpeg4", "mpeg2video")
    context.time_base = 1 / rate if is_fixed else Fraction(1, 90000)
    stream.options = dict(source.options)
    if source.interlaced:
        stream.options = {"flags": "+ildct+ilme"} | (
            {"x264-params": "tff=1"} if "x264" in source.codec else {}
        )
    if source.form.startswith("yuvj"):
        context.color_range = 2
    if source.aspect:
        context.sample_aspect_ratio = source.aspect
    if source.rotation or source.flip:
        stream.set_display_rotation(source.rotation, hflip=source.flip)
    if source.language:
        stream.metadata["language"] = source.language
    return stream


def picture_packets(stream: Any, source: Source) -> list[Any]:
    packets: list[Any] = []
    unit = stream.codec_context.time_base
    for number, time in enumerate(source.times):
        frame = av.VideoFrame.from_ndarray(drawn(source, number), "rgba").reformat(format=source.form)
        frame.pts, frame.time_base = round(time / unit), unit
        packets += stream.encode(frame)
    packets += stream.encode(None)
    gaps = [after - before for before, after in pairwise(source.times)]
    length = {
        round(t / unit): round(g / unit) for t, g in zip(source.times, [*gaps, *gaps[-1:]], strict=False)
    }
    for packet in packets:
        packet.duration = length.get(packet.pts, 0)
    return packets


def sound_stream(output: Any, sound: Sound) -> Any:
    stream = output.add_stream(sound.codec, rate=sound.rate)
    stream.codec_context.layout = sound.layout
    for word in ("language", "title"):
        if getattr(sound, word):
            stream.metadata[word] = getattr(sound, word)
    stream.codec_context.open()
    return stream


def sound_packets(stream: Any, sound: Sound) -> list[Any]:
    context = stream.codec_context
    channels = context.layout.nb_channels
    at = np.arange(sound.rate * SECONDS) / sound.rate
    wave = np.where(at < TONE_FROM, 0, 12000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)
    samples = np.ascontiguousarray(np.repeat(wave[:, None], channels, 1).reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(samples, "s16", context.layout.name)
    frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
    frame.pts = round(sound.starts * sound.rate)
    size = context.frame_size or 1024
    resampler = av.AudioResampler(context.format, context.layout, sound.rate, frame_size=size)
    packets: list[Any] = []
    for piece in resampler.resample(frame) + resampler.resample(None):
        packets += stream.encode(piece)
    return packets + stream.encode(None)


SUBTITLES = ((Fraction(1, 10), "one <i>line</i>"), (Fraction(1, 2), "Größe, 字幕"))


def subtitle_packets(output: Any, language: str, text: Path) -> list[Any]:
    """Packets of a new track of subtitles: those of a text file, in which FFmpeg reads them."""
    shown = [
        f"00:00:00,{int(1000 * start):03} --> 00:00:00,{int(1000 * start) + 300:03}" for start, _ in SUBTITLES
    ]
    lines = [f"{n}\n{shown[n]}\n{words} ({language})\n" for n, (_, words) in enumerate(SUBTITLES)]
    text.write_text("\n".join(lines), encoding="utf-8")
    with av.open(str(text)) as source:
        stream = output.add_stream_from_template(source.streams.subtitles[0])
        stream.metadata["language"] = language
        packets = [packet for packet in source.demux() if packet.size]
    for packet in packets:
        packet.stream = stream
    return packets


@dataclass
class SoundTrack:
    """What a reading finds of a sound track; times in seconds from the start of the file."""

    codec: str
    channels: int
    language: str | None
    title: str | None
    packets: list[bytes]
    times: list[Fraction]
    tone_from: float
    loudness: float


@dataclass
class Reading:
    """What PyAV and nothing else finds in a file; times in seconds from its first picture or sound."""

    times: list[Fraction]
    end: Fraction
    size: tuple[int, int]
    pictures: list[np.ndarray]
    alpha: list[np.ndarray]
    sounds: list[SoundTrack]
    language: str | None
    title: str | None
    chapters: list[tuple[Fraction, str]]
    subtitles: list[tuple[str | None, list[tuple[Fraction, str]]]]
    """Language of each track, and time and text of each line."""


def read(path: Path) -> Reading:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        packets: dict[int, list[Any]] = {video.index: []}
        packets |= {stream.index: [] for stream in container.streams.audio}
        for packet in container.demux(*container.streams.video, *container.streams.audio):
            if packet.size:
                packets[packet.stream_index].append(packet)
        begins = [first_time(packets[index]) for index in packets]
        begin = max(Fraction(0), min(start for start in begins if start is not None))
        times, end, frames = pictures_of(path, packets[video.index], begin)
        title = container.metadata.get("title")
        chapters = [
            (one["start"] * Fraction(one["time_base"]) - begin, one["metadata"]["title"])
            for one in container.chapters()
        ]
        language = video.metadata.get("language")
        labels = [
            (
                stream.codec_context.codec.canonical_name,
                stream.codec_context.layout.nb_channels,
                dict(stream.metadata),
            )
            for stream in container.streams.audio
        ]
        shown = [upright(frame, video.sample_aspect_ratio) for frame in frames]
        sounds = [
            sound_of(path, number, packets[stream.index], begin, labels[number])
            for number, stream in enumerate(container.streams.audio)
        ]
    pictures, alpha = [one[..., :3] for one in shown], [one[..., 3] for one in shown]
    size = (shown[0].shape[1], shown[0].shape[0])
    subtitles = subtitles_of(path, begin)
    return Reading(times, end, size, pictures, alpha, sounds, known(language), title, chapters, subtitles)


def subtitles_of(path: Path, begin: Fraction) -> list[tuple[str | None, list[tuple[Fraction, str]]]]:
    found: dict[int, tuple[str | None, list[tuple[Fraction, str]]]] = {}
    with av.open(str(path)) as container:
        for stream in container.streams.subtitles:
            found[stream.index] = (known(stream.metadata.get("language")), [])
        if not found:
            return []
        for packet in container.demux(*container.streams.subtitles):
            words = bytes(packet)[2:] if ".mp4" in path.suffix else bytes(packet)  # mov_text states a length
            if words:
                line = (packet.pts * packet.time_base - begin, words.decode("utf-8"))
                found[packet.stream_index][1].append(line)
    return list(found.values())


def known(language: str | None) -> str | None:
    return None if language in (None, "und") else language


def first_time(packets: list[Any]) -> Fraction | None:
    stamps = [p.pts if p.pts is not None else p.dts for p in packets if not p.is_discard]
    return min(stamp * packets[0].time_base for stamp in stamps) if stamps else None


def pictures_of(
    path: Path, packets: list[Any], begin: Fraction
) -> tuple[list[Fraction], Fraction, list[Any]]:
    """Times, end and frames; where AVI states no times of showing, frames get those of decoding, sorted."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        if video.codec_context.codec.canonical_name == "vp9" and has_alpha_tag(video):
            frames = list(decoded_with_alpha(container, video))
        else:
            frames = list(container.decode(video))
        unit, rate = Fraction(video.time_base), video.average_rate
        stated = video.start_time + video.duration if "mp4" in container.format.name else None
    stamps = [frame.pts for frame in frames]
    if None in stamps or stamps != sorted(stamps):
        stamps = sorted(packet.dts for packet in packets)
    times = [stamp * unit - begin for stamp in stamps]
    if stated is not None:  # With reordered pictures no packet says how long the last one stays.
        return times, stated * unit - begin, frames
    last = max((p for p in packets if p.pts is not None), key=lambda p: p.pts, default=packets[-1])
    length = last.duration * unit if last.duration else 1 / Fraction(rate or 25)
    return times, times[-1] + length, frames


def has_alpha_tag(stream: Any) -> bool:
    return any(name.lower() == "alpha_mode" and value == "1" for name, value in stream.metadata.items())


def decoded_with_alpha(container: Any, video: Any) -> Any:
    """Frames of VP9 with transparency, which only libvpx decodes."""
    context = av.CodecContext.create("libvpx-vp9", "r")
    context.extradata = video.codec_context.extradata
    for packet in container.demux(video):
        yield from context.decode(packet if packet.size else None)


def upright(frame: Any, aspect: Fraction | None) -> np.ndarray:
    """The picture as a player shows it, (H, W, 4) uint8: square pixels, turned by its matrix."""
    width, height = frame.width, frame.height
    if aspect and aspect > 1:
        width = 2 * round(width * aspect / 2) if width % 2 == 0 else round(width * aspect)
    elif aspect and aspect < 1:
        height = 2 * round(height / aspect / 2) if height % 2 == 0 else round(height / aspect)
    picture = frame.reformat(width=width, height=height, format="rgba").to_ndarray()
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return picture
    a, b, _, c, d = (int(value) / 65536 for value in np.frombuffer(bytes(matrix), "<i4")[:5])
    at = np.array([[a, c], [b, d]]).round().astype(int)  # stored (x, y) to shown (x', y')
    if at[0, 0] == 0:
        picture, at = picture.swapaxes(0, 1), at[:, ::-1]
    picture = picture[:, ::-1] if at[0, 0] < 0 else picture
    return picture[::-1] if at[1, 1] < 0 else picture


def sound_of(path: Path, number: int, packets: list[Any], begin: Fraction, label: Any) -> SoundTrack:
    codec, channels, words = label
    unit = packets[0].time_base
    times = [(p.pts if p.pts is not None else p.dts) * unit - begin for p in packets]
    with av.open(str(path)) as container:
        mixer = av.AudioResampler("s16", "mono", 48000)
        frames = list(container.decode(audio=number))
        start = float(frames[0].pts * frames[0].time_base - begin)
        pieces = [piece.to_ndarray()[0] for frame in frames for piece in mixer.resample(frame)]
    wave = np.concatenate(pieces).astype(float)
    loud = np.abs(wave) > 0.3 * np.abs(wave).max()
    tone_from = start + int(loud.argmax()) / 48000
    loudness = float(np.sqrt((wave[loud.argmax() :] ** 2).mean()))
    payload = [bytes(packet) for packet in packets]
    language = known(words.get("language"))
    return SoundTrack(codec, channels, language, words.get("title"), payload, times, tone_from, loudness)


def params() -> list[Any]:
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(source, id=source.name, marks=marks[source.slow]) for source in SOURCES]


@pytest.mark.parametrize("source", params())
@pytest.mark.thinned(9)
def test_video_comes_out_as_it_went_in(source: Source, tmp_path: Path) -> None:
    path, out = tmp_path / f"source{source.suffix}", tmp_path / f"out{source.end}"
    make(source, path)
    result = translate_video(Identity(), path, out, "a2b", film=AS_IT_IS)
    before, after = read(path), read(out)
    assert result.damaged == [] and result.frames == len(before.times) == len(source.times)
    check_pictures(before, after, out.suffix, result)
    check_sounds(before, after, out.suffix, result.notes)
    check_labels(before, after, result.notes)
    check_subtitles(before, after, result.notes)
    if shutil.which("ffprobe"):
        check_with_ffprobe(out, len(before.times), before.size)


def check_pictures(before: Reading, after: Reading, suffix: str, result: VideoResult) -> None:
    assert after.size == before.size
    unit = Fraction(1, 1000) if suffix in (".mkv", ".webm") else Fraction(1, 90000)
    assert len(after.times) == len(before.times)
    errors = [abs(a - b) for a, b in zip(after.times, before.times, strict=True)]
    assert max(errors) <= unit, (before.times, after.times)
    assert abs(after.end - before.end) <= 2 * unit, (before.end, after.end)
    is_clear = any(one.min() < 255 for one in before.alpha)
    keeps_alpha = is_clear and any(one.min() < 255 for one in after.alpha)
    assert not is_clear or keeps_alpha or any("transparen" in note for note in result.notes)
    for number in range(len(before.times)):
        old, new, alpha = before.pictures[number], after.pictures[number], before.alpha[number]
        assert np.abs(new.astype(float) - old)[alpha == 255].mean() < 4
        if keeps_alpha:
            assert np.abs(after.alpha[number].astype(float) - alpha).mean() < 2


def check_sounds(before: Reading, after: Reading, suffix: str, notes: list[str]) -> None:
    left_out = sum("left out:" in note and "sound track" in note for note in notes)
    assert len(after.sounds) == len(before.sounds) - left_out
    if left_out:
        return
    for old, new in zip(before.sounds, after.sounds, strict=True):
        assert abs(new.tone_from - old.tone_from) < 0.012, (old.tone_from, new.tone_from)
        assert 0.7 < new.loudness / old.loudness < 1.4
        if new.codec != old.codec:
            assert any("re-encoded" in note for note in notes)
            assert new.channels == old.channels or any("mixed" in note for note in notes)
            continue
        assert new.channels == old.channels
        early = sum(time < 0 for time in old.times)
        dropped = len(old.packets) - len(new.packets)
        if old.codec.startswith("pcm"):  # How many samples make a packet is up to the reader.
            assert b"".join(new.packets) == b"".join(old.packets)
            continue
        assert dropped in (0, early) and (not dropped or any("before time zero" in note for note in notes))
        payload = old.packets[dropped:]
        assert new.packets == ([without_adts(one) for one in payload] if old.codec == "aac" else payload)
        rounding = Fraction(1, 900) if ".mkv" in suffix or ".webm" in suffix else Fraction(1, 5000)
        times = zip(new.times, old.times[dropped:], strict=True)
        assert max(abs(a - b) for a, b in times) <= rounding, (old.times[:3], new.times[:3])


def without_adts(packet: bytes) -> bytes:
    """An AAC packet of a transport stream without the header that other containers have no use for."""
    is_adts = len(packet) > 7 and packet[0] == 255 and packet[1] & 0xF6 == 0xF0
    return packet[7 if packet[1] & 1 else 9 :] if is_adts else packet


def check_labels(before: Reading, after: Reading, notes: list[str]) -> None:
    said = " ".join(notes)
    assert after.title == before.title or "title" in said
    assert after.language == before.language or "the language of the pictures" in said
    assert [name for _, name in after.chapters] == [name for _, name in before.chapters] or "chapters" in said
    for (old, _), (new, _) in zip(before.chapters, after.chapters, strict=False):
        assert abs(max(Fraction(0), old) - new) <= Fraction(1, 1000)
    for number, (old_track, new_track) in enumerate(zip(before.sounds, after.sounds, strict=False), 1):
        for word in ("language", "title"):
            is_same = getattr(old_track, word) == getattr(new_track, word)
            assert is_same or f"the {word} of sound track {number}" in said


def check_subtitles(before: Reading, after: Reading, notes: list[str]) -> None:
    if len(after.subtitles) != len(before.subtitles):
        assert any("subtitle" in note for note in notes), notes
        return
    for (old_language, old), (language, new) in zip(before.subtitles, after.subtitles, strict=True):
        assert language == old_language
        assert [words for _, words in new] == [words for _, words in old]
        assert all(abs(a - b) <= Fraction(1, 1000) for (a, _), (b, _) in zip(new, old, strict=True))


def check_with_ffprobe(path: Path, frames: int, size: tuple[int, int]) -> None:
    words = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames", "-of", "json"]
    words += ["-show_entries", "stream=nb_read_frames,width,height"]
    done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    stream = json.loads(done.stdout)["streams"][0]
    assert (int(stream["nb_read_frames"]), stream["width"], stream["height"]) == (frames, *size)


SEEN_BY_FFMPEG = [
    source for source in SOURCES if not source.interlaced and "a" not in source.form.removeprefix("gray")
]
"""FFmpeg's own program neither deinterlaces nor lays what is transparent on white."""

UNTIMED = ("avi_mpeg4_reordered", "avi_h264_reordered", "mpg_mpeg2_mp2")
"""Sources for some of whose frames ffprobe itself gives no time."""


def seen_params() -> list[Any]:
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(source, id=source.name, marks=marks[source.slow]) for source in SEEN_BY_FFMPEG]


@pytest.mark.skipif(
    not shutil.which("ffmpeg") or not shutil.which("ffprobe"), reason="needs ffmpeg and ffprobe"
)
@pytest.mark.parametrize("source", seen_params())
@pytest.mark.thinned(15)
def test_the_program_ffmpeg_sees_the_same_in_both(source: Source, tmp_path: Path) -> None:
    path, out = tmp_path / f"source{source.suffix}", tmp_path / f"out{source.end}"
    make(source, path)
    result = translate_video(Identity(), path, out, "a2b", film=AS_IT_IS)
    before, after = probed(path), probed(out)
    assert len(after.times) == len(before.times) == len(source.times)
    if source.name not in UNTIMED:
        assert max(abs(a - b) for a, b in zip(after.times, before.times, strict=True)) <= 0.0011
        assert abs(after.first - max(0.0, before.first)) <= 0.0011, (before.first, after.first)
    said = " ".join(result.notes)
    assert [sound[0] for sound in after.sounds] == [
        sound[0] for sound in before.sounds
    ] or "sound re-" in said
    assert [sound[1:] for sound in after.sounds] == [
        sound[1:] for sound in before.sounds
    ] or "sound tr" in said
    assert after.subtitles == before.subtitles or "subtitle" in said, (before.subtitles, after.subtitles)
    if source.aspect is None:  # with pixels that are not square ffmpeg's raw pictures are of another shape
        old, new = raw_pictures(path), raw_pictures(out)
        assert new.shape == old.shape and np.abs(new - old).mean() < 4


@dataclass
class Probed:
    """What ffprobe says of a file; seconds."""

    times: list[float]
    """Of pictures, from the first of them."""
    first: float
    """Of the first picture, from the start of the file's earliest track."""
    sounds: list[tuple[str, int, str | None]]
    """Codec, channels and language of each sound track."""
    subtitles: list[str | None]
    """Language of each track of subtitles."""


def probed(path: Path) -> Probed:
    words = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", "-show_frames"]
    shown = ["-select_streams", "v:0", "-show_entries", "frame=best_effort_timestamp_time"]
    streams = json.loads(subprocess.run([*words[:-1], str(path)], capture_output=True, check=True).stdout)
    frames = json.loads(
        subprocess.run([*words[:5], *shown, str(path)], capture_output=True, check=True).stdout
    )
    times = [float(frame.get("best_effort_timestamp_time", "nan")) for frame in frames["frames"]]
    of_kind: dict[str, list[Any]] = {"audio": [], "subtitle": [], "video": []}
    for stream in streams["streams"]:
        of_kind.setdefault(stream["codec_type"], []).append(stream)
    known_language = [
        [known(one.get("tags", {}).get("language")) for one in of_kind[k]] for k in ("audio", "subtitle")
    ]
    starts = [
        float(s.get("start_time", 0)) for s in streams["streams"] if s["codec_type"] in ("audio", "video")
    ]
    sounds = [
        (one["codec_name"], one["channels"], language)
        for one, language in zip(of_kind["audio"], known_language[0], strict=True)
    ]
    return Probed([t - times[0] for t in times], times[0] - max(0.0, min(starts)), sounds, known_language[1])


def raw_pictures(path: Path) -> np.ndarray:
    """All pictures as the program shows them, turned upright: one row of floats."""
    words = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "v:0", "-vsync", "passthrough"]
    done = subprocess.run(
        [*words, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    )
    return np.frombuffer(done.stdout, np.uint8).astype(float)
