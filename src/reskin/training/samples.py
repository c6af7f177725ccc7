"""The sample grid: fixed held-out pictures of both domains, translated while a run trains."""

from __future__ import annotations

from torch import Tensor

from reskin.device import Compute
from reskin.inference.engine import Engine
from reskin.inference.rendering import Rendering
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.types import Batch, Direction


def sample_rows(model: Translator, pictures: Batch, compute: Compute) -> dict[str, Tensor]:
    """Row title to images (N, 3, H, W) in [-1, 1]: A, A → B, A → B → A and the same for B.

    Clips (N, T, 3, H, W) are translated as videos are; their frames follow each other in a row: (N * T, ...).

    Raises:
        NotFiniteError: the model makes NaN or infinite values of them.
        ImageError: they do not fit the device's memory.
    """
    rows: dict[str, Tensor] = {}
    for direction, images, source, target in (
        ("a2b", pictures.a, "A", "B"),
        ("b2a", pictures.b, "B", "A"),
    ):
        if direction in model.directions:
            rows[source] = images
            rows |= _translations(model, images, direction, f"{source} → {target}", compute)
    return {title: frames_of(images).float().cpu() for title, images in rows.items()}


def frames_of(images: Tensor) -> Tensor:
    """Images as they are; clips (N, T, 3, H, W) as their frames (N * T, 3, H, W)."""
    return images.flatten(0, -4)


def _translations(
    model: Translator, images: Tensor, direction: Direction, title: str, compute: Compute
) -> dict[str, Tensor]:
    """The translation and its reconstruction; with styles, the translation in two of them."""
    if isinstance(model, Styled):
        styles = Rendering(model.sample_styles(2, seed=0))
        made = Engine(model, direction, compute, styles).run_parts(frames_of(images))
        return {f"{title} ({number})": each for number, each in enumerate(made, 1)}
    translated = _translated(model, images, direction, compute)
    opposite: Direction = "b2a" if direction == "a2b" else "a2b"
    if opposite not in model.directions:
        return {title: translated}
    cycled = _translated(model, translated, opposite, compute)
    return {title: translated, f"{title} → {title[0]}": cycled}


def _translated(model: Translator, images: Tensor, direction: Direction, compute: Compute) -> Tensor:
    engine = Engine(model, direction, compute)
    return engine.run(images) if images.dim() == 4 else engine.run_clips(images)
