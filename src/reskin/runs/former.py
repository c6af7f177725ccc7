"""Runs of earlier versions, under the methods that they are of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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


def with_present_method(config: dict[str, Any]) -> dict[str, Any]:
    """The content of a config.json with the method that the run is of today; it may hold anything."""
    method, groups = config.get("method"), config.get("settings")
    values = groups.get("method") if isinstance(groups, dict) else None
    if not isinstance(method, str) or not isinstance(values, dict):
        return config
    return config | {"method": present_method(method, values)}
