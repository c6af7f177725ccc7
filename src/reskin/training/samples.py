"""The sample grid: fixed held-out pictures of both domains, translated while a run trains."""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.device import Compute
from reskin.methods.base import Translator
from reskin.types import Batch, Direction


@torch.no_grad()
def sample_rows(model: Translator, pictures: Batch, compute: Compute) -> dict[str, Tensor]:
    """Row title to pictures (N, 3, H, W) in [-1, 1]: A, A → B, A → B → A and the same for B."""
    was_training = model.training
    model.eval()
    rows: dict[str, Tensor] = {}
    with compute.autocast():
        for direction, images, side, other in (("a2b", pictures.a, "A", "B"), ("b2a", pictures.b, "B", "A")):
            if direction in model.directions:
                rows[side] = images
                rows |= _translations(model, images, direction, f"{side} → {other}")
    model.train(was_training)
    return {title: images.float().cpu() for title, images in rows.items()}


def _translations(model: Translator, images: Tensor, direction: Direction, title: str) -> dict[str, Tensor]:
    """There and back again; with styles, there in two of them."""
    if model.style_size:
        styles = model.sample_styles(2, seed=0)
        return {
            f"{title} ({number})": translated.float()
            for number, translated in enumerate(model.translate_styles(images, direction, styles), 1)
        }
    there = model.translate(images, direction).float()
    back: Direction = "b2a" if direction == "a2b" else "a2b"
    if back not in model.directions:
        return {title: there}
    return {title: there, f"{title} → {title[0]}": model.translate(there, back).float()}
