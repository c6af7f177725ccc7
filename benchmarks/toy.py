"""Every method on the same drawn worlds, each with the same small search: `make toy-table`.

python -m benchmarks.toy [METHOD ...] [--steps 300] [--seconds 30] [--seeds 3] [--page] [--out FILE]

A is a film, B a game, both drawn; no scene is in both. The truth of every test frame is known, so outputs are
compared with it. Each row is tried with four settings on a validation world of other scenes; the best one is
trained with every seed for equal steps and for equal seconds of CPU time. Rows that stay below what needs no
training are trained again without each of their terms. Whatever was measured before is not measured again,
so a table that was stopped goes on; `--page` writes the page of what is there. Methods that need VGG weights
take those of RESKIN_TEST_DATA (or shared/data) and are named as left out where there are none.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.toy_cells import (
    BATCH,
    EDGE,
    EMA_DECAY,
    EXAMPLES,
    SEARCH_SEED,
    SHOWN,
    SMALL,
    TEST_FRAMES,
    TRAINING_FRAMES,
    VALIDATION_FRAMES,
    Budget,
    cell,
    cell_file,
    fields_of,
    find_weights,
    needs_weights,
    scores_of,
    settings_of,
    trials_of,
    world,
)
from PIL import Image, ImageDraw, ImageFont

from reskin.device import choose_compute
from reskin.errors import SettingsError
from reskin.evaluation.reinhard import Reinhard, measure
from reskin.images import read_image, to_image, to_tensor, write_image
from reskin.methods import find_trained, trained_names
from reskin.parsing import parse
from reskin.significance import CONFIDENCE, holm, t_interval, welch
from reskin.storage import commit

ABLATIONS = ("cyclegan:cycle_alone", "cyclegan:gan_alone")
"""Presets that take something out of a method, to show what it was there for."""
SEARCH_SHARE = 0.4
"""Share of the steps that a trial of the search learns."""
TERM_SEEDS = 2
LABEL_PX = 130
COLUMNS = {
    "psnr": ("PSNR, dB ↑", 2),
    "ssim": ("SSIM ↑", 3),
    "colour": ("colour ↓", 1),
    "edges": ("changed edges ↑", 3),
}


@dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        names: of the rows.
        steps: the budget of equal steps.
        seconds: the budget of equal seconds of CPU time.
        seeds: of each row.
        only_read: whether nothing is trained.
    """

    names: tuple[str, ...]
    steps: int
    seconds: float
    seeds: int
    only_read: bool = False

    @property
    def budgets(self) -> tuple[Budget, Budget]:
        """Equal steps, equal seconds."""
        return Budget("steps", self.steps), Budget("seconds", self.seconds)

    def row(
        self, name: str, chosen: Mapping[str, Any], budget: Budget, seed: int, split: str = "test"
    ) -> dict[str, Any] | None:
        """A cell; None where it is not known and nothing may be trained."""
        path = cell_file(name, chosen, budget, seed, split=split)
        if self.only_read and not path.exists():
            return None
        return cell(name, chosen, budget, seed, split=split)


