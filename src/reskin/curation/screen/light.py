"""Rules about light: too dark, too bright, hardly anything to see."""

from __future__ import annotations

import numpy as np

from reskin.curation.screen.rule import PictureView, Rule


def highlights(seen: PictureView) -> float:
    """How bright the brightest twentieth is at least, 0 to 1; a lamp at night counts, a speck does not."""
    return seen.brightness_at(0.95)


def shadows(seen: PictureView) -> float:
    """How bright the darkest twentieth is at most, 0 to 1."""
    return seen.brightness_at(0.05)


def spread(seen: PictureView) -> float:
    """How far the colours lie apart, 0 to 1: the widest of the three channels, without its extremes."""
    colours = seen.colours[::2, ::2].reshape(-1, 3)
    edges = round(0.02 * len(colours))
    widest = 0
    for channel in range(3):
        counts = np.cumsum(np.bincount(colours[:, channel], minlength=256))
        low = int(np.searchsorted(counts, edges, side="right"))
        high = int(np.searchsorted(counts, len(colours) - edges))
        widest = max(widest, high - low)
    return widest / 255


DARK = Rule("dark", "below", 0.1, "even its bright parts are black, as in a fade", highlights)
BRIGHT = Rule("bright", "above", 0.88, "even its dark parts are white", shadows)
UNIFORM = Rule("uniform", "below", 0.08, "nearly one colour all over", spread)
