"""A run folder as training writes it, with drawn pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reskin.evaluation.scores import Score, Subject, record_scores
from reskin.images import write_image
from reskin.storage import append_line, write_json

ROWS = ["A", "A → B", "A → B → A", "B", "B → A", "B → A → B"]


def picture(seed: int, edge: int, learned: float, is_b: bool) -> np.ndarray:
    """A drawn landscape: bright in A, dusky in B; `learned` in [0, 1] moves from one to the other."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:edge, 0:edge] / edge
    hill = 0.55 + 0.12 * np.sin(columns * (4 + seed % 3) + seed)
    day = np.where((rows < hill)[..., None], (120, 190, 250), (90, 170, 70)) - 60 * rows[..., None]
    dusk = np.where((rows < hill)[..., None], (230, 130, 90), (40, 52, 60)) - 70 * (1 - rows[..., None])
    left = draw.integers(0, edge // 2)
    for image, wall in ((day, (240, 225, 190)), (dusk, (92, 70, 84))):
        image[edge // 3 : 2 * edge // 3, left : left + edge // 4] = wall
    share = learned if not is_b else 1 - learned
    return np.clip((1 - share) * day + share * dusk + draw.normal(0, 3, day.shape), 0, 255).astype(np.uint8)


def write_grid(folder: Path, step: int, learned: float, *, edge: int = 32, columns: int = 4) -> None:
    """A sample grid and its facts."""
    amounts = [0.0, learned, 0.1 * (1 - learned), 0.0, learned, 0.1 * (1 - learned)]
    rows = [
        np.hstack([picture(c + 10 * (r // 3), edge, amounts[r], r >= 3) for c in range(columns)])
        for r in range(6)
    ]
    write_image(folder / f"{step:08d}.png", np.vstack(rows))
    facts = {"step": step, "rows": ROWS, "columns": columns, "size": [edge, edge]}
    write_json(folder / f"{step:08d}.json", facts)


def drawn_scores() -> Iterator[tuple[str, Score]]:
    """Scores as `evaluate` gives them: single values for 60 images of which each subject has its own mean."""
    draw = np.random.default_rng(1)
    hardness = draw.normal(0, 1, 60)
    means: dict[str, dict[Subject, float]] = {
        "psnr": {"output": 22.81, "input": 7.62, "reinhard": 18.43},
        "ssim": {"output": 0.7312, "input": 0.4127, "reinhard": 0.5894},
    }
    for metric, row in means.items():
        for subject, mean in row.items():
            values = mean * (1 + 0.03 * hardness + draw.normal(0, 0.01, 60))
            values += mean - values.mean()
            yield (
                f"{metric}{'' if subject == 'output' else f'_{subject}'}_a2b",
                Score(
                    mean,
                    "higher",
                    60,
                    "to the truth, mean over pictures",
                    metric=metric,
                    direction="a2b",
                    subject=subject,
                    against="truth",
                    unit="dB" if metric == "psnr" else "",
                    pictures=tuple((f"{index:03d}.png", float(value)) for index, value in enumerate(values)),
                ),
            )
    for metric, mean in (("cycle_l1", 0.0421), ("cycle_l1_8bit", 0.0473)):
        score = Score(mean, "lower", 60, metric=metric, direction="a2b", against="source")
        yield f"{metric}_a", score
    distances: dict[Subject, float] = {"output": 151.2, "input": 1031.7, "reinhard": 402.9, "real": 80.4}
    for subject, mean in distances.items():
        note = "x 1000; by level: 96 px 120.1, 48 px 160.2, 24 px 173.3"
        yield (
            "swd_real_b" if subject == "real" else f"swd{'' if subject == 'output' else f'_{subject}'}_a2b",
            Score(mean, "lower", 60, note, metric="swd", direction="a2b", subject=subject, against="real"),
        )


def make_run(folder: Path, *, steps: int = 400, grids: int = 3, edge: int = 32) -> Path:
    """A run that is done, with everything a report can show."""
    settings: dict[str, Any] = {
        "method": {
            "cycle_weight": 10.0,
            "identity_weight": 0.1,
            "width": 24,
            "blocks": 4,
            "learning_rate": 4e-4,
        },
        "data": {"a": "data/film", "b": "data/game", "size": 96},
        "train": {"batch": 4, "steps": steps, "seed": 0, "ema": 0.999},
    }
    config = {
        "reskin": "0.1.0",
        "method": "cyclegan",
        "directions": ["a2b", "b2a"],
        "settings": settings,
        "defaults": {"train": {"batch": 1, "steps": None, "seed": 0, "ema": 0.0}},
        "resolved": {"steps": steps},
        "device": "CPU (2 threads), bf16",
        "data": {"pictures": {"a": 320, "b": 300}, "left_out": 1},
    }
    write_json(folder / "config.json", config)
    draw = np.random.default_rng(0)
    for step in range(steps // 200 or 1, steps + 1, max(1, steps // 200)):
        fall = math.exp(-4 * step / steps)
        losses = {
            "adversarial": 0.5 + 0.3 * fall + draw.normal(0, 0.06),
            "cycle": (0.03 + 1.6 * fall) * math.exp(draw.normal(0, 0.15)),
            "identity": (0.05 + 0.6 * fall) * math.exp(draw.normal(0, 0.1)),
            "real_vs_fake": 0.2 + 0.05 * math.sin(step / steps * 9) + draw.normal(0, 0.03),
        }
        append_line(
            folder / "losses.jsonl",
            {"step": step, "epoch": 1, "time": 1.7e9 + 0.6 * step, "losses": losses},
        )
        if step % (steps // 10) == 0:
            unseen = {"cycle": 1.2 * losses["cycle"], "identity": 0.05 + 0.6 * fall + 0.2 * step / steps}
            append_line(folder / "losses.jsonl", {"step": step, "held_out": unseen})
    for index in range(1, grids + 1):
        write_grid(folder / "samples", steps * index // grids, 0.85 * index / grids, edge=edge)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / f"{steps:08d}.safetensors").write_bytes(b"x")
    scores = dict(drawn_scores())
    record_scores(folder, steps, scores, {"a": "data/film", "b": "data/game"})
    (folder / "log.txt").write_text("2026-01-01 10:00:00  left out data/film/bad.png: is damaged\n")
    return folder


@pytest.fixture
def finished_run(tmp_path: Path) -> Path:
    """A run that is done, with everything a report can show."""
    return make_run(tmp_path / "film-game")
