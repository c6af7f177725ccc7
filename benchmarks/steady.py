"""CycleGAN with and without the equivariance loss, on drawn worlds, with the same CPU time: `make steady`.

python -m benchmarks.steady [--seeds 1] [--seconds 100] [--weight 5] [--out docs/results/steady.md]

A is a film, B a game, both drawn; no scene is in both. The networks are those that `make` takes on a CPU.
Each variant learns from scratch until this process has computed for as many seconds; a step with the loss
takes longer, so there are fewer of them. The truth of the test clips is known, their motion too.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from reskin.device import choose_compute
from reskin.images import to_tensor
from reskin.methods.base import Method
from reskin.methods.cyclegan import CycleGAN, CycleGANConfig
from reskin.metrics.psnr import psnr
from reskin.metrics.warping_error import move_back, warping_error
from reskin.parsing import parse
from reskin.runs.ema import Ema
from reskin.runs.schedule import set_learning_rate
from reskin.storage import commit
from reskin.training.loop import PlainStep, seed_step
from reskin.types import Batch, Step
from reskin.workflows.make_settings import choose_settings
from reskin.worlds.footage import Footage

SIZE, CROP, BATCH = (160, 96), 96, 4
TRAINING_FRAMES, CLIP_FRAMES = 480, 24
CLIPS = (401, 402)
"""Seeds of the test clips, whose scenes are in no training footage."""
SAME = 12.0
"""A pixel is visible in a later frame if the game shows it there within so many levels."""
SPANS = (1, 5)
"""Frames from one to the other whose difference is measured."""


class Clip:
    """A test clip: the film, its truth, and how its pixels move."""

    def __init__(self, seed: int) -> None:
        footage = Footage("film", seed=seed, frames=CLIP_FRAMES, size=SIZE, scene_frames=CLIP_FRAMES)
        frames = list(footage)
        self.film = torch.cat([to_tensor(frame.image) for frame in frames])
        self.truth = torch.cat([to_tensor(frame.other) for frame in frames])
        self.flow = torch.stack([torch.from_numpy(frame.flow).permute(2, 0, 1) for frame in frames])
        self.motion = {span: self._motion(span) for span in SPANS}

    def _motion(self, span: int) -> tuple[Tensor, Tensor]:
        """How far pixels move in `span` frames, and which of them are visible then."""
        count = CLIP_FRAMES - span
        total = self.flow[:count].clone()
        inside = torch.ones(count, *total.shape[2:], dtype=torch.bool)
        for number in range(1, span):
            further, is_inside = move_back(self.flow[number : number + count], total)
            total, inside = total + further, inside & is_inside
        back, is_inside = move_back(self.truth[span:], total)
        is_same = (back - self.truth[:count]).abs().amax(dim=1) * 127.5 <= SAME
        return total, inside & is_inside & is_same

    def measure(self, frames: Tensor) -> dict[str, float]:
        """PSNR to the truth, warping errors in levels, and sharpness as a share of the truth's."""
        found = {"psnr": float(psnr(frames, self.truth).mean())}
        for span, (flow, visible) in self.motion.items():
            error = warping_error(frames[:-span], frames[span:], flow=flow, visible=visible)
            found[f"e{span}"] = 255 * float(error.mean().sqrt())
        return found | {"sharp": slope(frames) / slope(self.truth)}


def slope(frames: Tensor) -> float:
    """Mean difference of neighbouring pixels."""
    return float(frames.diff(dim=2).abs().mean() + frames.diff(dim=3).abs().mean())


def batches(seed: int) -> Iterator[Batch]:
    """Random crops of drawn film (A) and game (B), mirrored half of the time."""
    film, game = (
        torch.cat(
            [to_tensor(frame.image) for frame in Footage(look, seed=own, frames=TRAINING_FRAMES, size=SIZE)]
        )
        for look, own in (("film", 2 * seed + 1), ("game", 2 * seed + 2))
    )
    source = torch.Generator().manual_seed(seed)
    while True:
        yield Batch(_crops(film, source), _crops(game, source))


def _crops(frames: Tensor, source: torch.Generator) -> Tensor:
    chosen = torch.randint(0, len(frames), (BATCH,), generator=source).tolist()
    lefts = torch.randint(0, frames.shape[3] - CROP + 1, (BATCH,), generator=source).tolist()
    flips = torch.randint(0, 2, (BATCH,), generator=source).tolist()
    crops = [frames[n, :, :CROP, left : left + CROP] for n, left in zip(chosen, lefts, strict=True)]
    return torch.stack([crop.flip(-1) if flip else crop for crop, flip in zip(crops, flips, strict=True)])


