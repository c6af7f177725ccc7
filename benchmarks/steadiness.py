"""How still the stabiliser holds a demo: `python -m benchmarks.steadiness DEMO [--steady off 0.8 best]`.

DEMO is a folder that `reskin demo` has made. Its clip is translated by its model once for each `--steady` and
compared with the truth: PSNR, warping error over 1 and 5 frames along the true motion where a pixel stays
visible, and sharpness as a share of the truth's. The translations are stored without loss; the last two
columns are of the same frames as `reskin translate` stores them by default. H.264 flickers by itself where
colours meet, most in frames as small as these, and its own part is what the truth has there.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch
from benchmarks.drawn_clips import Clip
from torch import Tensor

from reskin.images import to_image, to_tensor
from reskin.runs.load import load
from reskin.translation.clips import translate_video
from reskin.translation.film import FilmOptions
from reskin.video.encoding import Encoding
from reskin.video.reader import VideoReader
from reskin.video.writer import VideoWriter
from reskin.workflows.demo import CLIP_FRAMES, SCENE_FRAMES, SIZE
from reskin.worlds.footage import Footage


def main(words: Sequence[str] | None = None) -> list[str]:
    """Translate, measure, print; the lines of the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("demo", type=Path)
    parser.add_argument("--steady", nargs="+", default=["off", "0.8", "best"])
    parser.add_argument("--seed", type=int, default=0, help="that of the demo")
    given = parser.parse_args(words)
    footage = Footage(
        "film", seed=3 * given.seed + 3, frames=CLIP_FRAMES, size=SIZE, scene_frames=SCENE_FRAMES
    )
    clip = Clip(footage, SCENE_FRAMES)
    films = {"film (input)": clip.film, "game (truth)": clip.truth}
    model = load(given.demo / "run")
    with tempfile.TemporaryDirectory() as folder:
        for steady in given.steady:
            out = Path(folder) / f"{steady}.mkv"
            options = replace(options_of(steady), encoding=Encoding(codec="ffv1"))
            translate_video(model, given.demo / "clip.mp4", out, "a2b", film=options)
            films[f"--steady {steady}"] = frames_of(out)
        stored = {name: as_stored(frames, Path(folder) / "stored.mp4") for name, frames in films.items()}
    lines = [
        "| | PSNR | E1 | E5 | sharpness | PSNR in H.264 | E1 in H.264 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, frames in films.items():
        found, coded = clip.measure(frames), clip.measure(stored[name])
        cells = [found[part] for part in ("psnr", "e1", "e5", "sharp")] + [coded["psnr"], coded["e1"]]
        words = ["" if math.isinf(cell) else f"{cell:.2f}" for cell in cells]
        lines.append(f"| {name} | {' | '.join(words)} |")
    print("\n".join(lines))
    return lines


def as_stored(frames: Tensor, path: Path) -> Tensor:
    """The same frames as a film of the default codec and quality gives them back."""
    height, width = frames.shape[2:]
    with VideoWriter(path, size=(width, height), frame_rate=Fraction(25)) as writer:
        for number, frame in enumerate(frames):
            writer.write(to_image(frame[None])[0], Fraction(number, 25))
    return frames_of(path)


def options_of(steady: str) -> FilmOptions:
    """As `reskin translate --steady` has it."""
    if steady == "best":
        return FilmOptions(looks_ahead=True)
    return FilmOptions(steady=0.0 if steady == "off" else float(steady))


def frames_of(path: Path) -> Tensor:
    """All frames of a film, (T, 3, H, W) in [-1, 1]."""
    with VideoReader(path) as reader:
        return torch.cat([to_tensor(frame.image) for frame in reader])


if __name__ == "__main__":
    main()
