"""The rule about combing: pictures of interlaced video, whose two fields show two moments."""

from __future__ import annotations

from reskin.curation.screen.rule import PictureView, Rule


def view_combing(view: PictureView) -> float:
    """The share of it that is combed, 0 to 1 (`reskin.curation.combing`)."""
    return view.combing


COMBED = Rule("combed", "above", 0.004, "combed where something moves, as interlaced video is", view_combing)
