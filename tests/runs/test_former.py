"""Runs of CycleGAN with networks and settings that are in methods of their own today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reskin.cli.train import read_arguments
from reskin.errors import SettingsError
from reskin.methods import find_trained
from reskin.parsing import parse
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.folder import RunFolder
from reskin.runs.former import FORMER_PRESETS, RETIRED, of_today, present_method, without_retired
from reskin.runs.load import load
from reskin.runs.settings import sort_settings

WRITTEN = Path(__file__).parents[1] / "fixtures" / "v0" / "run" / "config.json"
WRITTEN_THEN = json.loads(WRITTEN.read_text(encoding="utf-8"))["settings"]["method"]
BEFORE: dict[str, Any] = WRITTEN_THEN | {"halvings": 5}
"""The settings of CycleGAN as version 0.1.0 wrote them."""

CHANGES = [
    ({}, "cyclegan"),
    ({"generator": "unet"}, "cyclegan_unet"),
    ({"discriminator": "pixel"}, "cyclegan_unet"),
    ({"generator": "unet", "discriminator": "pixel", "adversarial": "wgan-gp"}, "cyclegan_unet"),
    ({"self_attention": "both"}, "cyclegan_attention"),
    ({"spectral_norm": True, "adversarial": "hinge"}, "cyclegan_attention"),
    (
        {"self_attention": "generator", "spectral_norm": True, "disc_learning_rate": 4e-4},
        "cyclegan_attention",
    ),
    ({"disc_learning_rate": 4e-4}, "cyclegan_attention"),
]


@pytest.mark.parametrize(("changed", "method"), CHANGES, ids=str)
@pytest.mark.thinned(6)
def test_a_run_of_before_opens(changed: dict[str, Any], method: str, tmp_path: Path) -> None:
    values = BEFORE | changed
    assert present_method("cyclegan", values) == method
    kind = find_trained(method)
    trained = kind(parse(kind.Config, without_retired(method, values)))
    state = checkpoint.state_of(trained, Ema(trained, 0.0))
    checkpoint.save(RunFolder(tmp_path).checkpoint(3), state, {"step": 3})
    config = {"method": "cyclegan", "directions": ["a2b", "b2a"], "settings": {"method": values}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        loaded = load(tmp_path, device="cpu").translate(images, "a2b")
        assert loaded.equal(trained.eval().translate(images, "a2b"))


@pytest.mark.parametrize(("changed", "method"), CHANGES[1:], ids=str)
def test_settings_that_have_moved_name_the_method_that_has_them(changed: dict[str, Any], method: str) -> None:
    with pytest.raises(SettingsError, match=f"reskin train {method}"):
        sort_settings("cyclegan", {"a": "a", "b": "b", **changed})
    settings = sort_settings(method, {"a": "a", "b": "b", **BEFORE, **changed}).method.to_dict()
    assert settings.items() >= changed.items()


def test_settings_that_are_gone_are_taken_where_they_changed_nothing() -> None:
    folders = {"a": "a", "b": "b"}
    given = sort_settings(
        "cyclegan", {**folders, "generator": "resnet", "halvings": 7, "spectral_norm": False}
    )
    assert given == sort_settings("cyclegan", folders)
    with pytest.raises(SettingsError, match="self_attention"):
        sort_settings("cyclegan_unet", {**folders, "self_attention": "both"})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cyclegan", "--self-attention", "both"], "reskin train cyclegan_attention --self-attention"),
        (["cyclegan", "--no-spectral-norm"], "reskin train cyclegan_attention --spectral-norm"),
        (["cyclegan", "--generator=unet"], "It is a setting of cyclegan_unet, pix2pix"),
        (["cyclegan", "--halvings", "7"], "cyclegan_unet, pix2pix: reskin train METHOD --downsamplings"),
        (["pix2pix", "--halvings", "7"], "It is called --downsamplings today."),
        (["cyclegan", "--halve-steps", "9"], "It is called --decay-steps today."),
        (["cyclegan", "--augment-chances", "0"], "It is called --augment-probabilities today."),
    ],
)
def test_a_flag_that_has_moved_names_what_to_type(words: list[str], expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_arguments(words[0], [*words[1:], "--a", "a", "--b", "b", "--out", "out"])
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_a_setting_of_another_method_names_it_in_python_too() -> None:
    with pytest.raises(SettingsError, match="reskin train cyclegan_attention --self-attention"):
        sort_settings("cut", {"a": "a", "b": "b", "self_attention": "both"})


def test_what_is_gone_is_of_methods_that_are_there_and_not_theirs_today() -> None:
    for method, settings in RETIRED.items():
        kind = find_trained(method).Config
        assert not settings.keys() & {*kind.model_fields, *kind.renamed}
    for method, presets in FORMER_PRESETS.items():
        assert not presets.keys() & find_trained(method).presets.keys()


@pytest.mark.parametrize("config", [{}, {"method": 3, "settings": {"method": {}}}, {"method": "cyclegan"}])
def test_any_other_config_is_left_as_it_is(config: dict[str, Any]) -> None:
    assert of_today(config) == config
    assert present_method("cut", {"generator": "unet"}) == "cut"
