"""Why UNIT may swap light and dark: its terms and settings on drawn worlds, `make unit-tones`.

python -m benchmarks.unit_tones [--steps 300] [--seeds 2] [--page] [--out docs/results/unit_tones.md]

The worlds and the small networks are those of `make toy-table`. *Tone* is the correlation of brightness
between an output and the truth, over squares of 8 px: 1 is right, -1 has light and dark swapped. Each variant
changes one thing of UNIT as its paper has it. What was trained before is kept in build/unit-tones; `--page`
trains nothing and writes the page of what is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from benchmarks.toy_cells import EDGE, Budget, code_digest, learn, scores_of, settings_of, translate, world
from torch import Tensor

from reskin.device import choose_compute
from reskin.storage import commit, read_json, write_json

FOLDER = Path("build/unit-tones")
SQUARE_PX = 8
VARIANTS: dict[str, tuple[str, dict[str, Any], int]] = {
    "as in the paper": ("unit", {}, 1),
    "no cycle": ("unit", {"cycle_weight": 0.0, "cycle_kl_weight": 0.0}, 1),
    "no KL": ("unit", {"kl_weight": 0.0, "cycle_kl_weight": 0.0}, 1),
    "adversarial weight 1, not 10": ("unit", {"adversarial_weight": 1.0}, 1),
    "least squares, not cross-entropy": ("unit", {"adversarial": "lsgan"}, 1),
    "learning rate 5e-4, not 1e-4": ("unit", {"learning_rate": 5e-4}, 1),
    "no shared latent space (preset munit_repo)": ("unit:munit_repo", {}, 1),
    "three times the steps": ("unit", {}, 3),
}
"""Name to the row of `toy_cells`, what is changed, and how many times the steps."""


def main() -> None:
    """Train what is not known, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--page", action="store_true", help="train nothing, write the page of what is there")
    parser.add_argument("--out", type=Path, default=Path("docs/results/unit_tones.md"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(given.seeds):
        for name in VARIANTS:
            cell = trained(name, given.steps, seed, only_read=given.page)
            if cell is not None:
                found.setdefault(name, []).append(cell)
    with commit(given.out) as temporary:
        temporary.write_text(page(found, given.steps), encoding="utf-8")


def tone(images: Tensor, truth: Tensor) -> float:
    """Mean over the images of the correlation of brightness with the truth's, over squares of 8 px.

    >>> ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    >>> round(tone(ramp, ramp), 3), round(tone(-ramp, ramp), 3)
    (1.0, -1.0)
    """
    one, two = (
        F.avg_pool2d(each.mean(dim=1, keepdim=True), SQUARE_PX).flatten(1) for each in (images, truth)
    )
    one, two = (each - each.mean(dim=1, keepdim=True) for each in (one, two))
    return torch.cosine_similarity(one, two).mean().item()


def trained(name: str, steps: int, seed: int, *, only_read: bool) -> dict[str, float] | None:
    """Scores of a variant with a seed; None where it is not known and nothing may be trained."""
    row, changed, times = VARIANTS[name]
    settings, budget = settings_of(row, changed), Budget("steps", times * steps)
    known = [
        sorted((key, str(value)) for key, value in settings.items()),
        budget.amount,
        seed,
        choose_compute("cpu").precision,
        code_digest("unit"),
    ]
    path = FOLDER / f"{hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]}.json"
    if path.exists() or only_read:
        return {key: float(value) for key, value in read_json(path).items()} if path.exists() else None
    method, _, spent = learn(row, settings, budget, seed)
    made, truth = translate(method, world("test")["a"]), world("test")["truth"]
    found = {"tone": tone(made, truth), **scores_of(made, "test"), "cpu_seconds": round(spent, 1)}
    write_json(path, found)
    print(f"{name}, seed {seed}: {found}", flush=True)
    return found


def page(found: Mapping[str, list[dict[str, float]]], steps: int) -> str:
    """The page."""
    frames = world("test")
    untouched = tone(frames["a"], frames["truth"])
    lines = [
        "<!-- Made by `make unit-tones`; change benchmarks/unit_tones.py. -->",
        "# Why UNIT may swap light and dark",
        "",
        f"UNIT with small networks on drawn worlds ({EDGE}x{EDGE} px, those of [toy.md](toy.md)), {steps} "
        "steps of 4 images, one thing changed in each row. **Tone** is the correlation of brightness with "
        f"the truth over squares of {SQUARE_PX} px: 1 is right, -1 is light and dark swapped. The input has "
        f"{untouched:.2f}. A value of each seed; these are short trainings, and few.",
        "",
        "| changed | tone of each seed | PSNR, dB | CPU seconds |",
        "|---|---|---|---|",
    ]
    for name, cells in found.items():
        tones = ", ".join(f"{cell['tone']:.2f}" for cell in cells)
        numbers = [statistics.fmean(cell[key] for cell in cells) for key in ("psnr", "cpu_seconds")]
        lines.append(f"| {name} | {tones} | {numbers[0]:.1f} | {numbers[1]:.0f} |")
    lines += ["", *answer(found)]
    missing = [name for name in VARIANTS if name not in found]
    if missing:
        lines += ["", f"Not trained yet: {', '.join(missing)}. `make unit-tones` goes on."]
    return "\n".join(lines) + "\n"


def answer(found: Mapping[str, list[dict[str, float]]]) -> list[str]:
    """Which rows have the right tones more than the paper's row has, in every seed, and which do not.

    >>> rows = {"as in the paper": [{"tone": 0.1}, {"tone": 0.2}], "no KL": [{"tone": 0.5}, {"tone": 0.3}]}
    >>> answer(rows | {"no cycle": [{"tone": 0.9}, {"tone": 0.15}]})
    ['Nearer to the right tones than the paper has it, in every seed: no KL (+0.25). Not so: no cycle.']
    """
    known = {name: [cell["tone"] for cell in cells] for name, cells in found.items()}
    paper = known.pop("as in the paper", [])
    if not paper or not known:
        return []
    gain = {name: statistics.fmean(tones) - statistics.fmean(paper) for name, tones in known.items()}
    nearer = [name for name in sorted(gain, key=lambda name: -gain[name]) if min(known[name]) > max(paper)]
    listed = ", ".join(f"{name} ({gain[name]:+.2f})" for name in nearer) or "none"
    others = ", ".join(name for name in known if name not in nearer) or "none"
    return [f"Nearer to the right tones than the paper has it, in every seed: {listed}. Not so: {others}."]


if __name__ == "__main__":
    main()
