"""Tables 2 to 5 of the CycleGAN paper in form, on drawn streets with exact labels: `make paper-tables`.

python -m benchmarks.paper_tables [--quick] [--data NAME] [--steps N] [--seeds N] [--ray auto]

Labels to photo (A to B) and photo to labels (B to A), at 64 px, each row with the same steps and seeds. As in
the paper, both domains show the same scenes and the unpaired methods never learn which belong together; test
scenes are others. Photos are segmented by a network of our own, trained on the training photos. Methods that
go one way only are trained once more for the other. Everything lies in build/paper_tables and goes on where
it was stopped: the tables take eight hours of one thread, the trainings of other lengths, which show whether
the budget is long enough, nearly three; `--ray auto` trains on every processor. `--data camvid` and `facades`
take the real sets of RESKIN_TEST_DATA, with fewer steps; only scores are written.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.learning_curves import BudgetCurve, budget_lines, trained_with

from reskin.data.folders import list_images
from reskin.device import choose_compute
from reskin.evaluation.label_pairs import find_label_pairs
from reskin.evaluation.labelled import LabelRequest
from reskin.evaluation.palettes import Palette, find_palette, read_labels, resize_labels
from reskin.evaluation.pictures import resized
from reskin.evaluation.published import published_rows
from reskin.evaluation.request import Request
from reskin.evaluation.segmenter import load_segmenter, save_segmenter, train_segmenter
from reskin.evaluation.segmenter_config import SegmenterConfig
from reskin.images import read_image, write_image
from reskin.methods import find_trained
from reskin.progress import Progress
from reskin.significance import CONFIDENCE, holm, welch
from reskin.storage import commit, read_json
from reskin.workflows.study.compare import compare
from reskin.workflows.study.plan import Row, Study
from reskin.workflows.study.table import StudyTable, TableCell, differences, read_table
from reskin.worlds.footage import Footage

FOLDER, EDGE = Path("build/paper_tables"), 64
METHODS = ("cogan", "bigan", "simgan", "feature_gan", "cyclegan", "pix2pix")
NAMES = {"cogan": "CoGAN", "bigan": "BiGAN/ALI", "simgan": "SimGAN", "feature_gan": "Feature loss + GAN"}
NAMES |= {"cyclegan": "CycleGAN", "pix2pix": "pix2pix"}
ABLATIONS = {
    "cycle_alone": "Cycle alone",
    "gan_alone": "GAN alone",
    "gan_forward": "GAN + forward cycle",
    "gan_backward": "GAN + backward cycle",
    "cyclegan": "CycleGAN",
}
"""Presets of CycleGAN, and its row of Tables 2 and 3: the same training, as in the paper."""
COMMON = {
    "width": 16,
    "disc_width": 16,
    "blocks": 3,
    "downsamplings": 5,
    "disc_layers": 2,
    "picture_size": EDGE,
    "batch": 4,
    "preprocess": "none",
    "crop_size": EDGE,
    "load_size": EDGE,
    "precision": "auto",
    "device": "cpu",
    "ema": 0.99,
    "sample_every": 1000,
    "save_every": 1,
    "keep": 1,
}
"""The same for every row, as far as its method has the setting; the page names them."""
STUDIES = ("labels2photo", "photo2labels")
CURVES, SHARES, LONGEST = ("pix2pix", "cyclegan"), (0.25, 0.5), 2
"""Rows that are trained for these shares of the steps as well, the longest with one seed: whether the budget
is long enough. Each is a training of its own, whose learning rate falls to zero at its end."""
PARTS = ("pixel", "class", "iou")


@dataclass(frozen=True)
class Budget:
    """How much is done.

    Attributes:
        steps: of each training.
        seeds: of each row.
        scenes: training, validation and test scenes.
        segmenter_steps: of the segmenter.
        rate: learning rate of every row.
        inversions: steps and restarts of CoGAN's search for the code of an image.
    """

    steps: int
    seeds: int
    scenes: tuple[int, int, int]
    segmenter_steps: int
    rate: float = 1e-3
    inversions: tuple[int, int] = (60, 2)

    @property
    def common(self) -> dict[str, object]:
        """`COMMON`, with the rate and the cost of CoGAN's search for an image's code."""
        steps, restarts = self.inversions
        return COMMON | {"learning_rate": self.rate, "inversion_steps": steps, "restarts": restarts}


FULL, QUICK = Budget(8000, 3, (400, 40, 80), 1500), Budget(30, 2, (24, 8, 10), 60, inversions=(5, 1))
REAL = Budget(1000, 3, (0, 0, 0), 800, rate=5e-4, inversions=(15, 1))
"""Of the real sets, which have 80 to 100 training scenes."""


def main(words: Sequence[str] | None = None) -> Path:
    """Draw or copy the data, train, measure, write; the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the shape of it, in a few minutes")
    parser.add_argument("--data", choices=("street", "camvid", "facades"), default="street")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--ray", help="train on a Ray cluster: HOST:PORT, or auto for this machine's processors"
    )
    given = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    budget = QUICK if given.quick else FULL if given.data == "street" else REAL
    budget = replace(budget, steps=given.steps or budget.steps, seeds=given.seeds or budget.seeds)
    folder = FOLDER / (f"{given.data}-quick" if given.quick else given.data)
    name = "paper_tables" if given.data == "street" else f"paper_tables_{given.data}"
    out = given.out or (folder / f"{name}.md" if given.quick else Path("docs/results") / f"{name}.md")
    palette = find_palette(given.data)
    if given.data == "street":
        draw_street(folder / "data", palette, budget.scenes)
    else:
        copy_real(given.data, folder / "data", palette)
    swap(folder / "data", folder / "swapped")
    segment(folder, palette, budget)
    tables = run_studies(folder, palette, budget, given.ray)
    text = page(tables, budget, folder, given.data)
    with commit(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
    return out


def draw_street(folder: Path, palette: Palette, scenes: tuple[int, int, int]) -> None:
    """Labels (A) and film photos (B) of the same scenes; no scene is in two splits."""
    for number, (split, count) in enumerate(zip(("train", "val", "test"), scenes, strict=True)):
        if len(list((folder / f"{split}B").glob("*.png"))) == count:
            continue
        footage = Footage("film", seed=101 + number, frames=count, size=(EDGE, EDGE), scene_frames=1)
        for index in range(count):
            frame = footage.frame(index)
            write_image(folder / f"{split}A" / f"{index:04d}.png", palette.encode(frame.labels))
            write_image(folder / f"{split}B" / f"{index:04d}.png", frame.image)


def copy_real(name: str, folder: Path, palette: Palette) -> None:
    """A real labelled set at `EDGE` px; without a validation split every fifth training pair becomes one."""
    source = Path(os.environ.get("RESKIN_TEST_DATA", "shared/data")) / "paired" / name
    splits = {split: source / split for split in ("train", "val", "test") if (source / split).is_dir()}
    for split, path in splits.items():
        for index, pair in enumerate(find_label_pairs(path / "images", path / "labels")):
            held_back = "val" not in splits and split == "train" and index % 5 == 4
            to = "val" if held_back else split
            photo = resized(read_image(pair.photo), EDGE)
            labels = resize_labels(read_labels(pair.labels, palette), *photo.shape[:2])
            left = (photo.shape[1] - EDGE) // 2
            top = (photo.shape[0] - EDGE) // 2
            window = (slice(top, top + EDGE), slice(left, left + EDGE))
            write_image(folder / f"{to}A" / f"{pair.photo.stem}.png", palette.encode(labels[window]))
            write_image(folder / f"{to}B" / f"{pair.photo.stem}.png", photo[window].copy())


def swap(source: Path, target: Path) -> None:
    """The same images with the domains exchanged, for methods that go one way only."""
    for split, (one, other) in itertools.product(("train", "val", "test"), (("A", "B"), ("B", "A"))):
        for path in list_images(source / f"{split}{one}"):
            copy = target / f"{split}{other}" / path.name
            if not copy.exists():
                write_image(copy, read_image(path))


def segment(folder: Path, palette: Palette, budget: Budget) -> None:
    """Train the segmenter on the training photos, once; it is measured on the validation photos."""
    if (folder / "segmenter" / "segmenter.json").exists():
        return
    data, progress = folder / "data", Progress("steps of the segmenter")
    training = find_label_pairs(data / "trainB", data / "trainA")
    held_out = find_label_pairs(data / "valB", data / "valA")
    config = SegmenterConfig(size=EDGE, crop=EDGE, steps=budget.segmenter_steps)
    found = train_segmenter(training, held_out, palette, config, report=progress)
    progress.end()
    save_segmenter(folder / "segmenter", found, {"settings": config.to_dict()})


def run_studies(folder: Path, palette: Palette, budget: Budget, ray: str | None) -> dict[str, StudyTable]:
    """All rows labels to photo, those that go one way photo to labels, and two rows for other lengths.

    Returns:
        By the name of the study, as in `STUDIES`; those of another length as in `of_length`.
    """
    rows = [row_of(name) for name in METHODS]
    ablations = [Row(preset, "cyclegan", preset) for preset in ABLATIONS if preset not in METHODS]
    one_way = [row for row in rows if "b2a" not in find_trained(row.method).directions]
    curves = [row for row in rows if row.method in CURVES]
    plans = [
        ("labels2photo", folder / "data", "a", [*rows, *ablations], budget.steps, budget.seeds),
        ("photo2labels", folder / "swapped", "b", one_way, budget.steps, budget.seeds),
    ]
    for steps, seeds in curve_steps(budget).items():
        swapped = [row for row in curves if row in one_way]
        plans.append((f"steps{steps}", folder / "data", "a", curves, steps, seeds))
        plans.append((f"swapped_steps{steps}", folder / "swapped", "b", swapped, steps, seeds))
    tables = {}
    for name, data, domain, chosen, length, count in plans:
        labels = LabelRequest(palette.name, domain, folder / "data" / "testA", folder / "segmenter")
        request = Request(a=data, b=data, metrics=("fcn",), labels=labels)
        out = folder / name
        study = Study(out, tuple(chosen), count, {"steps": length}, request, budget.common)
        progress = Progress(f"cells of {name}")
        compare(study, ray=ray, report=progress)
        progress.end()
        tables[name] = read_table(out)
    return tables


def row_of(method: str) -> Row:
    """A row of Tables 2 and 3; the feature loss takes the small VGG of the test data, where it is.

    CycleGAN learns without an identity loss, as in the paper's experiments on labels.
    """
    weights = Path(os.environ.get("RESKIN_TEST_DATA", "shared/data")) / "weights"
    path = (weights / "vgg19_normalised_relu3_1.pth").absolute()
    own = {"feature_weights": str(path), "feature_layer": "relu3_1", "feature_size": EDGE}
    preset = "full" if method == "cyclegan" else None
    return Row(method, method, preset, own if method == "feature_gan" and path.is_file() else {})


def number(tables: dict[str, StudyTable], label: str, kind: str, part: str) -> TableCell:
    """A cell of either table: of photo to labels, from the study that has it."""
    if kind == "fcn":
        return tables["labels2photo"].cells["last"][label].get(f"fcn_{part}_a2b", TableCell(None))
    if label in tables["photo2labels"].labels:
        return tables["photo2labels"].cells["last"][label].get(f"label_{part}_a2b", TableCell(None))
    return tables["labels2photo"].cells["last"][label].get(f"label_{part}_b2a", TableCell(None))


def form(tables: dict[str, StudyTable], rows: dict[str, str], kind: str, published: str) -> list[str]:
    """One table in the paper's form, with the published row below each of ours."""
    known = {row.method: row for row in published_rows(published)}
    end = "a2b" if kind == "fcn" else "b2a"
    lines = ["| loss | per-pixel acc. | per-class acc. | class IoU |", "|---|---|---|---|"]
    for label, title in rows.items():
        cells = [number(tables, label, kind, part) for part in PARTS]
        lines.append(f"| {title} | " + " | ".join(in_words(cell) for cell in cells) + " |")
        if title in known:
            values = [known[title].values.get(f"{kind}_{part}_{end}") for part in PARTS]
            texts = ["" if value is None else f"*{value:.2f}*" for value in values]
            lines.append(f"| *{title}, published: other data and protocol* | {' | '.join(texts)} |")
    return [*lines, "", agreement(tables, rows, kind, published), ""]


def in_words(cell: TableCell) -> str:
    """A mean with its interval, or why there is none."""
    if cell.mean is None:
        return f"– ({cell.why})"
    interval = f" [{cell.interval[0]:.2f}, {cell.interval[1]:.2f}]" if cell.interval else ""
    return f"{cell.mean:.3f}{interval}"


@dataclass(frozen=True)
class Order:
    """A pair of rows whose published order is known, and ours.

    Attributes:
        titles: of the two, the better published one first.
        agrees: whether ours stand in the same order.
        is_sure: whether ours differ at 95 %, after Holm's correction for the pairs of their table.
        gap: by how much class IoU the published two differ.
    """

    titles: tuple[str, str]
    agrees: bool
    is_sure: bool
    gap: float


def orders(tables: dict[str, StudyTable], rows: dict[str, str], kind: str, published: str) -> list[Order]:
    """Every pair of rows with two different published class IoU and two of ours."""
    end = "a2b" if kind == "fcn" else "b2a"
    known = {row.method: row.values.get(f"{kind}_iou_{end}") for row in published_rows(published)}
    cells = {label: number(tables, label, kind, "iou") for label in rows}
    pairs = [
        pair for pair in itertools.combinations(rows, 2) if None not in [cells[one].mean for one in pair]
    ]
    raw = {(one, other): welch(cells[one].seeds, cells[other].seeds) for one, other in pairs}
    tested = [pair for pair, p in raw.items() if p is not None]
    corrected = dict(zip(tested, holm([p for p in raw.values() if p is not None]), strict=True))
    found = []
    for pair in pairs:
        theirs = [known.get(rows[label]) for label in pair]
        if None in theirs or theirs[0] == theirs[1]:
            continue
        first, second = sorted(pair, key=lambda label: -(known[rows[label]] or 0.0))
        gap = (known[rows[first]] or 0.0) - (known[rows[second]] or 0.0)
        agrees = (cells[first].mean or 0.0) > (cells[second].mean or 0.0)
        is_sure = corrected.get(pair, 1.0) < 1 - CONFIDENCE
        found.append(Order((rows[first], rows[second]), agrees, is_sure, gap))
    return found


def agreement(tables: dict[str, StudyTable], rows: dict[str, str], kind: str, published: str) -> str:
    """How many pairs of rows stand in the published order of class IoU, and which do not."""
    found = orders(tables, rows, kind, published)
    differ = [order for order in found if not order.agrees]
    others = f"; in the other order: {_listed(differ)}" if differ else ""
    return (
        f"By class IoU {len(found) - len(differ)} of {len(found)} pairs of rows stand in the published "
        f"order{others}."
    )


def budget_curves(tables: dict[str, StudyTable], budget: Budget) -> list[BudgetCurve]:
    """Class IoU of the rows of `CURVES` by the steps of their training."""
    found = []
    for name, (kind, way) in itertools.product(
        CURVES, (("fcn", "labels → photo"), ("label", "photo → labels"))
    ):
        points = dict[int, Sequence[float]]()
        for steps in [*curve_steps(budget), budget.steps]:
            cell = number(of_length(tables, steps, budget), name, kind, "iou")
            if cell.seeds and not cell.why:  # no seed is missing, so they are 0, 1, 2 ...
                points[steps] = cell.seeds
        found.append(BudgetCurve(f"{NAMES[name]}, {way}", points))
    return found


def of_length(tables: dict[str, StudyTable], steps: int, budget: Budget) -> dict[str, StudyTable]:
    """The tables of `STUDIES`, of trainings of so many steps."""
    if steps == budget.steps:
        return tables
    return dict(zip(STUDIES, (tables[f"steps{steps}"], tables[f"swapped_steps{steps}"]), strict=True))


def curve_steps(budget: Budget) -> dict[int, int]:
    """The other lengths of training at which the rows of `CURVES` are measured, and with how many seeds."""
    found = {max(1, round(share * budget.steps)): budget.seeds for share in SHARES}
    return found | {LONGEST * budget.steps: 1}


SMALL_GAP = 0.03
"""Published class IoU that differ by no more than this, with one seed, are called close."""


def why(tables: dict[str, StudyTable]) -> list[str]:
    """A paragraph: in which pairs the order agrees, in which not, and what is known of the reasons."""
    found = [
        order
        for kind in ("fcn", "label")
        for rows, published in (
            ({m: NAMES[m] for m in METHODS}, "cityscapes"),
            (ABLATIONS, "cityscapes_ablation"),
        )
        for order in orders(tables, rows, kind, published)
    ]
    agree = [order for order in found if order.agrees]
    differ = [order for order in found if not order.agrees]
    unsure = [order for order in differ if not order.is_sure]
    close = [order for order in differ if order.is_sure and order.gap <= SMALL_GAP]
    left = [order for order in differ if order.is_sure and order.gap > SMALL_GAP]
    parts = [
        f"Over the four tables {len(agree)} of {len(found)} pairs stand in the published order of class IoU, "
        f"{sum(order.is_sure for order in agree)} of them for sure (95 %, Holm).",
        f"Of the {len(differ)} in the other order, {len(unsure)} do not differ for sure here: their order is "
        "that of the seeds.",
    ]
    if close:
        parts.append(
            f"In {len(close)} the difference is sure here, and the published two are {SMALL_GAP:.2f} or less "
            f"apart, from one seed: {_listed(close)}."
        )
    if left:
        parts.append(
            f"In {len(left)} it is sure here and contradicts the paper: {_listed(left)}. Data, segmenter and "
            "budget differ all at once, so these tables alone do not say which of them does it."
        )
    elif differ:
        parts.append("No pair contradicts the paper beyond that.")
    return [" ".join(parts)]


def _listed(pairs: Sequence[Order]) -> str:
    return ", ".join(f"{order.titles[1]} above {order.titles[0]}" for order in pairs)


def page(tables: dict[str, StudyTable], budget: Budget, folder: Path, data: str) -> str:
    """The whole page."""
    segmenter = load_segmenter(folder / "segmenter")
    methods, ablations = {name: NAMES[name] for name in METHODS}, ABLATIONS
    chosen = ", ".join(f"{key} {value}" for key, value in budget.common.items())
    where = "drawn streets" if data == "street" else f"{data} (real photographs, shuffled)"
    lines = [
        "<!-- Made by `make paper-tables`; change benchmarks/paper_tables.py. -->",
        f"# Tables 2 to 5 of the CycleGAN paper in form, on {where}",
        "",
        f"{EDGE} px; each row {budget.steps} steps of {COMMON['batch']} and {budget.seeds} seeds: mean over "
        "the seeds, in brackets its 95 % interval (Student's t). The last checkpoint is measured. Photos are "
        f"judged by the {segmenter.describe()}: that bounds every number of labels → photo. Classes that "
        "the truth lacks count 0, as in the published script. Photo → labels: nearest colour at the "
        "generated size.",
        "",
        "The published numbers are of Cityscapes, another segmenter, other sizes and budgets, and one seed: "
        "only the order of rows may be compared.",
        "",
        "## Labels → photo, methods (form of Table 2)",
        "",
        *form(tables, methods, "fcn", "cityscapes"),
        "## Photo → labels, methods (form of Table 3)",
        "",
        *form(tables, methods, "label", "cityscapes"),
        "## Labels → photo, ablations (form of Table 4)",
        "",
        *form(tables, ablations, "fcn", "cityscapes_ablation"),
        "## Photo → labels, ablations (form of Table 5)",
        "",
        *form(tables, ablations, "label", "cityscapes_ablation"),
        "## Where the order agrees, where not, and why",
        "",
        *why(tables),
        "",
        "## Have they stopped improving?",
        "",
        *budget_lines(budget_curves(tables, budget), budget.steps),
        "",
        "## What differs for sure",
        "",
        *(f"- {sentence}" for name in STUDIES for sentence in differences(tables[name])),
        "",
        "## What differs from the papers",
        "",
        f"Every row, as far as its method has the setting: {chosen}. Losses, optimisers and what is not "
        "named are the method's own defaults. CycleGAN has no identity loss, as in the paper's experiments "
        "on labels, and its row is the same training in all tables. Methods that go one way are trained "
        f"once for each direction. Here precision auto is {choose_compute('cpu').precision}.",
        "",
        trained_with([folder / name for name in tables]),
        "",
        f"The trainings of the tables took {minutes(folder, STUDIES):.0f} minutes of one thread, those of "
        f"other lengths {minutes(folder, [name for name in tables if name not in STUDIES]):.0f}.",
    ]
    return "\n".join(lines) + "\n"


def minutes(folder: Path, studies: Sequence[str]) -> float:
    """What the trainings of these studies took by the clock, each on one thread."""
    cells = [read_json(path) for name in studies for path in (folder / name).glob("cells/*/*/cell.json")]
    return sum(float(cell["costs"]["seconds"]) for cell in cells if "costs" in cell) / 60


if __name__ == "__main__":
    main()
