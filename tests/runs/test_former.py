"""Runs of CycleGAN with networks and settings that are in methods of their own today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from reskin.errors import SettingsError
from reskin.methods import find_trained
from reskin.parsing import parse
from reskin.runs import checkpoint
from reskin.runs.ema import Ema
from reskin.runs.folder import RunFolder
from reskin.runs.former import present_method, with_present_method
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
def test_a_run_of_before_opens(changed: dict[str, Any], method: str, tmp_path: Path) -> None:
    values = BEFORE | changed
    assert present_method("cyclegan", values) == method
    kind = find_trained(method)
    trained = kind(parse(kind.Config, values))
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
    kind = find_trained("cyclegan").Config
    assert parse(kind, {"generator": "resnet", "halvings": 7, "spectral_norm": False}) == kind()
    with pytest.raises(SettingsError, match="generator"):
        parse(kind, {"generator": "unet"})


@pytest.mark.parametrize("config", [{}, {"method": 3, "settings": {"method": {}}}, {"method": "cyclegan"}])
def test_any_other_config_is_left_as_it_is(config: dict[str, Any]) -> None:
    assert with_present_method(config) == config
    assert present_method("cut", {"generator": "unet"}) == "cut"
