"""A whole blind study on drawn worlds with simulated raters: `make study-demo`.

Draws inputs, three conditions (the true look, Reinhard's colour transfer, the untouched input), makes the
study, lets 24 raters take part, two of whom click at random, and writes build/study-demo/results.html.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np

from reskin.cli.main import main as reskin
from reskin.evaluation.blind_study.answers import Answer, AnswerStore
from reskin.evaluation.blind_study.plan import StudyPlan, read_plan
from reskin.evaluation.reinhard import Reinhard, measure
from reskin.images import write_image
from reskin.worlds.footage import Footage

ROOT = Path(__file__).parents[1]
CONDITIONS = ("truth", "reinhard", "untouched")
STRENGTHS = np.array([0.9, 0.1, -1.0])
"""What a simulated rater thinks of them on the mean; not read by the analysis."""
RATERS, ITEMS, RANDOM = 24, 30, 2
TIE = 0.5


def main() -> None:
    """Draw, make, answer, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "study-demo")
    out: Path = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    draw(out)
    runs = [str(out / name) for name in CONDITIONS]
    study = str(out / "study")
    words = ["study", "new", study, "--runs", *runs, "--a", str(out / "inputs")]
    if reskin([*words, "--items", str(ITEMS), "--raters", str(RATERS), "--primary", "truth / reinhard"]):
        raise SystemExit(1)
    take_part(out / "study")
    raise SystemExit(reskin(["study", "results", study, "--csv", "--html"]))


def draw(out: Path) -> None:
    """The inputs and what each condition makes of them."""
    film = Footage("film", seed=3, frames=48 * 12, size=(160, 96), scene_frames=12)
    game = Footage("game", seed=2, frames=24, size=(160, 96), scene_frames=12)
    frames = [film.frame(12 * number) for number in range(48)]
    inputs, truths = [frame.image for frame in frames], [frame.other for frame in frames]
    target = [game.frame(number).image for number in range(24)]
    reinhard = Reinhard().fit(measure(target), measure(inputs))
    made = {"truth": truths, "reinhard": [reinhard.transfer(p) for p in inputs], "untouched": inputs}
    for name, pictures in {**made, "inputs": inputs}.items():
        for number, picture in enumerate(pictures):
            write_image(out / name / f"{number:03d}.png", picture)


def take_part(folder: Path) -> None:
    """Every rater answers the whole list; a careful one slips in 4 % of the checks."""
    plan = read_plan(folder)
    store = AnswerStore(folder, create=True)
    random = np.random.default_rng(0)
    of_items = random.normal(0, 0.4, (len(plan.items), len(CONDITIONS)))
    for number, invite in enumerate(store.invite(RATERS)):
        rater = store.begin(invite, "en", plan.raters)
        assert rater is not None and rater.slot is not None
        taste = STRENGTHS + random.normal(0, 0.35, len(CONDITIONS))
        for turn, trial in enumerate(plan.slots()[rater.slot]):
            right = plan.right_choice(trial)
            if number < RANDOM:
                choice = str(random.choice(["first", "second", "same"]))
            elif right is not None:
                choice = right if random.random() > 0.04 else "first"
            else:
                choice = judged(plan, trial.cell, taste + of_items[trial.item], trial.swapped, random)
            rt = float(random.lognormal(7.2, 0.4))
            store.answer(invite, Answer(turn, f"{invite} {turn:016d}", choice, (), rt, ""))  # type: ignore[arg-type]
        store.finish(invite)
    store.close()


def judged(plan: StudyPlan, cell: int, worth: np.ndarray, swapped: bool, random: np.random.Generator) -> str:
    """A choice after Davidson's model."""
    first, second = plan.cells()[cell]
    half = (worth[first] - worth[second]) / 2
    shares = np.array([np.exp(half), TIE, np.exp(-half)])
    outcome = random.choice(3, p=shares / shares.sum())
    return "same" if outcome == 1 else "first" if (outcome == 0) != swapped else "second"


if __name__ == "__main__":
    main()
