"""The rule about colour: a picture without any in a set that has some."""

from __future__ import annotations

import numpy as np

from reskin.curation.screen.rule import PictureView, Rule


def colourfulness(seen: PictureView) -> float:
    """How strong the strongest colours are, 0 (grey) to 1: how far channels differ, without extremes."""
    colours = seen.colours[::2, ::2]
    chroma = colours.max(axis=2) - colours.min(axis=2)
    counts = np.cumsum(np.bincount(chroma.ravel(), minlength=256))
    return int(np.searchsorted(counts, 0.99 * chroma.size)) / 255


GREY = Rule("grey", "below", 0.03, "grey, in a set that is in colour", colourfulness)

MOST_GREY = 0.5
"""In a set with a larger share of grey pictures grey is no fault."""