def main() -> None:
    """Search, train, explain, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("methods", nargs="*", help="some methods only; the table then has these rows")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=30.0, help="of CPU time, for equal seconds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--page", action="store_true", help="train nothing, write the page of what is there")
    parser.add_argument("--out", type=Path, default=Path("docs/results/toy.md"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    names = given.methods or [*trained_names(), *ABLATIONS]
    left_out = {name: why for name in names if (why := cannot(name))}
    rows = tuple(name for name in names if name not in left_out)
    plan = Plan(rows, given.steps, given.seconds, given.seeds, only_read=given.page)
    text = page(plan, run(plan), left_out)
    with commit(given.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    draw_outputs(plan, given.out.with_suffix(".jpg"))
    print(text)


def cannot(name: str) -> str:
    """Why a method has no row; empty where it has one."""
    kind = find_trained(name.partition(":")[0])
    if kind.clip_length > 1:
        return "learns from clips"
    if kind.parts_from:
        return "learns on a finished model of another method"
    return "no VGG weights are here" if needs_weights(name) and find_weights() is None else ""


@dataclass(frozen=True)
class Found:
    """All that was measured.

    Attributes:
        trials: by row: each setting that was tried and its PSNR on the validation world.
        chosen: by row, the best of them.
        cells: by row, kind of budget and seed.
        terms: by row below what needs no training: term left out to PSNR of each seed; "" for none left out.
    """

    trials: Mapping[str, list[tuple[dict[str, Any], float]]]
    chosen: Mapping[str, dict[str, Any]]
    cells: Mapping[str, Mapping[str, Mapping[int, dict[str, Any]]]]
    terms: Mapping[str, Mapping[str, list[float]]]


def run(plan: Plan) -> Found:
    """Train and measure everything that is not known, or read what is."""
    trials = {name: search(plan, name) for name in plan.names}
    chosen = {
        name: max(known, key=lambda trial: trial[1])[0]
        for name, known in trials.items()
        if len(known) == len(trials_of(name))
    }
    cells: dict[str, dict[str, dict[int, dict[str, Any]]]] = {}
    for seed in range(plan.seeds):
        for budget in plan.budgets:
            for name, settings in chosen.items():
                row = plan.row(name, settings, budget, seed)
                if row is not None:
                    cells.setdefault(name, {}).setdefault(budget.kind, {})[seed] = row
    free = max(scores_of(images, "test")["psnr"] for images in untrained().values())
    below = [name for name in chosen if (mean := mean_of(cells, name, "psnr")) is not None and mean < free]
    return Found(trials, chosen, cells, {name: without_terms(plan, name, chosen[name]) for name in below})


def mean_of(
    cells: Mapping[str, Mapping[str, Mapping[int, dict[str, Any]]]], name: str, key: str
) -> float | None:
    """Mean over the seeds at equal steps; None where there is none."""
    known = cells.get(name, {}).get("steps", {})
    return statistics.fmean(row[key] for row in known.values()) if known else None


def search(plan: Plan, name: str) -> list[tuple[dict[str, Any], float]]:
    """Every trial of a row that is known, with its PSNR on the validation world."""
    budget, found = Budget("steps", round(plan.steps * SEARCH_SHARE)), []
    for trial in trials_of(name):
        row = plan.row(name, trial, budget, SEARCH_SEED, "val")
        if row is not None:
            found.append((trial, float(row["psnr"])))
    return found


def without_terms(plan: Plan, name: str, chosen: Mapping[str, Any]) -> dict[str, list[float]]:
    """PSNR of a row with each of its terms left out, and with all of them, by seed."""
    found: dict[str, list[float]] = {}
    for term, settings in terms_of(name, chosen):
        rows = [
            plan.row(name, settings, plan.budgets[0], seed) for seed in range(min(TERM_SEEDS, plan.seeds))
        ]
        values = [float(row["psnr"]) for row in rows if row is not None]
        if values:
            found[term] = values
    return found


def terms_of(name: str, chosen: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The row as it is, then without each of its terms where its method allows that."""
    yield "", dict(chosen)
    kind = find_trained(name.partition(":")[0])
    settings = settings_of(name, chosen)
    values = parse(kind.Config, settings)
    for field in kind.Config.model_fields:
        if not field.endswith("_weight") or not getattr(values, field):
            continue
        try:
            parse(kind.Config, settings | {field: 0.0})
        except SettingsError:
            continue  # this method is nothing without it
        yield field, {**chosen, field: 0.0}


