"""The rule about blur: how much fine detail the sharpest parts of a picture have for their contrast."""

from __future__ import annotations

from reskin.curation.screen.rule import PictureView, Rule
from reskin.curation.sharpness import sharpness


def view_sharpness(view: PictureView) -> float:
    """Its sharpness (`reskin.curation.sharpness`); 1 where it shows nothing: that is another rule's."""
    return sharpness(view.grey)


BLUR = Rule("blur", "below", 0.03, "blurred: even its sharpest parts have soft edges", view_sharpness)
