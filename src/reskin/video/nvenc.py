"""The encoders in NVIDIA's GPUs: whether this machine has them, tried once with a small frame.

https://docs.nvidia.com/video-technologies/video-codec-sdk/
"""

from __future__ import annotations

import functools
import logging
from fractions import Fraction

import av

from reskin.video.encoding import Codec

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