def draw_outputs(plan: Plan, out: Path) -> None:
    """A strip of test frames for each row (its first seed, equal steps), best PSNR first."""
    found, frames = run(Plan(plan.names, plan.steps, plan.seconds, plan.seeds, only_read=True)), world("test")
    strips = {"input": to_image(frames["a"][list(SHOWN)])}
    for name in ordered(found):
        path = cell_file(name, found.chosen[name], plan.budgets[0], 0).with_suffix(".png")
        if path.is_file():
            strips[name] = np.stack(np.split(read_image(path), len(SHOWN), axis=1))
    strips["truth"] = to_image(frames["truth"][list(SHOWN)])
    sheet = Image.new("RGB", (LABEL_PX + len(SHOWN) * (EDGE + 2), len(strips) * (EDGE + 2)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for row, (name, images) in enumerate(strips.items()):
        top = row * (EDGE + 2)
        title = name.replace("cyclegan:", "")
        pen.text((6, top + EDGE // 2), title, fill=(70, 70, 70), anchor="lm", font=font)
        for column, image in enumerate(images):
            sheet.paste(Image.fromarray(image), (LABEL_PX + column * (EDGE + 2), top))
    write_image(out, np.asarray(sheet))


def ordered(found: Found) -> list[str]:
    """Rows that have cells, best mean PSNR at equal steps first."""
    known = [name for name in found.cells if mean_of(found.cells, name, "psnr") is not None]
    return sorted(known, key=lambda name: -(mean_of(found.cells, name, "psnr") or 0.0))


def page(plan: Plan, found: Found, left_out: Mapping[str, str]) -> str:
    """The whole page."""
    parts = [
        head(plan, found, left_out),
        ["## Equal steps", "", *table(found, "steps"), "", surely(found, "steps")],
        ["## Equal seconds", "", *table(found, "seconds"), "", surely(found, "seconds")],
        ["## What was chosen", "", *choices(plan, found)],
        ["## Below what needs no training: terms left out", "", *explanations(found)],
        ["## What differs from the papers", "", *departures(plan)],
    ]
    return "\n".join(line for part in parts for line in [*part, ""]).rstrip() + "\n"


def head(plan: Plan, found: Found, left_out: Mapping[str, str]) -> list[str]:
    """What is shown, and what is missing of it."""
    lines = [
        "<!-- Made by `make toy-table`; change benchmarks/toy.py. -->",
        "# Every method on the same drawn worlds",
        "",
        f"A film is given the look of a game: {EDGE}x{EDGE} px, {TRAINING_FRAMES} training frames of each, "
        f"no scene in both, and {TEST_FRAMES} test frames of other scenes whose truth is known. Once each "
        f"row learns {plan.steps} steps of {BATCH} frames, once {plan.seconds:g} seconds of CPU time of one "
        f"thread. Up to {plan.seeds} seeds: the mean, its 95 % interval (Student's t), and PSNR of every "
        "seed. These are small budgets for two shared cores: they compare beginnings and rank no papers.",
        "",
        "- **colour**: how far the palettes are apart, in levels of 255, wherever the colours are.",
        "- **changed edges**: how well what was added to the input's edges is what the truth adds, as a "
        "cosine: 1 is perfect; the untouched input adds nothing and has 0.",
        "",
        "![six test frames in each row's translation](toy.jpg)",
    ]
    cells = sum(len(seeds) for kinds in found.cells.values() for seeds in kinds.values())
    if cells < (wanted := 2 * plan.seeds * len(plan.names)):
        lines += [
            "",
            f"**Not complete:** {cells} of {wanted} trainings are measured; `make toy-table` goes on.",
        ]
    if left_out:
        lines += ["", "No row: " + "; ".join(f"{name} ({why})" for name, why in left_out.items()) + "."]
    return lines


def table(found: Found, kind: str) -> list[str]:
    """The rows at one kind of budget, best PSNR first, and the references."""
    lines = [
        "| row | "
        + " | ".join(title for title, _ in COLUMNS.values())
        + " | PSNR of each seed | steps | weights |",
        "|---|" + "---|" * (len(COLUMNS) + 3),
    ]
    known = {name: kinds[kind] for name, kinds in found.cells.items() if kinds.get(kind)}
    for name in sorted(known, key=lambda name: -statistics.fmean(r["psnr"] for r in known[name].values())):
        rows = list(known[name].values())
        cells = [in_words([row[key] for row in rows], digits) for key, (_, digits) in COLUMNS.items()]
        cells += [", ".join(f"{row['psnr']:.1f}" for row in rows)]
        cells += [f"{statistics.fmean(row['steps'] for row in rows):.0f}", f"{rows[0]['weights']:,}"]
        lines.append(f"| {titled(name)} | " + " | ".join(cells) + " |")
    for title, images in untrained().items():
        scores = scores_of(images, "test")
        cells = [f"{scores[key]:.{digits}f}" for key, (_, digits) in COLUMNS.items()]
        lines.append(f"| *{title}* | " + " | ".join(cells) + " | | | |")
    return lines


def untrained() -> dict[str, torch.Tensor]:
    """What needs no training: the test frames as they are, and with the mean colours of the game."""
    frames = world("test")["a"]
    pictures = list(to_image(frames))
    reinhard = Reinhard().fit(measure(to_image(world("train")["b"])), measure(pictures))
    recoloured = torch.cat([to_tensor(reinhard.transfer(picture)) for picture in pictures])
    return {"untouched input": frames, "colour transfer (Reinhard)": recoloured}


def surely(found: Found, kind: str) -> str:
    """How many pairs of rows differ in PSNR beyond what the seeds do, in a sentence."""
    values = {
        name: [row["psnr"] for row in kinds[kind].values()]
        for name, kinds in found.cells.items()
        if len(kinds.get(kind, {})) > 1
    }
    pairs = list(itertools.combinations(values, 2))
    tested = [(pair, p) for pair in pairs if (p := welch(values[pair[0]], values[pair[1]])) is not None]
    corrected = holm([p for _, p in tested])
    sure = [pair for (pair, _), p in zip(tested, corrected, strict=True) if p < 1 - CONFIDENCE]
    text = f"By PSNR {len(sure)} of {len(tested)} pairs of rows differ for sure (95 %, Welch's t test, Holm)"
    if not sure:
        return f"{text}: the order is that of the seeds."
    most, times = Counter(itertools.chain(*sure)).most_common(1)[0]
    return f"{text}, {most} in {times} of them. Rows near to each other are not ordered by it."


def titled(name: str) -> str:
    """The row's name with a link to its method's page."""
    method, _, preset = name.partition(":")
    note = f" `--preset {preset}`" if preset else ""
    note += " (learns from pairs)" if find_trained(method).pairing == "paired" else ""
    return f"[{method}](../methods/{method}.md){note}"


def in_words(values: Sequence[float], digits: int) -> str:
    """A mean and its interval over the seeds."""
    interval = t_interval(values)
    bounds = f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else " (one seed)"
    return f"{statistics.fmean(values):.{digits}f}{bounds}"


def choices(plan: Plan, found: Found) -> list[str]:
    """What each row was tried with and what was taken."""
    lines = [
        f"Each row has four trials of {round(plan.steps * SEARCH_SHARE)} steps with a seed of their own; the "
        f"one with the best PSNR on {VALIDATION_FRAMES} validation frames of other scenes is taken: two "
        "rates and two receptive fields of the discriminator (of each scale, for MUNIT), or four rates where "
        "the method has no such choice.",
        "",
        "| row | rate | field, px | validation PSNR of the trials, dB |",
        "|---|---|---|---|",
    ]
    for name, chosen in found.chosen.items():
        field = fields_of(name).get(chosen.get("disc_layers", 0), "its own")
        tried = ", ".join(
            f"{psnr:.1f} ({', '.join(f'{value:g}' for value in trial.values())})"
            for trial, psnr in found.trials[name]
        )
        lines.append(f"| {name} | {chosen['learning_rate']:g} | {field} | {tried} |")
    highest = [
        name
        for name, chosen in found.chosen.items()
        if chosen["learning_rate"] == max(trial["learning_rate"] for trial, _ in found.trials[name])
    ]
    return [
        *lines,
        "",
        "In brackets: the rate, and the downsamplings of the discriminator. In "
        f"{len(highest)} of {len(found.chosen)} rows the highest rate that was tried is the best: these "
        "budgets are short, and a wider search might order some of them otherwise.",
    ]


def explanations(found: Found) -> list[str]:
    """For each row below what needs no training: PSNR without each of its terms."""
    of_unit = "UNIT has a page of its own with [one thing changed at a time](unit_tones.md)."
    if not found.terms:
        none = "No row has a lower mean PSNR at equal steps than the untouched input or colour transfer."
        return [none, "", of_unit]
    lines = ["| row | left out | PSNR of each seed, dB | against the row as it is |", "|---|---|---|---|"]
    for name, terms in found.terms.items():
        whole = statistics.fmean(terms[""]) if "" in terms else None
        for term, values in terms.items():
            change = "" if not term or whole is None else f"{statistics.fmean(values) - whole:+.2f} dB"
            each = ", ".join(f"{value:.2f}" for value in values)
            lines.append(f"| {name} | {term or 'nothing'} | {each} | {change} |")
    return [*lines, "", of_unit]


def shown(settings: Mapping[str, Any]) -> str:
    """Settings and their values in a sentence."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def departures(plan: Plan) -> list[str]:
    """Every setting that is not the method's own, and what else differs from the papers."""
    lines = [
        f"- Every row: batches of {BATCH} whole frames, the rate constant in the first half and falling to 0 "
        f"in the second, the running mean of the weights (decay {EMA_DECAY}) is measured, "
        f"{choose_compute('cpu').precision} while training.",
        f"- A model with styles is measured in the mean style of {EXAMPLES} training frames of the game.",
        "- CycleGAN, its variants, AttentionGAN and CUT have an identity term by default; UNIT, MUNIT, "
        "CoGAN and BiGAN have none in their papers and have none here.",
        f"- Small networks, where a method has the setting: {shown(SMALL)}.",
    ]
    for name in plan.names:
        kind = find_trained(name.partition(":")[0])
        settings = settings_of(name, {})
        own = {
            key: value
            for key, value in settings.items()
            if key not in SMALL
            and key != "feature_weights"
            and kind.Config.model_fields[key].default != value
        }
        if own:
            lines.append(f"- {name}: {shown(own)}.")
    return lines


if __name__ == "__main__":
    main()
