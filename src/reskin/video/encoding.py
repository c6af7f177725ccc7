"""Which codec the pictures of a file are written in, and how its encoder is set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import av

from reskin.errors import CodecError, VideoError

Codec = Literal["h264", "hevc", "h264_nvenc", "hevc_nvenc", "av1", "vp9", "prores", "ffv1"]
"""Codecs that pictures can be written in; those of nvenc are H.264 and HEVC, encoded by a GPU."""

Speed = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
"""Presets of x264 and x265."""

NVENC: tuple[Codec, ...] = ("h264_nvenc", "hevc_nvenc")
"""Those that only some machines have: see `video.nvenc`."""

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's muxer for each ending."""

_HELD: dict[str, tuple[Codec, ...]] = {
    ".mp4": ("h264", "hevc", *NVENC, "av1", "vp9"),
    ".m4v": ("h264", "hevc", *NVENC),
    ".mov": ("h264", "hevc", *NVENC, "prores"),
    ".mkv": ("h264", "hevc", *NVENC, "av1", "vp9", "prores", "ffv1"),
    ".webm": ("vp9", "av1"),
}
_WITH_ALPHA: dict[str, tuple[Codec, ...]] = {
    ".webm": ("vp9",),
    ".mkv": ("vp9", "ffv1"),
    ".mov": ("prores",),
}
_ENCODERS: dict[Codec, str] = {
    "h264": "libx264",
    "hevc": "libx265",
    "h264_nvenc": "h264_nvenc",
    "hevc_nvenc": "hevc_nvenc",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "prores": "prores_ks",
    "ffv1": "ffv1",
}
_IN_SLICES: tuple[Codec, ...] = ("prores", "ffv1")
"""Codecs whose bytes are the same with any number of threads."""
_THREADS = 4
"""The same on every machine: with others x264, x265 and libvpx make other bytes of the same frames."""
_WITH_PRESETS: tuple[Codec, ...] = ("h264", "hevc")
_DEFAULT_QUALITY = 18
DEFAULT_SPEED: Speed = "veryfast"
_SMALLEST_AV1 = 64
_NARROWEST_NVENC = 160


@dataclass(frozen=True)
class Encoding:
    """How pictures are encoded.

    Attributes:
        codec: what to write; None for H.264 (VP9 in .webm), with transparency ProRes in .mov, else VP9.
        quality: constant rate factor on x264's scale, 0 (perfect) to 51; 18 looks like the source and is the
            default. ProRes and FFV1 have none: FFV1 is lossless, ProRes nearly so.
        speed: x264's and x265's preset: the slower, the smaller the file. The others have a speed of their
            own.
        has_alpha: whether frames come with transparency.
    """

    codec: Codec | None = None
    quality: int | None = None
    speed: Speed = DEFAULT_SPEED
    has_alpha: bool = False


def keeps_alpha(suffix: str, codec: Codec | None = None) -> bool:
    """Whether a file with this ending, in this codec, can hold transparency.

    >>> keeps_alpha(".webm"), keeps_alpha(".mp4"), keeps_alpha(".mov", "h264")
    (True, False, False)
    """
    able = _WITH_ALPHA.get(suffix.lower(), ())
    return bool(able) if codec is None else codec in able


def chosen_codec(path: Path, encoding: Encoding) -> Codec:
    """The codec for a file.

    Raises:
        VideoError: an unknown ending or codec, one that the container or transparency does not allow, or a
            quality or preset that the codec has not.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise VideoError(
            f"{path} cannot be written: unknown ending '{path.suffix}'",
            f"Choose one of {', '.join(FORMATS)}.",
        )
    allowed = _WITH_ALPHA.get(suffix, ()) if encoding.has_alpha else _HELD[suffix]
    codec = encoding.codec
    if codec is not None and codec not in get_args(Codec):
        raise VideoError(f"no codec '{codec}'", f"Choose one of {', '.join(get_args(Codec))}.")
    if not allowed or (codec is not None and codec not in allowed):
        what = f"{suffix} cannot hold {codec or 'pictures'}" + (
            " with transparency" if encoding.has_alpha else ""
        )
        fitting = [
            end
            for end, held in (_WITH_ALPHA if encoding.has_alpha else _HELD).items()
            if codec is None or codec in held
        ]
        choice = f"End the name in one of {', '.join(fitting)}" if fitting else f"Choose {', '.join(allowed)}"
        raise VideoError(f"{path}: {what}", f"{choice}.")
    codec = codec or allowed[0]
    quality = encoding.quality
    if quality is not None and codec in ("prores", "ffv1"):
        raise VideoError(
            f"{codec} has no quality to choose", "Leave the quality away, or take another codec."
        )
    if quality is not None and not 0 <= quality <= 51:
        raise VideoError(f"a quality of {quality}", "Give 0 (perfect) to 51.")
    if encoding.speed not in get_args(Speed):
        raise VideoError(f"no preset '{encoding.speed}'", f"Choose one of {', '.join(get_args(Speed))}.")
    if encoding.speed != DEFAULT_SPEED and codec not in _WITH_PRESETS:
        raise VideoError(
            f"{codec} has no preset '{encoding.speed}'", "Leave the preset away, or take h264 or hevc."
        )
    return codec


def pixel_format(codec: Codec, size: tuple[int, int], *, has_alpha: bool) -> str:
    """FFmpeg's pixel format to encode in: 4:2:0 where the size and the codec allow it."""
    if codec == "prores":
        return "yuva444p10le" if has_alpha else "yuv422p10le"
    if codec == "ffv1":
        return "bgra" if has_alpha else "bgr0"
    if codec == "vp9":
        return "yuva420p" if has_alpha else "yuv420p"
    is_odd = size[0] % 2 or size[1] % 2
    return "yuv444p" if is_odd and codec in ("h264", "hevc", *NVENC) else "yuv420p"


