"""The page of the paper's tables: its form, its order of rows and what it says of the published ones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from benchmarks import paper_tables
from benchmarks.learning_curves import BudgetCurve, budget_lines, trained_with
from PIL import Image

from reskin.evaluation.palettes import find_palette
from reskin.images import read_image
from reskin.metrics.segmentation import IGNORED
from reskin.storage import write_json
from reskin.workflows.study.table import StudyTable, TableCell


def table(values: dict[str, float], columns: tuple[str, ...]) -> StudyTable:
    """A study in which every column of a row has the same value."""
    cells = {label: {column: TableCell(value) for column in columns} for label, value in values.items()}
    return StudyTable({}, list(values), dict.fromkeys(columns, "higher"), {}, {"last": cells}, {}, {})


def studies(values: dict[str, float]) -> dict[str, StudyTable]:
    both = tuple(
        f"{kind}_{part}_{way}"
        for kind, way in (("fcn", "a2b"), ("label", "b2a"))
        for part in paper_tables.PARTS
    )
    other = tuple(f"label_{part}_a2b" for part in paper_tables.PARTS)
    return {"labels2photo": table(values, both), "photo2labels": table({"pix2pix": 0.9}, other)}


def test_rows_stand_with_the_published_ones_and_their_order_is_compared() -> None:
    rows = {"cogan": "CoGAN", "cyclegan": "CycleGAN", "pix2pix": "pix2pix"}
    found = studies({"cogan": 0.3, "cyclegan": 0.2, "pix2pix": 0.5})
    lines = paper_tables.form(found, rows, "fcn", "cityscapes")
    assert lines[2] == "| CoGAN | 0.300 | 0.300 | 0.300 |"
    assert lines[3] == "| *CoGAN, published: other data and protocol* | *0.40* | *0.10* | *0.06* |"
    assert "2 of 3 pairs" in lines[-2] and "CoGAN above CycleGAN" in lines[-2]
    # Of a method that goes one way, photo to labels comes from the study with the domains exchanged.
    labels = paper_tables.form(found, rows, "label", "cityscapes")
    assert "| pix2pix | 0.900 | 0.900 | 0.900 |" in labels


def test_every_row_of_the_paper_is_there() -> None:
    rows = [paper_tables.row_of(name) for name in paper_tables.METHODS]
    assert len(rows) == 6 and set(paper_tables.NAMES) == set(paper_tables.METHODS)
    assert len(paper_tables.ABLATIONS) == 5
    for title in [*paper_tables.NAMES.values()]:
        assert any(row.method == title for row in paper_tables.published_rows("cityscapes"))
    for title in paper_tables.ABLATIONS.values():
        assert any(row.method == title for row in paper_tables.published_rows("cityscapes_ablation"))


def test_a_missing_cell_says_why_and_is_in_no_order() -> None:
    found = studies({"cogan": 0.3, "cyclegan": 0.2})
    found["labels2photo"].cells["last"]["cogan"]["fcn_iou_a2b"] = TableCell(None, why="seed 0: no weights")
    lines = paper_tables.form(found, {"cogan": "CoGAN", "cyclegan": "CycleGAN"}, "fcn", "cityscapes")
    assert "– (seed 0: no weights)" in lines[2] and "0 of 0 pairs" in lines[-2]


@pytest.mark.sweep
def test_drawn_streets_have_exact_labels_and_swapped_domains(tmp_path: Path) -> None:
    palette = find_palette("street")
    paper_tables.draw_street(tmp_path / "data", palette, (2, 1, 1))
    labels = palette.decode(read_image(tmp_path / "data" / "trainA" / "0001.png"))
    again = paper_tables.Footage("film", seed=101, frames=2, size=(64, 64), scene_frames=1).frame(1)
    assert np.array_equal(labels, again.labels)
    paper_tables.swap(tmp_path / "data", tmp_path / "swapped")
    one, other = (tmp_path / folder for folder in ("data/testA/0000.png", "swapped/testB/0000.png"))
    assert np.array_equal(read_image(one), read_image(other))


def test_a_real_set_is_cut_to_squares_with_a_validation_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESKIN_TEST_DATA", str(tmp_path))
    for split in ("train", "test"):
        folder = tmp_path / "paired" / "camvid" / split
        for index in range(6):
            labels = np.full((70, 90), index, np.uint8)
            labels[:, :45] = 11  # unlabelled
            (folder / "labels").mkdir(parents=True, exist_ok=True)
            (folder / "images").mkdir(parents=True, exist_ok=True)
            Image.fromarray(labels).save(folder / "labels" / f"{index}.png")
            Image.fromarray(np.stack([labels] * 3, 2)).save(folder / "images" / f"{index}.png")
    palette = find_palette("camvid")
    paper_tables.copy_real("camvid", tmp_path / "out", palette)
    counts = {path.name: len(list(path.iterdir())) for path in (tmp_path / "out").iterdir()}
    assert counts == {"trainA": 5, "trainB": 5, "valA": 1, "valB": 1, "testA": 6, "testB": 6}
    labels = palette.decode(read_image(tmp_path / "out" / "valA" / "4.png"))
    assert labels.shape == (64, 64) and set(np.unique(labels)) == {4, IGNORED}


def seeded(values: dict[str, tuple[float, ...]]) -> dict[str, StudyTable]:
    found = studies(dict.fromkeys(values, 0.0))
    for label, seeds in values.items():
        for column in found["labels2photo"].cells["last"][label]:
            found["labels2photo"].cells["last"][label][column] = TableCell(sum(seeds) / 3, seeds=seeds)
    return found


def test_pairs_that_contradict_the_paper_are_told_from_those_that_seeds_cannot_order() -> None:
    """Published class IoU of labels to photo: CoGAN .06, SimGAN .04, CycleGAN .11."""
    rows = {"cogan": "CoGAN", "simgan": "SimGAN", "cyclegan": "CycleGAN"}
    found = seeded({"cogan": (0.5, 0.51, 0.49), "simgan": (0.6, 0.61, 0.59), "cyclegan": (0.3, 0.9, 0.1)})
    known = {order.titles: order for order in paper_tables.orders(found, rows, "fcn", "cityscapes")}
    assert set(known) == {("CoGAN", "SimGAN"), ("CycleGAN", "CoGAN"), ("CycleGAN", "SimGAN")}
    sure = known["CoGAN", "SimGAN"]
    assert not sure.agrees and sure.is_sure and sure.gap == pytest.approx(0.02)
    assert not known["CycleGAN", "SimGAN"].is_sure and not known["CycleGAN", "SimGAN"].agrees
    full = dict.fromkeys([*paper_tables.METHODS, *paper_tables.ABLATIONS], (0.2, 0.21, 0.19))
    full |= {"simgan": (0.6, 0.61, 0.59)}
    (sentence,) = paper_tables.why(seeded(full))
    assert "SimGAN above CoGAN" in sentence and "SimGAN above CycleGAN" in sentence.split("contradict")[1]
    assert "3 of" not in sentence.split("contradict")[1]


def test_trainings_of_other_lengths_say_whether_the_budget_is_long_enough() -> None:
    budget = paper_tables.Budget(100, 3, (1, 1, 1), 1)
    assert paper_tables.curve_steps(budget) == {25: 3, 50: 3, 200: 3, 400: 3, 800: 1}
    found = studies({"pix2pix": 0.8, "cyclegan": 0.6})
    scores = {25: (0.2, 0.1), 50: (0.4, 0.3), 100: (0.8, 0.6), 200: (0.82, 0.66), 400: (0.82, 0.7)}
    for steps, values in (scores | {800: (0.8, 0.72)}).items():
        study = found["labels2photo"] if steps == 100 else table({}, ())
        found["labels2photo" if steps == 100 else f"steps{steps}"] = study
        for label, value in zip(("pix2pix", "cyclegan"), values, strict=True):
            seeds = (value - 0.1, value, value + 0.1) if steps < 800 else (value - 0.1,)
            cell = {"fcn_iou_a2b": TableCell(value, seeds=seeds)}
            study.cells["last"][label] = study.cells["last"].get(label, {}) | cell
    curves = paper_tables.budget_curves(found, budget)
    assert [curve.title for curve in curves] == ["pix2pix, labels → photo", "CycleGAN, labels → photo"]
    lines = budget_lines(curves, 100)
    assert "each seed's change), at 800 over 1 of them" in lines[0]
    assert "| row | 25 | 50 | 100 | 200 | 400 | 800 |" in lines
    assert "| CycleGAN, labels → photo | 0.100 | 0.300 | 0.600 | 0.660 | 0.700 | 0.620 |" in lines
    says = "pix2pix, labels → photo has stopped improving at 100: 2 times the steps change it by +2.5%"
    assert lines[-2].startswith(f"- {says} (+2.9%, +2.5%, +2.2%), where those before gained +100.0%")
    assert lines[-1].startswith("- CycleGAN, labels → photo was still improving at 100: 2 times")
    assert lines[-1].endswith("It stops at 400: 2 times the steps change it by +3.3% (seed 0 alone).")


def curve(*scores: float) -> BudgetCurve:
    """One seed at 1, 2, 4 ... steps."""
    return BudgetCurve("x", {2**index: (score,) for index, score in enumerate(scores)})


@pytest.mark.parametrize(
    ("scores", "enough", "says"),
    [
        ((0.5, 0.7, 0.72, 0.73), 2, "x has stopped improving at 2: 2 times the steps change it by +2.9%"),
        ((0.5, 0.7, 0.8, 0.81), 4, "It stops at 4: 2 times the steps change it by +1.2% (seed 0 alone)."),
        ((0.5, 0.7, 0.72, 0.8), None, "x was still improving at 2, and at every length tried"),  # a lull
        ((0.5, 0.7, 0.6, 0.6), 2, "x has stopped improving at 2: 2 times the steps change it by -14.3%"),
    ],
)
def test_a_row_has_stopped_where_no_longer_training_gains(
    scores: tuple[float, ...], enough: int | None, says: str
) -> None:
    assert curve(*scores).enough == enough
    assert says in curve(*scores).verdict(2)


def test_only_seeds_that_both_lengths_have_are_compared() -> None:
    found = BudgetCurve("x", {1: (0.1,), 2: (0.4, 0.9), 4: (0.5,)})
    assert found.gains(2) == pytest.approx((0.25, 0.25)) and found.gains(4) == ()
    assert curve(0.0, 0.1).gains(1) == (math.inf, math.inf)
    assert "nothing can be said" in BudgetCurve("x", {100: (0.5,)}).verdict(100)


def test_versions_come_from_the_runs(tmp_path: Path) -> None:
    study = tmp_path / "labels2photo"
    assert "nothing yet" in trained_with([study])
    write_json(study / "cells" / "x" / "0" / "run" / "config.json", {"reskin": "0.0.9", "torch": "2.1"})
    (tmp_path / "trained_by.txt").write_text("commit abc\n", encoding="utf-8")
    assert trained_with([study]) == "Trained with reskin 0.0.9, torch 2.1; commit abc (1 trainings)."
