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
    """Row title to pictures (N, 3, H, W) in [-1, 1]: A, A → B, A → B → A and the same for B.

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
    return {title: images.float().cpu() for title, images in rows.items()}


def _translations(
    model: Translator, images: Tensor, direction: Direction, title: str, compute: Compute
) -> dict[str, Tensor]:
    """The translation and its reconstruction; with styles, the translation in two of them."""
    if isinstance(model, Styled):
        styles = Rendering(model.sample_styles(2, seed=0))
        made = Engine(model, direction, compute, styles).run_parts(images)
        return {f"{title} ({number})": each for number, each in enumerate(made, 1)}
    translated = Engine(model, direction, compute).run(images)
    opposite: Direction = "b2a" if direction == "a2b" else "a2b"
    if opposite not in model.directions:
        return {title: translated}
    cycled = Engine(model, opposite, compute).run(translated)
    return {title: translated, f"{title} → {title[0]}": cycled}
