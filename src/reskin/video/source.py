"""Opening video files safely: an allow list of formats, local files only, and every fault a typed error."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from reskin.errors import (
    CodecError,
    DamagedVideoError,
    NoFramesError,
    NotAVideoError,
    ReskinError,
    VideoError,
)
from reskin.paths import open_plain
from reskin.video.info import VideoInfo
from reskin.video.packets import remember_packets
from reskin.video.pixels import Placement, colour_note, has_alpha, placement, says_alpha

av.logging.set_level(None)  # FFmpeg's own chatter never reaches the user: our one line says what matters.

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg"
"""FFmpeg demuxers that may be used: containers that hold their own data and can name no other file."""

MAX_PIXELS = 2**27
"""A frame larger than this (134 megapixels, four times 8K) is taken for a damaged header."""

_THREADS = 4
"""Of a decoder, on any machine: a model on the same cores needs the others more."""

_SIGNATURES = ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (0, b"\x1a\x45\xdf\xa3"), (8, b"AVI "))


@contextmanager
def typed_errors(path: Path) -> Iterator[None]:
    """Turn whatever FFmpeg or PyAV raises in the block into one of our errors that names `path`.

    Raises:
        VideoError: or a subclass, for every exception that is not ours already.
    """
    try:
        yield
    except ReskinError:
        raise
    except PermissionError as error:
        raise VideoError(f"{path} may not be read", "Check the permissions of the file.") from error
    except FileNotFoundError as error:
        raise VideoError(f"{path} is gone", "It was removed while it was read; put it back.") from error
    except MemoryError as error:
        raise DamagedVideoError(
            f"{path} asks for more memory than there is",
            "Its header is damaged.",
        ) from error
    except av.error.DecoderNotFoundError as error:
        raise CodecError(f"no decoder for {path}", "Convert it to H.264 in .mp4 first.") from error
    except Exception as error:  # PyAV lets eleven kinds through, from IndexError to UnicodeDecodeError.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DamagedVideoError(
            f"{path} cannot be decoded ({reason})", "Make the file again or copy it anew."
        ) from error


def check_is_file(path: Path) -> None:
    """Refuse what is no ordinary, readable, non-empty file before FFmpeg sees its name.

    Raises:
        NotAVideoError: a URL, missing, a folder, a pipe or device, or empty.
        VideoError: the system does not let us look at it.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if "://" in os.fspath(path) or ":/" in os.fspath(path)[2:]:  # Path() turns // into /.
            raise NotAVideoError(f"{path} is an address, not a file", "Download it first.") from None
        raise NotAVideoError(f"no file {path}", "Check the name.") from None
    except (OSError, ValueError) as error:
        raise VideoError(f"{path} cannot be opened ({error})", "Check the name and the folder.") from None
    if stat.S_ISDIR(status.st_mode):
        raise NotAVideoError(f"{path} is a folder", "Name a video file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise NotAVideoError(f"{path} is a pipe or device", "Save the video to a file first.")
    if status.st_size == 0:
        raise NotAVideoError(f"{path} is empty (0 bytes)", "Copy or record it again.")
    try:
        os.close(open_plain(path, follow=True))
    except PermissionError:
        raise VideoError(f"{path} may not be read", "Check the permissions of the file.") from None
    except OSError as error:
        raise NotAVideoError(f"{path} cannot be read ({error.strerror})", "Copy it again.") from None


def open_container(path: Path) -> Any:
    """The opened PyAV input container; close it, or use it in `with`.

    Raises:
        NotAVideoError: see `check_is_file`; also a kind of file that is not on the allow list.
        DamagedVideoError: a video by its first bytes, but FFmpeg cannot open it.
    """
    check_is_file(path)
    # The prefix keeps a name such as "concat:a|b.mp4" from being read as a protocol.
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMATS,
        "max_pixels": str(MAX_PIXELS),
    }
    try:
        return av.open(f"file:{path.absolute()}", options=options)
    except PermissionError:
        raise VideoError(f"{path} may not be read", "Check the permissions of the file.") from None
    except Exception as error:  # One of PyAV's eleven kinds; which one says little about the file.
        if _looks_like_video(path):
            raise DamagedVideoError(
                f"{path} is damaged or cut short: its index or header cannot be read",
                "Copy it again, or have it repaired from its recorder.",
            ) from error
        raise NotAVideoError(
            f"{path} is not a video, or of a kind that is not accepted", "Convert it to H.264 in .mp4 first."
        ) from error


