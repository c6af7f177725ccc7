"""Settings of screening, and the table of all rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from reskin.config import BASIC, Settings
from reskin.curation.screen.bars import BARS
from reskin.curation.screen.blur import BLUR
from reskin.curation.screen.colour import GREY
from reskin.curation.screen.combing import COMBED
from reskin.curation.screen.duplicates import DUPLICATE, DUPLICATE_DOMAIN, DUPLICATE_SPLIT
from reskin.curation.screen.light import BRIGHT, DARK, UNIFORM
from reskin.curation.screen.overlay import OVERLAY
from reskin.curation.screen.rule import Rule
from reskin.curation.screen.size import ASPECT, SMALL
from reskin.curation.screen.text import TEXT

DAMAGED = Rule("damaged", "above", 0.5, "it cannot be read")
DROPPED = "dropped by hand"

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        DAMAGED,
        DARK,
        BRIGHT,
        UNIFORM,
        BLUR,
        BARS,
        COMBED,
        TEXT,
        GREY,
        ASPECT,
        SMALL,
        OVERLAY,
        DUPLICATE,
        DUPLICATE_SPLIT,
        DUPLICATE_DOMAIN,
    )
}
"""All rules by name, in the order of the report."""

RuleName = Literal[
    "dark",
    "bright",
    "uniform",
    "blur",
    "bars",
    "combed",
    "text",
    "grey",
    "aspect",
    "small",
    "overlay",
    "duplicate",
]
Share = Annotated[float, Field(ge=0, le=1)]


class ScreenConfig(Settings):
    """When a picture is to be left out."""

    dark: Annotated[Share, BASIC] = DARK.threshold
    """Too dark: its brightest twentieth is below this, 0 to 1."""
    bright: Share = BRIGHT.threshold
    """Too bright: its darkest twentieth is above this, 0 to 1."""
    uniform: Share = UNIFORM.threshold
    """Nearly one colour: its colours spread less than this, 0 to 1."""
    blur: Annotated[Share, BASIC] = BLUR.threshold
    """Blurred: its sharpest parts have less fine detail than this, 0 to about 1 (0.3 is usual)."""
    bars: Share = BARS.threshold
    """Black bars or a frame cover more of it than this share."""
    combed: Share = COMBED.threshold
    """Combed, as frames of interlaced video are: more than this share of it. Scaling turns combing into blur,
    which this does not find: screen pictures of the video's own size."""
    text: Annotated[Share, BASIC] = TEXT.threshold
    """Lines of text, as in credits, cover more of it than this share."""
    grey: Share = GREY.threshold
    """Grey in a set in colour: its strongest colours are weaker than this, 0 to 1."""
    aspect: Annotated[float, Field(ge=1)] = ASPECT.threshold
    """Another shape: wider or taller than most by more than this factor."""
    small: Share = SMALL.threshold
    """Small: its shorter edge is below this share of that of most."""
    overlay: Annotated[float, Field(ge=0)] = OVERLAY.threshold
    """A logo in its source: edges that stay are stronger than this many levels per px, 0 to 255."""
    leave_out_overlay: bool = False
    """Leave out all pictures of a source with a logo; otherwise it is only reported."""
    duplicate: Annotated[int, Field(ge=0, le=32), BASIC] = int(DUPLICATE.threshold)
    """Duplicates: the perceptual hashes of two pictures differ in at most this many of 64 bits."""
    off: Annotated[tuple[RuleName, ...], BASIC] = ()
    """Rules not to use, by name."""
    keep: Annotated[tuple[str, ...], BASIC] = ()
    """Pictures that stay in any case: names, patterns such as 'ep1-*', or text files of them."""
    drop: Annotated[tuple[str, ...], BASIC] = ()
    """Pictures to leave out in any case, given likewise; what is kept by hand is not dropped."""
    by_hand: Path | None = None
    """A CSV file with the columns file and verdict (keep, drop or none): exact paths below the folder. It
    replaces all that earlier runs were given to keep and to drop."""

    def threshold(self, rule: Rule) -> float:
        """The threshold of a rule."""
        return float(getattr(self, rule.name, rule.threshold))