def train(seed: int, weight: float, seconds: float) -> tuple[CycleGAN, int]:
    """A CycleGAN trained from scratch for `seconds` of CPU time, and its number of steps."""
    chosen = choose_settings("cyclegan", CROP, is_gpu=False)
    own = {key: value for key, value in chosen.items() if key in CycleGANConfig.model_fields}
    torch.manual_seed(seed)
    method = CycleGAN(parse(CycleGANConfig, own | {"equivariance_weight": weight}))
    return method, teach(method, batches(seed), seed=seed, seconds=seconds, decay=chosen["ema"])


def teach(method: Method, drawn: Iterator[Batch], *, seed: int, seconds: float, decay: float) -> int:
    """Train for `seconds` of CPU time; it ends with its running mean of this decay. The number of steps."""
    ema = Ema(method, decay)
    step_of = PlainStep(method, choose_compute("cpu", "fp32"))
    batch, step, begin = next(drawn), 0, time.process_time()
    while (share := (time.process_time() - begin) / seconds) < 1:
        step += 1
        seed_step(seed, step, 0)
        set_learning_rate(method, min(1.0, 2 * (1 - share)))
        step_of(batch, Step(step, step))
        ema.update(step)
        batch = next(drawn)
    ema.swap()
    return step


def run(seed: int, weight: float, seconds: float, clips: list[Clip]) -> dict[str, float]:
    """Train one variant and measure it on all test clips."""
    method, steps = train(seed, weight, seconds)
    with torch.no_grad():
        translated = [method.translate(clip.film, "a2b").float() for clip in clips]
    return {"steps": steps} | _mean(
        [clip.measure(made) for clip, made in zip(clips, translated, strict=True)]
    )


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}


def page(rows: list[tuple[str, dict[str, float]]], arguments: argparse.Namespace) -> str:
    """The table and how it was made."""
    lines = [
        "# CycleGAN with and without the equivariance loss",
        "",
        f"Made by `python -m benchmarks.steady --seeds {arguments.seeds} --seconds {arguments.seconds:g} "
        f"--weight {arguments.weight:g}`.",
        f"Drawn film to drawn game, crops of {CROP} px, the networks that `reskin make` takes on a",
        f"CPU, from scratch: {arguments.seconds:g} seconds of CPU time each,",
        f"seeds: {arguments.seeds}. Measured on {len(CLIPS)} clips of {CLIP_FRAMES} frames of unseen scenes,",
        "translated whole and with no stabiliser.",
        "",
        "PSNR is to the truth, in dB (higher is better). E1 and E5 are warping errors over 1 and 5 frames",
        "along the true motion where a pixel stays visible, root of the mean square, in levels of 255 (lower",
        "is steadier). Sharpness is the mean difference of neighbouring pixels, as a share of the truth's: a",
        "blurred film has low warping errors too.",
        "",
        "| | steps | PSNR | E1 | E5 | sharpness |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows:
        steps = f"{row['steps']:.0f}" if "steps" in row else ""
        psnr_db = f"{row['psnr']:.2f}" if math.isfinite(row["psnr"]) else ""
        lines.append(
            f"| {name} | {steps} | {psnr_db} | {row['e1']:.2f} | {row['e5']:.2f} | {row['sharp']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train, measure, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=100.0, help="of CPU time for each variant and seed")
    parser.add_argument("--weight", type=float, default=5.0, help="of the equivariance loss")
    parser.add_argument("--out", type=Path, default=Path("docs/results/steady.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clips = [Clip(seed) for seed in CLIPS]
    rows: list[tuple[str, dict[str, float]]] = [
        ("film (input)", _mean([clip.measure(clip.film) for clip in clips])),
        ("game (truth)", _mean([clip.measure(clip.truth) for clip in clips])),
    ]
    for seed in range(arguments.seeds):
        for name, weight in (("CycleGAN", 0.0), ("with equivariance", arguments.weight)):
            found = run(seed, weight, arguments.seconds, clips)
            print(f"{name}, seed {seed}: {found}", flush=True)
            rows.append((f"{name}, seed {seed}", found))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with commit(arguments.out) as temporary:
        temporary.write_text(page(rows, arguments), encoding="utf-8")
    print(page(rows, arguments))


if __name__ == "__main__":
    main()