def _looks_like_video(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(16)
    return any(head[at : at + len(mark)] == mark for at, mark in _SIGNATURES)


def find_pictures(container: Any) -> Any:
    """The video stream marked as default, else the first, None where there is none; covers do not count."""
    attached = av.stream.Disposition.attached_pic
    films = [stream for stream in container.streams.video if not stream.disposition & attached]
    default = [stream for stream in films if stream.disposition & av.stream.Disposition.default]
    return next(iter([*default, *films]), None)


def picture_stream(container: Any, path: Path) -> Any:
    """The video stream to read: the one marked as default, else the first; cover pictures do not count.

    Raises:
        NoFramesError: there is none.
        CodecError: this FFmpeg cannot decode it.
    """
    chosen = find_pictures(container)
    if chosen is None:
        has = "only sound and a cover picture" if container.streams.video else "no pictures"
        raise NoFramesError(f"{path} holds {has}", "Choose a file with a film in it.")
    if chosen.codec_context is None:
        raise CodecError(f"no decoder for the pictures of {path}", "Convert it to H.264 in .mp4 first.")
    chosen.thread_type = "AUTO"
    chosen.codec_context.thread_count = _THREADS
    chosen.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    remember_packets(chosen.codec_context)
    return chosen


def sound_streams(container: Any) -> list[Any]:
    """The sound tracks of an opened file, those without a decoder as well."""
    return list(container.streams.audio)


def decoder_of(stream: Any) -> Any:
    """The decoder of a stream that `picture_stream` gave; for VP8 and VP9 with transparency libvpx.

    FFmpeg's own decoders of the two leave the transparency aside.
    """
    own = stream.codec_context
    able = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(codec_name(stream) or "")
    if able is None or not says_alpha(stream):
        return own
    try:
        context = av.CodecContext.create(able, "r")
    except (ValueError, av.error.LookupError):  # A build without libvpx; `colour_note` says what is lost.
        return own
    context.extradata = own.extradata
    context.options = {"max_pixels": str(MAX_PIXELS)}
    remember_packets(context)
    return context


def describe(path: Path) -> VideoInfo:
    """See `probe.probe`."""
    return examine(path).info


@dataclass(frozen=True)
class Examined:
    """What the first frame and the header of a video say.

    Attributes:
        info: facts.
        placement: how its frames are set upright.
        note: what to say about its colours, if anything.
        is_marked_interlaced: whether the first frame is marked as holding two moments.
        has_alpha: whether its pixels have transparency.
    """

    info: VideoInfo
    placement: Placement
    note: str | None
    is_marked_interlaced: bool
    has_alpha: bool


def examine(path: Path) -> Examined:
    """Look at the header and the first frame of a video.

    Raises:
        VideoError: see `probe.probe`.
    """
    with typed_errors(path), open_container(path) as container:
        stream = picture_stream(container, path)
        first = _first_frame(container, stream)
        if first is None:
            raise NoFramesError(f"{path} holds no frame that can be decoded", "Copy it again or convert it.")
        place = placement(first, stream.sample_aspect_ratio)
        info, note = _facts(path, container, stream, first), colour_note(first, stream)
        return Examined(info, place, note, bool(first.interlaced_frame), has_alpha(first))


def _facts(path: Path, container: Any, stream: Any, first: Any) -> VideoInfo:
    place = placement(first, stream.sample_aspect_ratio)
    rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
    duration = _duration(container, stream)
    sounds = container.streams.audio
    return VideoInfo(
        path=path,
        width=place.width,
        height=place.height,
        frame_rate=rate,
        frames=stream.frames or (round(duration * rate) if duration else None),
        duration=duration,
        has_sound=bool(sounds),
        sound_codec=codec_name(sounds[0]) if sounds else None,
        codec=codec_name(stream) or "unknown",
        pixel_format=first.format.name,
        rotation=place.rotation,
        bit_depth=max(part.bits for part in first.format.components),
    )


def _first_frame(container: Any, stream: Any) -> Any:
    """The first frame that decodes, or None; damaged packets before it are passed over."""
    context = decoder_of(stream)
    for packet in container.demux(stream):  # The last packet is empty and drains the decoder.
        try:
            frames = context.decode(packet)
        except av.error.InvalidDataError:
            continue
        if frames:
            return frames[0]
    return None


def _duration(container: Any, stream: Any) -> Fraction | None:
    if stream.duration is not None and stream.duration > 0:
        return Fraction(stream.duration * stream.time_base)
    if container.duration is not None and container.duration > 0:
        return Fraction(container.duration, 1_000_000)
    return None


def codec_name(stream: Any) -> str | None:
    """FFmpeg's name of a stream's codec ("mp3", whichever decoder reads it), None without a decoder."""
    return None if stream.codec_context is None else str(stream.codec_context.codec.canonical_name)
