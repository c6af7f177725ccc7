"""The page of the paper's tables: its form, its order of rows and what it says of the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks import paper_tables
from PIL import Image

from reskin.evaluation.palettes import find_palette
from reskin.images import read_image
from reskin.metrics.segmentation import IGNORED
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
    assert "2 of 3 pairs" in lines[-2] and "CoGAN and CycleGAN" in lines[-2]
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
