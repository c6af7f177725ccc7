"""Settings of the segmenter, in a module that loads no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reskin.config import BASIC, Settings

LEAST_EDGE, MOST_EDGE = 32, 2048
"""Of the shorter edge at which a segmenter sees photos, px."""


class SegmenterConfig(Settings):
    """How the segmenter is trained."""

    size: Annotated[int, BASIC] = Field(default=128, ge=LEAST_EDGE, le=MOST_EDGE)
    """Shorter edge in px that photos are brought to, in training and when it measures."""
    crop: int = Field(default=96, ge=32)
    """Edge in px of the random crops it learns from; no larger than size."""
    steps: Annotated[int, BASIC] = Field(default=1500, ge=1)
    """Steps of training."""
    batch: int = Field(default=8, ge=1)
    """Crops in a step."""
    width: int = Field(default=16, ge=1)
    """Channels at full size."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Of Adam, at its highest; it rises at first and falls to 0."""
    seed: int = Field(default=0, ge=0)
    """Everything random follows from it."""
