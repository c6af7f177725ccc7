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
    assert paper_tables.curve_steps(budget) == {25: 3, 50: 3, 200: 1}
    found = studies({"pix2pix": 0.8, "cyclegan": 0.6})
    for steps, (one, other, back) in {
        25: (0.2, 0.1, 0.3),
        50: (0.4, 0.3, 0.4),
        100: (0.8, 0.6, 0.6),
        200: (0.72, 0.7, 0.5),
    }.items():
        count = 1 if steps == 200 else 3
        cells = {"pix2pix": {"fcn_iou_a2b": of(one, count)}}
        cells["cyclegan"] = {"fcn_iou_a2b": of(other, count), "label_iou_b2a": of(0.5, count)}
        names = paper_tables.STUDIES if steps == 100 else (f"steps{steps}", f"swapped_steps{steps}")
        found[names[0]] = StudyTable({}, list(cells), {}, {}, {"last": cells}, {}, {})
        swapped = {"pix2pix": {"label_iou_a2b": of(back, count)}}
        found[names[1]] = StudyTable({}, ["pix2pix"], {}, {}, {"last": swapped}, {}, {})
    curves = paper_tables.budget_curves(found, budget)
    assert [curve.title for curve in curves] == [
        f"{name}, {way}" for name in ("pix2pix", "CycleGAN") for way in ("labels → photo", "photo → labels")
    ]
    lines = budget_lines(curves, 100)
    assert "each seed's change), at 200 over 1 of them" in lines[0]
    assert "| row | 25 | 50 | 100 | 200 |" in lines
    assert "| CycleGAN, labels → photo | 0.100 | 0.300 | 0.600 | 0.700 |" in lines
    assert "| pix2pix, photo → labels | 0.300 | 0.400 | 0.600 | 0.500 |" in lines
    said = "pix2pix, labels → photo has stopped improving at 100: 2 times the steps change it by +2.9%"
    assert lines[-4] == f"- {said} (seed 0 alone), where those before gained +100.0%."
    still = "CycleGAN, labels → photo was still improving at 100, and at every length tried"
    assert lines[-2] == (
        f"- {still}: 2 times the steps change it by +40.0% (seed 0 alone), where those before gained +100.0%."
    )


def of(score: float, seeds: int) -> TableCell:
    """Three seeds around a score, or it alone."""
    return TableCell(score, seeds=(score - 0.1, score, score + 0.1) if seeds == 3 else (score,))


def test_the_change_of_each_seed_is_said_where_there_are_several() -> None:
    seeds = {1: (0.5, 0.5), 2: (0.8, 0.4), 4: (0.88, 0.4), 8: (0.9, 0.4)}
    lines = budget_lines([BudgetCurve("x", seeds)], 2)
    assert lines[-1] == (
        "- x was still improving at 2: 2 times the steps change it by +6.7% (+10.0%, +0.0%), where those "
        "before gained +20.0%. It stops at 4: 2 times the steps change it by +1.6% (+2.3%, +0.0%)."
    )


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


def test_time_of_the_tables_is_told_from_that_of_other_lengths(tmp_path: Path) -> None:
    for name, seconds in (("labels2photo", 60.0), ("photo2labels", 120.0), ("steps50", 240.0)):
        write_json(tmp_path / name / "cells" / "x" / "0" / "cell.json", {"costs": {"seconds": seconds}})
    write_json(tmp_path / "steps50" / "cells" / "x" / "1" / "cell.json", {"why": "out of memory"})
    assert paper_tables.minutes(tmp_path, paper_tables.STUDIES) == 3
    assert paper_tables.minutes(tmp_path, ("steps50",)) == 4
