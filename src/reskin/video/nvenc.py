"""The encoders in NVIDIA's GPUs: whether this machine has them, tried once with a small frame.

https://docs.nvidia.com/video-technologies/video-codec-sdk/
"""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

from reskin.video.encoding import Codec, Encoding, chosen_codec, nvenc_takes

logger = logging.getLogger("reskin")

_INSTEAD: dict[Codec, Codec] = {"h264_nvenc": "h264", "hevc_nvenc": "hevc"}
_SIDE = 256
"""Of the frame that is tried: every generation of these encoders takes it."""


def offered(codec: Codec | None) -> Codec | None:
    """The codec that is encoded with: `codec`, or its form on the processor where the driver has none.

    A line of the log says which, once in a process.
    """
    return codec if codec is None or codec not in _INSTEAD else _settled(codec)


@functools.cache
def _settled(codec: Codec) -> Codec:
    trouble = missing(codec)
    if not trouble:
        return codec
    instead = _INSTEAD[codec]
    logger.warning(
        "%s cannot be used here (%s): the processor encodes, with --codec %s", codec, trouble, instead
    )
    return instead


def by_gpu(encoding: Encoding, path: Path, size: tuple[int, int]) -> Encoding:
    """The encoding of a film that a GPU translates: the GPU encodes it too, where its driver offers that.

    Only where the codec and the preset are left open, the file would be H.264 and the encoder takes the size.
    A line of the log says which encoder it is, once in a process.

    Args:
        encoding: as asked for.
        path: the file.
        size: width and height of its frames, px.
    """
    is_open = encoding == Encoding(quality=encoding.quality) and chosen_codec(path, encoding) == "h264"
    is_even = size[0] % 2 == size[1] % 2 == 0
    if not is_open or not is_even or not nvenc_takes("h264_nvenc", size) or not _encodes_h264():
        return encoding
    return replace(encoding, codec="h264_nvenc")


@functools.cache
def _encodes_h264() -> bool:
    trouble = missing("h264_nvenc")
    if trouble:
        logger.info("films are encoded by the processor (x264), not by the GPU: %s", trouble)
    else:
        logger.info("films are encoded by the GPU (h264_nvenc); --codec h264 leaves that to the processor")
    return not trouble


def missing(name: str) -> str:
    """Why an encoder cannot be used here; empty where it encoded a frame."""
    try:
        context = av.CodecContext.create(name, "w")
        context.width = context.height = _SIDE  # type: ignore[attr-defined]
        context.pix_fmt, context.time_base = "yuv420p", Fraction(1, 25)  # type: ignore[attr-defined]
        packets = [*context.encode(av.VideoFrame(_SIDE, _SIDE, "yuv420p")), *context.encode(None)]  # type: ignore[attr-defined]
    except ValueError:
        return "this FFmpeg does not have it"
    except (av.error.FFmpegError, OSError) as error:
        return f"no driver of NVIDIA that offers it: {error.strerror or error}"
    return "" if packets else "it gave nothing"
