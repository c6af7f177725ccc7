"""How still the stabiliser holds a demo: `python -m benchmarks.steadiness DEMO [--steady off 0.8 best]`.

DEMO is a folder that `reskin demo` has made. Its clip is translated by its model once for each `--steady` and
compared with the truth: PSNR, warping error over 1 and 5 frames along the true motion where a pixel stays
visible, and sharpness as a share of the truth's.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from benchmarks.drawn_clips import Clip
from torch import Tensor

from reskin.images import to_tensor
from reskin.runs.load import load
from reskin.translation.clips import translate_video
from reskin.translation.film import FilmOptions
from reskin.video.reader import VideoReader
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
            out = Path(folder) / f"{steady}.mp4"
            translate_video(model, given.demo / "clip.mp4", out, "a2b", film=options_of(steady))
            films[f"--steady {steady}"] = frames_of(out)
    lines = ["| | PSNR | E1 | E5 | sharpness |", "|---|---|---|---|---|"]
    for name, frames in films.items():
        found = clip.measure(frames)
        psnr = "" if frames is clip.truth else f"{found['psnr']:.2f}"
        lines.append(f"| {name} | {psnr} | {found['e1']:.2f} | {found['e5']:.2f} | {found['sharp']:.2f} |")
    print("\n".join(lines))
    return lines


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
