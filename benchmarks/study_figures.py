"""Whether the statistics of a blind study hold, in simulation: `make study-figures` writes
docs/results/blind_study.md.

python -m benchmarks.study_figures [--studies 2000] [--exposures FILE] [--out docs/results/blind_study.md]

About a minute and a half of one core. The exposures are those that `make exposures` measures in Chromium
in seven minutes (build/exposures.json); without that file the page keeps its old paragraph on them.
"""

from __future__ import annotations

import argparse
import json
import random
import textwrap
from pathlib import Path

from tests.support.inattentive_raters import left_out
from tests.support.simulated_raters import (
    PLANNED,
    SETTINGS,
    contrasts_covered,
    covered,
    power_found,
    wrongly_different,
)
from tests.support.study_designs import check_balance, drawn_design

from reskin.evaluation.blind_study.design import deal
from reskin.storage import commit

ROOT = Path(__file__).parents[1]
HEAD = """\
# Blind studies: do the figures hold?

Made by `make study-figures` from simulated raters whose truth is known; tests hold the same figures to their
limits (`pytest -m slow tests/evaluation/blind_study`). Answers follow a logistic model with normal effects of
raters and of items; nothing of it is known to the analysis. No people took part in what is on this page.
"""
EXPOSURES = "## Exposures in Chromium"


def main() -> None:
    """Simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--exposures", type=Path, default=ROOT / "build" / "exposures.json")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "blind_study.md")
    options = parser.parse_args()
    parts = [HEAD, coverage(options.studies), comparisons(options.studies), planner(), others()]
    parts.append(exposures(options.exposures, options.out))
    with commit(options.out) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def percent(value: float) -> str:
    """
    >>> percent(0.9485)
    '94.8 %'
    """
    return f"{100 * value:.1f} %"


def paragraph(text: str) -> str:
    """Lines of at most 110 characters, and an empty one."""
    return textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False) + "\n"


def coverage(studies: int) -> str:
    """Intervals of a share in every setting."""
    rows = [
        "## Intervals of a share",
        "",
        f"How often 95 % intervals held the true share, of {studies:,} studies each (limits: 93 to 98.5 %).",
        "A binomial interval, which takes answers as independent, is what papers usually print.",
        "",
        "| raters x items (each sees) | true share | SDs of raters, items | two-way clustered "
        "| half width, points | binomial |",
        "|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        found = covered(setting, studies)
        raters, items, seen = setting.size
        rows.append(
            f"| {raters} x {items} ({seen}) | {found.truth:.3f} | {setting.sds[0]:g}, {setting.sds[1]:g} "
            f"| **{percent(found.clustered)}** | {100 * found.half_width:.1f} | {percent(found.binomial)} |"
        )
    return "\n".join(rows) + "\n"


def comparisons(studies: int) -> str:
    """Differences and contrasts where there are none."""
    wrong, held = wrongly_different(studies), contrasts_covered(studies // 4)
    said = (
        "Two conditions of the same fooling rate, 20 raters and 30 items: called different in "
        f"**{percent(wrong)}** of {studies:,} studies (limit: 5.5 %). Bradley-Terry with ties, four equal "
        f"conditions: the intervals of all six contrasts held 0 in **{percent(held)}** of {studies // 4:,} "
        "studies (limits: 93 to 98.5 %). Without ties the strengths are those of choix to 1e-6; Holm's "
        "correction is that of statsmodels, the quantiles of t those of scipy "
        "(tests/evaluation/blind_study/test_references.py)."
    )
    return f"## Comparisons of equal conditions\n\n{paragraph(said)}"


def planner() -> str:
    """Power as planned and as found."""
    rows = [
        "## Planner",
        "",
        "Power that `reskin study plan` states, and the share of 1,500 simulated studies that found the",
        "difference (limit: 4 points apart).",
        "",
        "| raters x items (each sees) | logit of the mean | planned | found |",
        "|---|---|---|---|",
    ]
    for setting in PLANNED:
        planned, found = power_found(setting, 1500)
        raters, items, seen = setting.size
        rows.append(
            f"| {raters} x {items} ({seen}) | {setting.mean:g} | {percent(planned)} | {percent(found)} |"
        )
    return "\n".join(rows) + "\n"


def others() -> str:
    """Balance of designs, and who is left out."""
    chance = random.Random(1)
    for _ in range(10_000):
        design = drawn_design(chance)
        check_balance(design, deal(design))
    forced, preferred = left_out("real-or-fake"), left_out("preference")
    balanced = (
        "10,000 random designs of up to 40 raters, 60 items and 15 cells: no rater met an item twice; "
        "items, cells and items in cells were met equally often to within 1, and sides to within 1 for "
        "each rater, in all of them."
    )
    looked = (
        "1,000 raters, of whom two in ten click at random and one in ten presses one button alone; the "
        f"others slip in 5 % of checks. Left out by the rules: {percent(forced[0])} of those who do not "
        f"look in real-or-fake and {percent(preferred[0])} in preference (limit: at least 95 %), and "
        f"{percent(forced[1])} and {percent(preferred[1])} of those who do (limit: at most 2 %)."
    )
    return f"## Designs and raters\n\n{paragraph(balanced)}\n{paragraph(looked)}"


def exposures(measured: Path, out: Path) -> str:
    """What was measured in a browser; where it was not, what the page says of it already."""
    if not measured.exists():
        _, found, old = (out.read_text(encoding="utf-8") if out.exists() else "").partition(EXPOSURES)
        return found + old if found else f"{EXPOSURES}\n\nNot measured yet: `make exposures`.\n"
    each = json.loads(measured.read_text(encoding="utf-8"))
    how = (
        f"Measured by `make exposures` in headless Chromium {each['chromium']} on a machine of "
        f"{each['cores']} cores, load {each['load']:.1f}: {each['exposures']} exposures of 1,000 ms, "
        "by the page's own stamps of animation frames and by the time stamps of a screencast's frames."
    )
    rows = ["| | within 34 ms | median, ms | furthest off, ms |", "|---|---|---|---|"]
    for title, key in (("the page's own stamps", ""), ("frames of the screencast", "drawn_")):
        near, middle, far = (each[f"{key}{name}"] for name in ("within", "median", "furthest"))
        rows.append(f"| {title} | **{percent(near)}** | {middle:.1f} | {far:.0f} |")
    marked = (
        f"The two are {each['apart_median']:.0f} ms apart in the median, {each['apart_95']:.0f} ms or less "
        "in 95 %. An exposure that is further off than 34 ms by the page's stamps is marked and shown once "
        "more at the end, as was one that a blocked page ended 200 ms late."
    )
    return "\n".join([EXPOSURES, "", paragraph(how), *rows, "", paragraph(marked)])


if __name__ == "__main__":
    main()