def check_size(path: Path, codec: Codec, size: tuple[int, int]) -> None:
    """Refuse a size that the encoder cannot take.

    Raises:
        VideoError: too small, too large or odd.
    """
    shown = f"{size[0]}x{size[1]}"
    if min(size) < 2 or max(size) > 16384:
        raise VideoError(f"{path}: frames of {shown} cannot be written", "Use 2 to 16384.")
    if codec == "av1" and (min(size) < _SMALLEST_AV1 or size[0] % 2 or size[1] % 2):
        raise VideoError(
            f"{path}: AV1 is not written at {shown}", "Take vp9 or h264, or an even size of 64 px."
        )
    if codec == "hevc" and min(size) < 32:
        raise VideoError(f"{path}: HEVC is not written at {shown}", "Take h264, or 32 px at least.")
    if codec in NVENC and not nvenc_takes(codec, size):
        raise VideoError(f"{path}: {codec} does not write {shown}", "Take h264 or hevc.")


def nvenc_takes(codec: Codec, size: tuple[int, int]) -> bool:
    """Whether NVIDIA's encoder of that name writes frames of a size, width and height in px."""
    most = 4096 if codec == "h264_nvenc" else 8192
    return size[0] >= _NARROWEST_NVENC and size[1] >= 64 and max(size) <= most


def add_pictures(output: Any, codec: Codec, rate: Any, size: tuple[int, int], encoding: Encoding) -> Any:
    """The video stream of an output file, ready to encode.

    Raises:
        CodecError: this FFmpeg has no such encoder.
    """
    name = _ENCODERS[codec]
    try:
        stream = output.add_stream(name, rate=rate, width=size[0], height=size[1])
    except av.error.LookupError as error:
        raise CodecError(
            f"this FFmpeg has no {name} encoder", "Install the wheel: pip install av."
        ) from error
    quality = _DEFAULT_QUALITY if encoding.quality is None else encoding.quality
    stream.options = _options(codec, quality, encoding)
    stream.pix_fmt = pixel_format(codec, size, has_alpha=encoding.has_alpha)
    context = stream.codec_context
    context.time_base = 1 / rate
    if codec in ("hevc", "hevc_nvenc"):
        context.codec_tag = "hvc1"  # QuickTime knows no other one.
    if codec == "ffv1":
        context.colorspace, context.color_range = 0, 2  # RGB, full range
    else:
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        context.color_range = 1  # limited
    context.thread_type = "AUTO"
    if codec == "av1":
        # SVT-AV1 writes twenty lines about itself to standard error for every segment; 1 is errors alone.
        os.environ.setdefault("SVT_LOG", "1")
    if codec not in _IN_SLICES:
        context.thread_count = _THREADS
    return stream


def _options(codec: Codec, quality: int, encoding: Encoding) -> dict[str, str]:
    if codec == "h264":
        # With x264's macroblock tree the same frames give other bytes each time. Without it a file looks the
        # same at a number higher by two.
        factor = quality + 2 if quality else 0
        return {"crf": str(min(51, factor)), "preset": encoding.speed, "x264-params": "mbtree=0"}
    if codec == "hevc":
        lossless = "lossless=1:" if not quality else ""
        factor = min(51, quality + 4)
        return {"crf": str(factor), "preset": encoding.speed, "x265-params": f"{lossless}log-level=none"}
    if codec in NVENC:
        # The quality is called cq and needs a bit rate of 0; a cq of 0 would leave the choice to the driver.
        rated = {"tune": "hq", "rc": "vbr", "b": "0", "cq": str(min(51, quality + 1))}
        return {"preset": "p5", **(rated if quality else {"tune": "lossless"})}
    if codec == "av1":
        return {"crf": str(min(63, round(quality * 1.2) + 8)), "preset": "9"}
    if codec in _IN_SLICES:
        prores = {"profile": "4444" if encoding.has_alpha else "hq", "vendor": "apl0"}
        return prores if codec == "prores" else {"level": "3", "slicecrc": "1"}
    # VP9 at the same number looks worse; realtime with 8 of 9 speed steps is what two cores can do.
    options = {
        "crf": str(min(63, quality + 4)),
        "deadline": "realtime",
        "cpu-used": "6",
        "row-mt": "1",
        "b": "0",
    }
    # Frames that are stored but not shown cannot carry transparency.
    return {**options, "auto-alt-ref": "0"} if encoding.has_alpha else options
