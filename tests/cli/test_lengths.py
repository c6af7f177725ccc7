"""A length that is typed takes the place of the method's own or a preset's, whatever the unit."""

from __future__ import annotations

from typing import Any

import pytest

from reskin.cli.train import read_arguments
from reskin.runs.settings import gather_settings


@pytest.mark.parametrize(
    ("method", "words", "expected"),
    [
        ("munit", [], {"steps": 1_000_000, "minutes": None}),
        ("munit", ["--minutes", "5"], {"steps": None, "minutes": 5.0}),
        ("munit", ["--epochs=3"], {"steps": None, "epochs": 3}),
        ("cut", ["--epochs", "20"], {"epochs": 20, "decay_epochs": 10}),
        ("fastcut", ["--epochs", "20"], {"epochs": 20, "decay_epochs": 5}),
        ("fastcut", ["--epochs", "20", "--decay-epochs", "0"], {"epochs": 20, "decay_epochs": 0}),
        (
            "cyclegan",
            ["--preset", "got2fixers", "--minutes", "5"],
            {"minutes": 5.0, "epochs": 200, "batch": 8},
        ),
        ("cyclegan", ["--preset", "got2fixers", "--batch", "2"], {"batch": 2, "epochs": 200}),
        ("ganimorph_lite", ["--preset", "frame_movie_game"], {"epochs": 40, "schedule": "constant"}),
    ],
)
@pytest.mark.thinned(3)
def test_of_two_lengths_the_typed_one_counts(method: str, words: list[str], expected: dict[str, Any]) -> None:
    _, settings = read_arguments(method, ["--a", "a", "--b", "b", "--out", "run", *words])
    train = settings.train
    assert {key: getattr(train, key) for key in expected} == expected


def test_the_same_from_python() -> None:
    chosen = gather_settings("munit", None, {"a": "a", "b": "b", "minutes": 2}).train
    assert (chosen.steps, chosen.minutes) == (None, 2)
    chosen = gather_settings("cyclegan", None, {"a": "a", "b": "b", "epochs": 10}, preset="got2fixers").train
    assert (chosen.epochs, chosen.decay_epochs, chosen.batch) == (10, 5, 8)
