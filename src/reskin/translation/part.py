"""Which frames of a film are translated: all, or those of a preview."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction

from reskin.errors import NoFramesError, SettingsError
from reskin.translation.film import FilmOptions
from reskin.video.reader import VideoReader


@dataclass(frozen=True)
class Part:
    """Consecutive frames of a film, and when they are shown on its own clock.

    Attributes:
        numbers: of the frames; for a whole film None, since a damaged one has others than it promises.
        start: seconds at which the part begins; that becomes time zero.
        end: seconds at which its last frame ceases to be shown; None where the file does not say.
    """

    numbers: range | None
    start: Fraction
    end: Fraction | None


def part_of_film(reader: VideoReader, options: FilmOptions) -> Part:
    """The part that the options ask for.

    Raises:
        SettingsError: it begins after the end of the film.
        NoFramesError: it is a single frame, which can be neither kept steady nor searched for borders.
    """
    times = reader.times()
    if not options.is_part:
        _check_more_than_one(reader, len(times), options)
        return Part(None, reader.start(), reader.end())
    zero = reader.start()
    start = zero + _exact(options.start)
    # An end that lies less than a frame behind the last one still shows that one.
    end = reader.end() or times[-1] + 1 / reader.info.frame_rate
    if start >= end:
        raise SettingsError(
            f"{reader.path} ends after {float(end - zero):.3g} s, before --start {options.start:g}",
            f"Give a --start below {float(end - zero):.3g}.",
        )
    first = min(bisect_left(times, start), len(times) - 1)
    last = len(times)
    if options.seconds is not None:
        last = max(first + 1, bisect_left(times, max(start, times[first]) + _exact(options.seconds)))
    _check_more_than_one(reader, last - first, options, is_at_end=last == len(times))
    return Part(range(first, last), times[first], times[last] if last < len(times) else reader.end())


def _exact(seconds: float) -> Fraction:
    """The number that was meant: 0.4 is held as a little more than two fifths."""
    return Fraction(seconds).limit_denominator(1_000_000)


def _check_more_than_one(
    reader: VideoReader, frames: int, options: FilmOptions, *, is_at_end: bool = True
) -> None:
    if frames != 1 or not (options.steady > 0 or options.has_bars):
        return
    if options.is_part:
        fix = "Give an earlier --start." if is_at_end else "Give more --seconds."
        raise NoFramesError(f"this part of {reader.path} is a single frame", fix)
    raise NoFramesError(
        f"{reader.path} holds a single frame", "Save it as a picture, such as a .png, and translate that."
    )
