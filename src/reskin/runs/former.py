"""Runs, settings and presets of earlier versions, under the methods and names of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_OTHER_NETWORKS = {"generator": "resnet", "downsamplings": ..., "halvings": ..., "discriminator": "patch"}
_OF_ATTENTION = {"self_attention": "none", "spectral_norm": False, "disc_learning_rate": None}

RETIRED: Mapping[str, Mapping[str, Any]] = {
    "cyclegan": {**_OF_OTHER_NETWORKS, **_OF_ATTENTION},
    "cyclegan_attention": {**_OF_OTHER_NETWORKS, "equivariance_weight": 0.0},
    "cyclegan_unet": {**_OF_ATTENTION, "equivariance_weight": 0.0},
}
"""By method, settings that it had once, with the value at which each did nothing; ... for any value."""

_THE_DEFAULTS = "Leave --preset out: its settings are the defaults."

FORMER_PRESETS: Mapping[str, Mapping[str, str]] = {
    "cyclegan": {
        "got_castle2building_web": "Use got_castle2building: its settings are the same.",
        "youtube_pair_cyclegan": _THE_DEFAULTS,
        "s2w_cyclegan": _THE_DEFAULTS,
        "attention_and_spectral_norm": "Train cyclegan_attention: its defaults are these.",
        "sagan_parts": "Train cyclegan_attention: its defaults are these.",
    },
    "ganimorph_lite": {"face_movie_game": _THE_DEFAULTS},
    "munit": {"edges": _THE_DEFAULTS, "s2w_munit": "Use summer2winter: its settings are the same."},
    "pix2pix": {"facades": _THE_DEFAULTS},
    "unit": {"s2w_unit": _THE_DEFAULTS},
}
"""By method, the names that presets once had, and what to type instead."""


def present_method(method: str, values: Mapping[str, Any]) -> str:
    """The method that a run is of today.

    Args:
        method: what its config.json says.
        values: the settings of the method.

    >>> present_method("cyclegan", {"generator": "unet"}), present_method("cyclegan", {"generator": "resnet"})
    ('cyclegan_unet', 'cyclegan')
    """
    if method != "cyclegan":
        return method
    if values.get("self_attention", "none") != "none" or values.get("spectral_norm"):
        return "cyclegan_attention"
    if values.get("disc_learning_rate") is not None:
        return "cyclegan_attention"
    if values.get("generator") == "unet" or values.get("discriminator") == "pixel":
        return "cyclegan_unet"
    return method


def without_retired(method: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a method has today: those that are gone are left out where they did nothing.

    >>> without_retired("cyclegan", {"generator": "resnet", "spectral_norm": True, "width": 8})
    {'spectral_norm': True, 'width': 8}
    """
    retired = RETIRED.get(method, {})
    return {
        key: value for key, value in values.items() if key not in retired or retired[key] not in (..., value)
    }


def of_today(config: dict[str, Any]) -> dict[str, Any]:
    """The content of a config.json with the method and the settings of today; it may hold anything."""
    method, groups = config.get("method"), config.get("settings")
    values = groups.get("method") if isinstance(groups, dict) else None
    if not isinstance(method, str) or not isinstance(groups, dict) or not isinstance(values, dict):
        return config
    present = present_method(method, values)
    return config | {
        "method": present,
        "settings": groups | {"method": without_retired(present, values)},
    }
