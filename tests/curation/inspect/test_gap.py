"""What two sides differ in: the distances are right, and the words fit planted differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reskin.curation.inspect.gap import accuracy, colour_distances, compare_domains, suggested_command
from reskin.curation.inspect.measure import LIGHT_BINS, OPPONENT_BINS, Look
from reskin.curation.inspect.sets import MeasuredSet
from reskin.data.manifest import FrameRecord
from reskin.errors import DataError
from reskin.faces.crop import Crop

Make = Callable[..., MeasuredSet]
Looks = Callable[..., list[Look]]


def histogram(light: int, red: int = 64, blue: int = 64) -> np.ndarray:
    """All pixels in one bin of each channel."""
    found = np.zeros(LIGHT_BINS + 2 * OPPONENT_BINS)
    found[[light, LIGHT_BINS + red, LIGHT_BINS + OPPONENT_BINS + blue]] = 1
    return found


def by_topic(a: MeasuredSet, b: MeasuredSet) -> dict[str, str]:
    return {finding.topic: finding.level for finding in compare_domains(a, b).findings}


def test_colour_distances_by_hand() -> None:
    # One bin of lightness is one step; one of a or b is two.
    assert colour_distances(histogram(20), histogram(50))["L"] == pytest.approx(30)
    found = colour_distances(histogram(20, 60, 70), histogram(20, 63, 66))
    assert found == {"L": 0, "a": pytest.approx(6), "b": pytest.approx(8), "all": pytest.approx(10)}


def test_colour_distance_is_what_sorting_gives() -> None:
    chance = np.random.default_rng(0)
    a, b = chance.integers(0, 60, 4000), chance.integers(30, 100, 4000)
    blank = np.zeros(2 * OPPONENT_BINS)
    hists = [np.concatenate([np.bincount(x, minlength=100) / 4000, blank]) for x in (a, b)]
    assert colour_distances(*hists)["L"] == pytest.approx(np.abs(np.sort(a) - np.sort(b)).mean())


def test_a_rule_guesses_knows_or_says_nothing() -> None:
    chance = np.random.default_rng(0)
    one, same, other = (chance.normal(size=(300, 5)) + shift for shift in (0, 0, 4))
    guess, knows = accuracy(one, same), accuracy(one, other)
    assert guess is not None and knows is not None
    assert 0.4 < guess < 0.6 and knows > 0.99
    # Two normals one standard deviation apart are told apart in 69 of 100 cases.
    assert accuracy(chance.normal(size=(4000, 1)), chance.normal(size=(4000, 1)) + 1) == pytest.approx(
        0.69, abs=0.02
    )
    assert accuracy(one[:10], other) is None
    assert accuracy(np.ones((80, 3)), np.ones((80, 3))) is not None


def test_close_sides_are_warned_of(make: Make, looks: Looks) -> None:
    close = by_topic(make("a", looks(300, 1)), make("b", looks(300, 2)))
    apart = by_topic(make("a", looks(300, 1)), make("b", looks(300, 2, style=1.0, form=0.6)))
    assert close["Distance of the domains"] == "warning" and apart["Distance of the domains"] == "good"


def test_a_look_that_is_only_colour(make: Make, looks: Looks) -> None:
    a = looks(300, 1, histograms=histogram(40).astype(np.float32))
    b = looks(300, 2, style=2.0, histograms=histogram(60, 80, 60).astype(np.float32), brightness=80.0)
    report = compare_domains(make("a", a), make("b", b))
    found = next(finding for finding in report.findings if finding.topic == "Colour and brightness")
    assert found.level == "warning" and "Reinhard" in found.advice and "brighter" in found.difference
    form_too = looks(300, 2, style=2.0, form=2.0, histograms=histogram(60, 80, 60).astype(np.float32))
    assert by_topic(make("a", a), make("b", form_too))["Colour and brightness"] == "note"


def test_sizes_that_are_squeezed_differently(make: Make, looks: Looks) -> None:
    wide, square = looks(210, 1, width=640, height=360), looks(210, 2, width=256, height=256)
    report = compare_domains(make("a", wide), make("b", square))
    found = next(finding for finding in report.findings if finding.topic == "Size and aspect")
    assert found.level == "warning" and report.settings == {"preprocess": "scale_width_and_crop"}
    assert "--preprocess scale_width_and_crop" in suggested_command(report, [Path("x/got"), Path("x/fix")])
    assert by_topic(make("a", wide), make("b", wide[::-1]))["Size and aspect"] == "note"
    large = looks(210, 3, width=1024, height=1024)
    assert by_topic(make("a", square), make("b", large))["Size and aspect"] == "warning"
    assert (
        by_topic(make("a", square), make("b", looks(210, 4, width=256, height=256)))["Size and aspect"]
        == "good"
    )


def test_sharpness_grey_and_few_pictures(make: Make, looks: Looks) -> None:
    sharp, soft = looks(210, 1, sharpness=0.9), looks(210, 2, sharpness=0.1)
    assert by_topic(make("a", sharp), make("b", soft))["Sharpness"] == "warning"
    some = [replace(look, is_grey=i % 10 == 0) for i, look in enumerate(looks(210, 3))]
    found = by_topic(make("a", some), make("b", looks(210, 4)))
    assert found["Greyscale"] == "warning" and found["Number of pictures"] == "good"
    film = looks(210, 5, is_grey=True)
    assert by_topic(make("a", film), make("b", looks(210, 6)))["Greyscale"] == "note"
    assert by_topic(make("a", looks(50, 7)), make("b", looks(210, 8)))["Number of pictures"] == "warning"
    assert by_topic(make("a", looks(210, 7)), make("b", looks(1200, 8)))["Number of pictures"] == "note"


def test_faces_where_they_are_known(make: Make, looks: Looks) -> None:
    def rows(faces: int) -> list[FrameRecord]:
        return [FrameRecord(file=f"{i}.png", scores={"faces": float(i < faces)}) for i in range(210)]

    crop = Crop(matrix=(1, 0, 0, 0, 1, 0), frame_width=9, frame_height=9, box=(1, 1, 4, 4))
    cropped = [FrameRecord(file=f"{i}.png", crop=crop) for i in range(210)]
    many, few = make("a", looks(210, 1), rows(168)), make("b", looks(210, 2), rows(42))
    report = compare_domains(many, few)
    assert report.numbers["faces_share"] == [0.8, 0.2]
    assert next(f for f in report.findings if f.topic == "Faces").level == "warning"
    assert by_topic(make("a", looks(210, 1), cropped), make("b", looks(210, 2), rows(205)))["Faces"] == "good"
    assert "Faces" not in by_topic(make("a", looks(210, 1)), make("b", looks(210, 2), rows(3)))


def test_shared_pictures_come_first_and_left_out_ones_do_not_count(make: Make, looks: Looks) -> None:
    a, b = looks(210, 1), looks(210, 2)
    b[5] = replace(b[5], hash=a[9].hash ^ 0b101)
    report = compare_domains(make("a", a), make("b", b))
    assert report.shared == [("train/a-9.png", "train/b-5.png", 2)]
    assert report.findings[0].level == "warning" and report.to_dict()["shared"][0]["bits"] == 2
    rows = [FrameRecord(file=f"{i}.png", left_out=("balance",) if i == 5 else None) for i in range(210)]
    assert compare_domains(make("a", a), make("b", b, rows)).shared == []


def test_a_side_that_is_left_out_altogether(make: Make, looks: Looks) -> None:
    rows = [FrameRecord(file="0.png", left_out=("blur",))]
    with pytest.raises(DataError, match="every picture of b is left out"):
        compare_domains(make("a", looks(5, 1)), make("b", looks(1, 2), rows))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        pytest.param("horse2zebra", 0.7, 1.0, marks=pytest.mark.slow),
        ("summer2winter_yosemite", 0.55, 1.0),
    ],
)
@pytest.mark.sweep
def test_real_sides_lie_apart_and_halves_of_one_do_not(
    real_data: Path, name: str, low: float, high: float
) -> None:
    from reskin.curation.inspect.sets import measure_set, open_sets

    a, b = (measure_set(side) for side in open_sets([real_data / "unpaired" / name]))
    told = compare_domains(a, b).numbers["domain_accuracy"]["both"]
    assert low < told <= high
    half = [MeasuredSet(a.of, a.records[start::2], a.looks[start::2], [], a.leaks) for start in (0, 1)]
    within = compare_domains(*half).numbers
    assert within["domain_accuracy"]["both"] < min(0.65, told)
    assert within["colour_distance"]["all"] < compare_domains(a, b).numbers["colour_distance"]["all"]
