"""The form is the command line: every method, random settings, the same settings and the same refusals."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from reskin.cli.checking import fault
from reskin.cli.methods import facts
from reskin.cli.train import read_arguments
from reskin.errors import ReskinError, SettingsError
from reskin.methods import trained_names
from reskin.web.studio.forms import Field, checked_name, defaults, fields, in_text, setting_words

TRIES = 200 if os.environ.get("RESKIN_FULL") else 12
BEGIN = ["--a", "data/a", "--b", "data/b", "--out", "runs/x"]


def drawn(chance: random.Random, one: Field) -> Any:
    """A value of a setting within its bounds, as JSON holds it."""
    if one.kind == "switch":
        return chance.random() < 0.5
    if one.kind == "choice":
        kept = chance.choice(one.choices)
        return int(kept) if kept.isdecimal() else kept
    low = one.low if one.low is not None else (one.above or 0.0) + 0.01 if one.above is not None else 0.0
    high = one.high if one.high is not None else one.below - 0.01 if one.below is not None else low + 50
    if one.kind == "whole":
        return chance.randint(int(low), int(high))
    if one.kind == "number":
        return round(chance.uniform(low, high), 4)
    return None


def outcome(name: str, words: list[str]) -> tuple[str, Any]:
    """Settings that the command line reads, or its sentence."""
    try:
        _, settings = read_arguments(name, [*BEGIN, *words])
    except ReskinError as error:
        return "refused", str(error)
    return "settings", {
        key: of
        for group in settings.to_dict().values()
        if isinstance(group, dict)
        for key, of in group.items()
    }


@pytest.mark.parametrize("name", trained_names())
@pytest.mark.thinned(10)
def test_random_settings_arrive(name: str) -> None:
    chance, known = random.Random(name), json.loads(json.dumps(facts(name)))
    arrived = 0
    for _ in range(TRIES):
        preset = chance.choice(["", *known["presets"]])
        every = fields(known, preset)
        assert all(one.help and one.label for one in every)
        chosen = {one.name: drawn(chance, one) for one in chance.sample(every, min(4, len(every)))}
        chosen = {key: value for key, value in chosen.items() if value is not None}
        words = setting_words(known, preset, {key: in_text(value) for key, value in chosen.items()})
        if preset:
            words = ["--preset", preset, *words]
        kind, found = outcome(name, words)
        assert (fault(["train", name, *BEGIN, *words]) == "") == (kind == "settings")
        if kind == "refused":  # by a rule between settings, which no form knows; the sentence is shown
            assert found.strip()
            continue
        arrived += 1
        wanted = defaults(known, preset) | chosen
        for key, value in chosen.items():
            assert found[key] == pytest.approx(wanted[key]), (key, value, words)
    assert arrived > TRIES / 4


@pytest.mark.parametrize("name", trained_names())
@pytest.mark.thinned(2)
def test_few_settings_are_unfolded(name: str) -> None:
    every = fields(facts(name))
    assert 6 <= sum(one.is_basic for one in every) <= 12
    assert len({one.name for one in every}) == len(every)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch": "1"}, []),
        ({"batch": " 4 "}, ["--batch", "4"]),
        ({"flip": "no"}, ["--no-flip"]),
        ({"device": "--help"}, ["--device=--help"]),
        (
            {"augment_probabilities": "0.2  0.2 0.2 0.1 0.3"},
            ["--augment-probabilities", *["0.2", "0.2", "0.2", "0.1", "0.3"]],
        ),
        ({"minutes": ""}, []),
    ],
    ids=str,
)
@pytest.mark.thinned(3, first=1)
def test_words_of_single_values(given: dict[str, str], words: list[str]) -> None:
    assert setting_words(facts("cyclegan"), "", given) == words


@pytest.mark.parametrize(
    "given",
    [
        {"nothing": "1"},
        {"batch": "1\n2"},
        {"batch": ""},
        {"flip": "true"},
        {"batch": 4},
        {"augment_probabilities": "--out x"},
    ],
    ids=str,
)
@pytest.mark.thinned(3)
def test_values_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        setting_words(facts("cyclegan"), "", given)


def test_masks_are_folders_that_are_looked_up_and_weights_have_no_field() -> None:
    known = json.loads(json.dumps(facts("munit")))
    names = {one.name: one.kind for one in fields(known)}
    assert names["mask_a"] == names["mask_b"] == "folder" and "feature_weights" not in names
    words = setting_words(known, "", {"mask_a": "abc", "mask_b": ""}, lambda kind, id: f"data/{kind}-{id}")
    assert words == ["--mask-a", "data/folder-abc"]
    with pytest.raises(SettingsError, match="not there any more"):
        setting_words(known, "", {"mask_a": "/etc"})
    with pytest.raises(SettingsError, match="no setting"):
        setting_words(known, "", {"feature_weights": "/etc/passwd"})


def test_names_of_folders() -> None:
    assert checked_name("a b-1.2_c") == "a b-1.2_c"
    for text in ("", ".", "..", "a/b", "a\\b", "-a", ".a", "a.", "con", "COM1.txt", "a" * 81, " a", None, 3):
        with pytest.raises(SettingsError):
            checked_name(text)
