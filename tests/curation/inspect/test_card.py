"""The card says what is so, the same every time, and in Markdown nothing breaks out of its cell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reskin.curation.inspect.card import card_markdown, dataset_card, sparkline, summary, write_card
from reskin.curation.inspect.contact_sheet import write_contact_sheet
from reskin.curation.inspect.sets import MeasuredSet, measure_set, open_sets
from reskin.data.manifest import FrameRecord, Manifest, Origin, write_manifest
from reskin.errors import DataError, SettingsError
from reskin.images import write_image


def fill(root: Path) -> MeasuredSet:
    """Twelve pictures of two sources: two left out, one unreadable."""
    rows = []
    for i in range(12):
        split = "test" if i > 8 else "train"
        file = f"{split}/p{i}.png"
        write_image(root / file, np.full((20, 30 + 10 * (i % 2), 3), 20 * i, np.uint8))
        why = ("blur", "balance") if i == 3 else ("blur",) if i == 4 else None
        rows.append(FrameRecord(file=file, source=i % 2, split=split, shot=i // 4, left_out=why))  # type: ignore[arg-type]
    (root / "train" / "p5.png").write_bytes(b"")
    manifest = Manifest(
        reskin="0",
        settings={"every": 3, "size": None},
        sources=[
            Origin(name=f"film|{i}\n<b>.mp4", sha256=str(i) * 64, size_bytes=9, duration_seconds=2.5)
            for i in (0, 1)
        ],
        frames=rows,
        damaged=["film0: two frames lost"],
        licence="CC BY 4.0",
        consent="all agreed",
    )
    write_manifest(root, manifest)
    return measure_set(open_sets([root])[0])


def test_the_card_counts_what_is_used(tmp_path: Path) -> None:
    card = dataset_card(fill(tmp_path))
    counts = card["counts"]
    assert (counts["pictures"], counts["used"], counts["left_out"], counts["unreadable"]) == (12, 9, 2, 1)
    assert counts["by_split"] == {"train": 6, "test": 3} and counts["shots"] == 6
    assert card["left_out"] == {"blur": 2, "balance": 1}
    assert card["sizes_px"] == {"30x20": 5, "40x20": 4}
    assert [source["used"] for source in card["sources"]] == [5, 4]
    assert card["sources"][0]["by_split"] == {"train": 4, "test": 1}
    assert (card["licence"], card["consent"], card["greyscale_share"]) == ("CC BY 4.0", "all agreed", 1.0)
    assert sum(card["measures"]["brightness"]["histogram"]["counts"]) == 9
    assert card["leakage"]["held_out"] == 3 and card["settings"] == {"every": 3, "size": None}
    assert "p5.png" in card["unreadable"][0]["file"]


def test_the_card_is_written_beside_the_pictures_twice_the_same(tmp_path: Path) -> None:
    measured = fill(tmp_path)
    write_card(measured, dataset_card(measured))
    names = ("dataset_card.json", "dataset_card.md")
    first = [(tmp_path / name).read_bytes() for name in names]
    again = measure_set(open_sets([tmp_path])[0])
    write_card(again, dataset_card(again))
    assert [(tmp_path / name).read_bytes() for name in names] == first
    assert json.loads(first[0])["counts"]["used"] == 9


def test_markdown_has_everything_and_nothing_breaks_out(tmp_path: Path) -> None:
    text = card_markdown(dataset_card(fill(tmp_path)))
    for said in (
        "CC BY 4.0",
        "all agreed",
        "| blur | 2 |",
        "9 pictures in use",
        "two frames lost",
        "0 of 3 held-out",
    ):
        assert said in text
    assert "film\\|0 \\<b\\>.mp4" in text and "<b>" not in text


def test_summaries_and_sparklines_by_hand() -> None:
    found = summary([1.0, 2.0, 3.0, 100.0], 20.0)
    assert (found["mean"], found["median"]) == (26.5, 2.5)
    assert found["histogram"]["counts"][-1] == 1 and sum(found["histogram"]["counts"]) == 4
    assert summary([], 1.0)["mean"] is None
    assert sparkline([1, 1000, 0]) == "▁█ " and sparkline([0, 0]) == "  "


def test_a_contact_sheet_shows_the_pictures_where_they_belong(tmp_path: Path) -> None:
    measured = fill(tmp_path / "set")
    assert write_contact_sheet(measured, tmp_path / "sheet.png") == 11
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    levels = {tuple(colour) for colour in sheet.reshape(-1, 3)[::7]}
    assert all((20 * i,) * 3 in levels for i in range(12) if i != 5)
    assert (245, 150, 96) in levels  # the frame of a picture that is left out


def test_a_folder_with_both_sides_and_plain_folders(tmp_path: Path) -> None:
    for name in ("trainA/1.png", "trainB/2.png", "trainB/3.png", "testB/4.png"):
        write_image(tmp_path / "both" / name, np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "one" / "x" / "set" / "1.png", np.zeros((8, 8, 3), np.uint8))
    write_image(tmp_path / "two" / "y" / "set" / "1.png", np.zeros((8, 8, 3), np.uint8))
    a, b = open_sets([tmp_path / "both"])
    assert [frame.file for frame in a.manifest.frames] == ["trainA/1.png"]
    assert sorted(frame.file for frame in b.manifest.frames) == [
        "testB/4.png",
        "trainB/2.png",
        "trainB/3.png",
    ]
    assert (a.name, b.card_name) == ("both A", "dataset_card_b")
    same = open_sets([tmp_path / "one" / "x" / "set", tmp_path / "two" / "y" / "set"])
    assert [one.name for one in same] == ["x/set", "y/set"]
    with pytest.raises(SettingsError, match="both domains already"):
        open_sets([tmp_path / "both", tmp_path / "one"])
    with pytest.raises(DataError, match="does not exist"):
        open_sets([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        open_sets([tmp_path / "empty"])
    with pytest.raises(SettingsError, match="0 folders"):
        open_sets([])
