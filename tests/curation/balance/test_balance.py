"""Balancing: counts worked out by hand, the fewest left out, and everything brought back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reskin.curation.balance.balance import (
    BalanceConfig,
    Count,
    balance_sets,
    most_kept,
    parse_parts,
    undo_balance,
)
from reskin.data.folders import split_images
from reskin.data.manifest import read_manifest
from reskin.errors import DataError, ReskinError, SettingsError
from reskin.faces.detectors import Face
from reskin.images import Picture, write_image


class RedIsFace:
    """Finds a face of a tenth of the picture for each full 10 levels of red in its first pixel."""

    name = "red"
    has_landmarks = False

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, image: Picture) -> list[Face]:
        self.asked += 1
        height, width = image.shape[:2]
        sure = Face((0, 0, width, height / 10), 0.9)
        return [sure] * (int(image[0, 0, 0]) // 10) + [Face((0, 0, 9, 9), 0.55)]


def put(folder: Path, reds: list[int]) -> None:
    for number, red in enumerate(reds):
        image = np.zeros((20, 20, 3), np.uint8)
        image[..., 0] = red
        write_image(folder / f"p{number:03d}.png", image)


def left_out(folder: Path) -> dict[str, tuple[str, ...]]:
    manifest = read_manifest(folder)
    assert manifest is not None
    return {frame.file: frame.left_out for frame in manifest.frames if frame.left_out}


def faces(ratio: str | None = "4:1", **more: object) -> BalanceConfig:
    return BalanceConfig.model_validate({"by": "faces", "ratio": ratio, **more})


def test_both_sides_come_to_the_ratio_and_only_the_surplus_goes(tmp_path: Path) -> None:
    put(tmp_path / "a", [10] * 18 + [0] * 3)  # 18 with, 3 without: 12 with may stay
    put(tmp_path / "b", [20] * 8 + [0] * 12)  # 8 with, 12 without: 2 without may stay
    sides = balance_sets([tmp_path / "a", tmp_path / "b"], faces(), detector=RedIsFace())
    assert [side.before["train"] for side in sides] == [Count(18, 3), Count(8, 12)]
    assert [side.after["train"] for side in sides] == [Count(12, 3), Count(8, 2)]
    assert set(left_out(tmp_path / "a").values()) == {("balance",)}
    assert len(split_images(tmp_path / "a", "a", "train")) == 15
    assert {f"p{n:03d}.png" for n in range(8)}.isdisjoint(left_out(tmp_path / "b"))
    manifest = read_manifest(tmp_path / "b")
    assert manifest is not None and manifest.balance is not None
    assert manifest.balance["domains"][1] == {
        "name": "b",
        "before": {"train": [8, 12]},
        "after": {"train": [8, 2]},
        "untouched": [],
        "unreadable": [],
    }
    assert manifest.balance["settings"] == {"by": "faces", "ratio": "4:1", "above": 0.0, "seed": 0}


def test_each_split_is_balanced_for_itself_and_one_that_lacks_a_kind_is_left(tmp_path: Path) -> None:
    put(tmp_path / "train", [10] * 6 + [0] * 2)
    put(tmp_path / "val", [10] * 3)
    put(tmp_path / "test", [10, 0, 0, 0])
    (side,) = balance_sets([tmp_path], faces("1:1"), detector=RedIsFace())
    assert side.after == {"train": Count(2, 2), "val": Count(3, 0), "test": Count(1, 1)}
    assert side.untouched == ["val"]


def test_the_seed_decides_and_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    put(tmp_path, [10] * 12 + [0] * 4)
    balance_sets([tmp_path], faces("1:1"), detector=RedIsFace())
    first = (tmp_path / "manifest.json").read_bytes()
    balance_sets([tmp_path], faces("1:1", seed=1), detector=RedIsFace())
    other = (tmp_path / "manifest.json").read_bytes()
    balance_sets([tmp_path], faces("1:1"), detector=RedIsFace())
    assert (tmp_path / "manifest.json").read_bytes() == first != other


def test_without_a_ratio_it_only_tells_and_what_was_measured_is_kept(tmp_path: Path) -> None:
    put(tmp_path, [10, 20, 0])
    detector = RedIsFace()
    (side,) = balance_sets([tmp_path], faces(None), detector=detector)
    assert side.before == side.after == {"train": Count(2, 1)}
    assert left_out(tmp_path) == {} and detector.asked == 3
    balance_sets([tmp_path], faces("1:1", above=1), detector=detector)
    balance_sets([tmp_path], faces("1:1", by="face-share"), detector=detector)
    assert detector.asked == 3
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert [frame.scores and frame.scores["faces"] for frame in manifest.frames] == [1, 2, 0]
    assert [frame.scores and frame.scores["face-share"] for frame in manifest.frames] == [0.1, 0.1, 0]


def test_undo_and_reruns_start_from_all_that_others_did_not_leave_out(tmp_path: Path) -> None:
    put(tmp_path, [10] * 5 + [0] * 5)
    balance_sets([tmp_path], faces("1:5"), detector=RedIsFace())
    (side,) = balance_sets([tmp_path], faces("5:1"), detector=RedIsFace())
    assert side.before["train"] == Count(5, 5) and side.after["train"] == Count(5, 1)
    assert undo_balance([tmp_path]) == 4
    manifest = read_manifest(tmp_path)
    assert manifest is not None and manifest.balance is None and len(manifest.used()) == 10


def test_what_screening_left_out_is_not_counted_and_stays_out(tmp_path: Path) -> None:
    from reskin.curation.screen.screen import ScreenConfig, screen_set

    put(tmp_path, [10] * 4 + [0] * 2)
    off = ("dark", "uniform", "duplicate", "blur", "grey")
    screen_set(tmp_path, ScreenConfig.model_validate({"off": off, "drop": ("p000.png",)}), apply=True)
    (side,) = balance_sets([tmp_path], faces("1:1"), detector=RedIsFace())
    assert side.before["train"] == Count(3, 2)
    assert left_out(tmp_path)["p000.png"] == ("dropped by hand",)
    assert undo_balance([tmp_path]) == 1
    assert left_out(tmp_path) == {"p000.png": ("dropped by hand",)}


def test_brightness_is_the_mean(tmp_path: Path) -> None:
    for number, level in enumerate((51, 102, 204)):
        write_image(tmp_path / f"p{number}.png", np.full((9, 9, 3), level, np.uint8))
    (side,) = balance_sets([tmp_path], BalanceConfig(by="brightness", above=0.3))
    assert side.before["train"] == Count(2, 1)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert [frame.scores and frame.scores["brightness"] for frame in manifest.frames] == [0.2, 0.4, 0.8]


def test_a_column_of_a_table_is_read_by_path_or_name(tmp_path: Path) -> None:
    root, table = tmp_path / "set", tmp_path / "people.csv"
    put(root / "train", [0, 0, 0, 0])
    table.write_text(
        "\ufeffpicture,people\n./train/p000.png,yes\np001.png,3\np002.png,0\np003.png,\nother.png,1\n"
    )
    (side,) = balance_sets([root], BalanceConfig(by="people", csv=table, ratio="1:1"))
    assert side.before["train"] == Count(2, 2)
    table.write_text("place,file\nindoors,p000.png\noutdoors,p001.png\nindoors,p002.png\nattic,p003.png\n")
    (side,) = balance_sets([root], BalanceConfig(by="place", csv=table, yes="Indoors"))
    assert side.before["train"] == Count(2, 2)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("file,other\np000.png,1\n", "no column 'people'"),
        ("", "no column 'people'"),
        ("file,people\np000.png,1\n", "no row for 1 of 2 pictures, the first is p001.png"),
        ("file,people\np000.png,1\np001.png,many\n", "'many' is no number"),
        ("file,people\np000.png,1\np001.png,nan\n", "'nan' is no number"),
        (
            "file,people\np000.png,1\np001.png,1\n./p000.png,0\n",
            "row 4: p000.png has two values, '1' and '0'",
        ),
        ("file,people\np000.png,1\np001.png\n", "no row for 1 of 2 pictures, the first is p001.png"),
        ('file,people\np000.png,1\n"p001.png,1\n', "cannot be read"),  # a quote that does not close
    ],
)
@pytest.mark.thinned(4, first=1)
def test_a_wrong_table_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    put(tmp_path / "set", [0, 0])
    table = tmp_path / "people.csv"
    table.write_text(content)
    with pytest.raises(DataError, match=problem):
        balance_sets([tmp_path / "set"], BalanceConfig(by="people", csv=table))
    with pytest.raises(DataError, match="cannot be read"):
        balance_sets([tmp_path / "set"], BalanceConfig(by="people", csv=tmp_path / "no.csv"))


@pytest.mark.parametrize("ratio", ["4", "4:0", "0:1", "a:b", "4:1:1", "-1:2", "1.5:1"])
def test_a_wrong_ratio_is_refused_before_anything_is_written(tmp_path: Path, ratio: str) -> None:
    put(tmp_path, [10, 0])
    with pytest.raises(SettingsError, match="not of the form"):
        balance_sets([tmp_path], faces(ratio), detector=RedIsFace())
    assert not (tmp_path / "manifest.json").exists()


def test_training_without_one_of_the_two_kinds_is_refused(tmp_path: Path) -> None:
    put(tmp_path, [10, 20])
    with pytest.raises(DataError, match="is one without"):
        balance_sets([tmp_path], faces(), detector=RedIsFace())
    with pytest.raises(SettingsError, match="not measured"):
        balance_sets([tmp_path], BalanceConfig(by="people"))
    with pytest.raises(SettingsError, match="twice"):
        balance_sets([tmp_path, tmp_path], faces())


def test_pictures_that_cannot_be_read_are_named_and_left_as_they_are(tmp_path: Path) -> None:
    put(tmp_path, [10, 0, 0])
    (tmp_path / "x.png").write_bytes(b"no picture")
    (side,) = balance_sets([tmp_path], faces("1:1"), detector=RedIsFace())
    assert side.unreadable == ["x.png"] and side.after["train"] == Count(1, 1)
    assert "x.png" not in left_out(tmp_path)


def test_what_was_measured_before_a_stop_is_kept(tmp_path: Path) -> None:
    put(tmp_path, [10, 0, 0])

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        balance_sets([tmp_path], faces(), detector=RedIsFace(), report=stop)
    manifest = read_manifest(tmp_path)
    assert manifest is not None and sum(bool(frame.scores) for frame in manifest.frames) == 2


counts = st.integers(1, 400)


@given(counts, counts, st.integers(1, 9), st.integers(1, 9))
def test_no_more_goes_than_must(with_it: int, without: int, wanted: int, other: int) -> None:
    kept = most_kept(Count(with_it, without), (wanted, other))
    assert 1 <= kept.with_it <= with_it and 1 <= kept.without <= without
    assert kept.with_it == with_it or kept.without == without
    # As near to the ratio as whole pictures come: less than one picture away.
    assert (
        min(
            abs(kept.with_it - kept.without * wanted / other),
            abs(kept.without - kept.with_it * other / wanted),
        )
        < 1
    )


def test_parts_are_two_whole_numbers() -> None:
    assert parse_parts("12:5") == (12, 5)
    with pytest.raises(ReskinError):
        parse_parts("٤:١")
