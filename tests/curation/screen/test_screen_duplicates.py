"""Duplicates: which of several goes, worked out by hand, and against trying all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reskin.curation.screen.duplicates import Candidate, find_duplicates
from reskin.types import Split


def found(*candidates: Candidate, distance: int = 4) -> dict[int, tuple[int, str]]:
    twins = find_duplicates(candidates, distance)
    return {place: (twin.of, twin.rule.name) for place, twin in twins.items()}


def test_the_first_of_a_set_stays() -> None:
    assert found(
        Candidate(7, 0, "train"), Candidate(2**60 - 2**40, 0, "train"), Candidate(6, 0, "train")
    ) == {2: (0, "duplicate")}


def test_the_training_copy_of_a_held_out_picture_goes() -> None:
    twins = found(Candidate(7, 0, "train"), Candidate(7, 0, "val"), Candidate(7, 0, "test"))
    assert twins == {0: (2, "duplicate-split"), 1: (2, "duplicate-split")}


def test_the_first_side_keeps_what_it_shares() -> None:
    assert found(Candidate(7, 1, "test"), Candidate(7, 0, "train")) == {0: (1, "duplicate-domain")}


def test_what_is_kept_by_hand_stays_and_the_other_goes() -> None:
    kept = Candidate(7, 1, "train", is_kept=True)
    assert found(Candidate(7, 0, "test"), kept) == {0: (1, "duplicate-domain")}
    assert found(kept, kept) == {}


def test_a_slow_pan_does_not_melt_into_its_first_frame() -> None:
    # Each differs from the next in 3 bits, from the one after that in 6.
    pan = [Candidate(8**number - 1, 0, "train") for number in range(6)]
    assert found(*pan) == {1: (0, "duplicate"), 3: (2, "duplicate"), 5: (4, "duplicate")}


def test_the_distance_is_the_last_that_counts() -> None:
    pair = Candidate(0, 0, "train"), Candidate(0b1111, 0, "train")
    assert found(*pair, distance=4) and not found(*pair, distance=3)
    assert find_duplicates(pair, 4)[1].bits == 4


def test_no_candidates_have_no_duplicates() -> None:
    assert find_duplicates([], 4) == {}


candidates = st.builds(
    Candidate,
    hash=st.integers(0, 255).map(lambda value: value * 0x0101010101010101 % 2**64),
    domain=st.integers(0, 1),
    split=st.sampled_from(["train", "val", "test"]),
    is_kept=st.booleans(),
)


@pytest.mark.sweep
@settings(max_examples=80)
@given(st.lists(candidates, max_size=25), st.integers(0, 12))
def test_no_two_that_stay_are_near_and_all_that_go_have_a_twin(many: list[Candidate], distance: int) -> None:
    twins = find_duplicates(many, distance)
    stay = [place for place in range(len(many)) if place not in twins]
    for place, twin in twins.items():
        assert twin.of in stay
        assert (many[place].hash ^ many[twin.of].hash).bit_count() == twin.bits <= distance
    for i in stay:
        for j in stay:
            both_kept = many[i].is_kept and many[j].is_kept
            assert i == j or both_kept or (many[i].hash ^ many[j].hash).bit_count() > distance


def test_splits_have_an_order_that_covers_all() -> None:
    splits: list[Split] = ["train", "val", "test"]
    assert found(*(Candidate(0, 0, split) for split in splits)) == {
        0: (2, "duplicate-split"),
        1: (2, "duplicate-split"),
    }
