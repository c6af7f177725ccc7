"""Drawn footage as a video file with sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reskin.video.writer import Sound, VideoWriter
from reskin.worlds.footage import Footage

SAMPLE_RATE = 44100
"""Sound samples per second."""

_TONES_HZ = (196.0, 220.0, 246.9, 293.7, 329.6)


def write_footage(path: Path, footage: Footage, *, other_look: bool = False, has_sound: bool = True) -> None:
    """Write footage as an H.264 video with an AAC sound track.

    Args:
        path: the file to write; it is absent or complete, never in between.
        footage: what to draw.
        other_look: write the other look of the same frames.
        has_sound: add the sound of wind, steps and a slow melody, which depends on the seed.

    Raises:
        StorageError: the disk refuses the write.
        CodecError: this machine has no H.264 or AAC encoder.
    """
    sound = None
    if has_sound:
        seconds = float(len(footage) / footage.frame_rate)
        sound = Sound(samples=street_sound(footage.seed, seconds), sample_rate=SAMPLE_RATE)
    with VideoWriter(path, size=footage.size, frame_rate=footage.frame_rate, sound=sound) as writer:
        for index, frame in enumerate(footage):
            writer.write(frame.other if other_look else frame.image, time=index / footage.frame_rate)


def street_sound(seed: int, seconds: float) -> np.ndarray:
    """The sound of a street: wind that swells, steps, and a soft tone each second.

    Args:
        seed: other seeds sound different.
        seconds: how long it lasts.

    Returns:
        (n, 2) float32 in [-1, 1] at `SAMPLE_RATE`, left and right.

    >>> street_sound(1, 0.5).shape
    (22050, 2)
    """
    rng = np.random.default_rng([seed, 3])
    count = max(1, round(seconds * SAMPLE_RATE))
    sound = _wind(rng, count)
    for start in range(0, count, SAMPLE_RATE // 3):
        place = rng.uniform(0.3, 0.7)
        _add(sound, start, _step(rng), place)
    for start in range(0, count, SAMPLE_RATE):
        _add(sound, start, _tone(_TONES_HZ[rng.integers(len(_TONES_HZ))]), rng.uniform(0.2, 0.8))
    return np.clip(sound, -1, 1)


def _wind(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 2) float32: noise without its high parts, swelling and fading over a few seconds."""
    width = 24
    noise = rng.standard_normal((count + width, 2), np.float32)
    # A running mean: the difference of two sums takes as long for any width.
    total = np.cumsum(noise, axis=0, dtype=np.float64)
    low = ((total[width:] - total[:-width]) / np.sqrt(width)).astype(np.float32)
    swell = 0.6 + 0.4 * np.sin(np.arange(count) * (2 * np.pi * rng.uniform(0.15, 0.3) / SAMPLE_RATE))
    return low * (0.03 * swell[:, None]).astype(np.float32)


def _step(rng: np.random.Generator) -> np.ndarray:
    """A short knock, 0.08 s."""
    age = np.arange(int(0.08 * SAMPLE_RATE)) / SAMPLE_RATE
    knock = np.sin(2 * np.pi * rng.uniform(80, 120) * age) + 0.3 * rng.standard_normal(len(age))
    return (0.12 * knock * np.exp(-60 * age)).astype(np.float32)


def _tone(pitch_hz: float) -> np.ndarray:
    """A soft tone that fades over a second."""
    age = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * pitch_hz * age) + 0.3 * np.sin(4 * np.pi * pitch_hz * age)
    return (0.1 * wave * np.minimum(1, age * 50) * np.exp(-4 * age)).astype(np.float32)


def _add(sound: np.ndarray, start: int, piece: np.ndarray, place: float) -> None:
    """Mix `piece` into `sound` from `start` on; `position` is 0 for the left ear, 1 for the right."""
    length = min(len(piece), len(sound) - start)
    sound[start : start + length] += piece[:length, None] * np.array([1 - place, place], np.float32)
