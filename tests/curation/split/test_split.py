"""Splits: nobody's neighbour is on the other side."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reskin.curation.split_rules import (
    SourceUnits,
    assign_groups,
    assign_splits,
    guard_frames,
    parse_ratio,
    shot_groups,
    split_sources,
)
from reskin.errors import DataError

RATIOS = ["4:1", "8:1:1", "1:1", "1:1:1", "98:1:1", "70:15:15", "7:1"]


@pytest.mark.sweep
@given(
    st.lists(st.integers(0, 900), max_size=5), st.sampled_from(RATIOS), st.integers(0, 99), st.integers(1, 40)
)
def test_neighbours_are_never_parted(counts: list[int], ratio: str, seed: int, guard: int) -> None:
    result = assign_splits(counts, by="block", ratio=ratio, seed=seed, guard=guard)
    assert [len(splits) for splits in result] == counts
    for splits in result:
        for one, next_one in pairwise(splits):
            assert one == next_one or None in (one, next_one)
        if len(splits) >= 10:
            assert "test" in splits and "train" in splits
            assert ratio.count(":") == 1 or "val" in splits
        else:
            assert set(splits) <= {"train"}
    assert result == assign_splits(counts, by="block", ratio=ratio, seed=seed, guard=guard)


def test_guards_are_as_wide_as_asked() -> None:
    [splits] = assign_splits([400], by="block", ratio="8:1:1", seed=3, guard=5)
    text = "".join({"train": "T", "val": "V", "test": "E", None: "."}[split] for split in splits)
    assert set(text.replace(".....", "|")) <= set("TVE|")
    assert text.strip("TVE").count(".....") == len([part for part in text.split(".") if part]) - 1


def test_shares_are_near_the_ratio() -> None:
    [splits] = assign_splits([1000], by="block", ratio="8:1:1", seed=0)
    assert splits.count("val") == 100 and splits.count("test") == 100
    assert 780 <= splits.count("train") < 800
    [splits] = assign_splits([1000], by="block", ratio="4:1", seed=0)
    assert splits.count("test") == 200 and splits.count("val") == 0


@pytest.mark.parametrize(
    ("count", "segments", "groups"), [(160, 8, 4), (60, 3, 2), (60, None, 1), (15, 9, 1)]
)
def test_more_segments_hold_out_frames_from_more_of_the_source(
    count: int, segments: int | None, groups: int
) -> None:
    source = SourceUnits([1] * count, guard=25, segments=segments)
    [splits] = split_sources([source], by="block", ratio="9:1", seed=0)
    runs = [run for run in "".join("T" if split == "test" else "." for split in splits).split(".") if run]
    # Every other segment runs backwards, so the shares of two neighbours lie beside each other.
    assert groups <= len(runs) <= groups + 1 and 0.05 < splits.count("test") / count < 0.15
    assert splits.count("train") > 0.6 * count
    for one, following in pairwise(splits):
        assert one == following or None in (one, following)


def test_seeds_hold_out_different_segments() -> None:
    kinds = {tuple(assign_splits([100], by="block", ratio="4:1", seed=seed)[0]) for seed in range(20)}
    assert len(kinds) == 2


def test_whole_sources() -> None:
    counts = [5, 0, 30, 7, 2]
    result = assign_splits(counts, by="source", ratio="8:1:1", seed=1)
    assert all(len(set(splits)) == 1 for splits in result if splits)
    assert {splits[0] for splits in result if splits} == {"train", "val", "test"}
    assert len({str(assign_splits(counts, by="source", ratio="4:1", seed=s)) for s in range(20)}) > 1
    two = assign_splits([3, 3], by="source", ratio="1:1", seed=0)
    assert {splits[0] for splits in two if splits} == {"train", "test"}
    with pytest.raises(DataError, match="1 source cannot"):
        assign_splits([99], by="source", ratio="4:1", seed=0)


def test_no_split() -> None:
    assert assign_splits([2], by="none", ratio="4:1", seed=0) == [["train", "train"]]


@pytest.mark.parametrize("ratio", ["4", "4:1:1:1", "a:b", "0:1", "1:2", "4:0", "", "4:-1", "1:2:1"])
def test_wrong_ratios_are_named(ratio: str) -> None:
    with pytest.raises(DataError, match="ratio"):
        parse_ratio(ratio)


def test_a_second_of_film_is_left_out() -> None:
    assert [guard_frames(spacing) for spacing in (1 / 30, 0.3, 1.0, 5.0, 0.0)] == [30, 4, 1, 1, 1]


@given(
    st.lists(st.integers(0, 60), min_size=3, max_size=40),
    st.sampled_from(["4:1", "8:1:1", "1:1", "1:1:1"]),
    st.integers(0, 9),
)
def test_groups_fill_every_part_and_come_near_the_ratio(sizes: list[int], ratio: str, seed: int) -> None:
    parts = ratio.count(":") + 1
    if sum(size > 0 for size in sizes) < parts:
        with pytest.raises(DataError, match=f"{parts} parts"):
            assign_groups(sizes, ratio=ratio, seed=seed)
        return
    splits = assign_groups(sizes, ratio=ratio, seed=seed)
    filled = {split for split, size in zip(splits, sizes, strict=True) if size}
    assert filled == {split for split, share in parse_ratio(ratio).items() if share}
    assert splits == assign_groups(sizes, ratio=ratio, seed=seed)
    for split, share in parse_ratio(ratio).items():
        got = sum(size for size, of in zip(sizes, splits, strict=True) if of == split)
        if split != "train" and share:
            assert abs(got - share * sum(sizes)) <= max(sizes)


def test_groups_are_added_to_what_there_is() -> None:
    have = {"train": 80, "val": 0, "test": 0}
    splits = assign_groups([1] * 20, ratio="8:1:1", seed=0, have=have)
    assert splits.count("test") == 10 and splits.count("val") == 10
    assert assign_groups([5], ratio="8:1:1", seed=0, have={"train": 80, "val": 10, "test": 10}) == ["train"]


def test_shots_that_follow_each_other_stay_together() -> None:
    shots = [sorted(i // 10 for i in range(300)), [0] * 100]
    groups = shot_groups(shots, ratio="8:1:1")
    assert len(groups[0]) == 300 and len(set(groups[1])) == 1 and not set(groups[0]) & set(groups[1])
    sizes = [groups[0].count(group) for group in sorted(set(groups[0]))]
    assert set(sizes) == {20}  # the first whole number of shots of 10 above 400 / 10 / 3
