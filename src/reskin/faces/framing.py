"""How faces are framed in square pictures: the same for the pictures that a model learns from and for
films."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from reskin.errors import SettingsError
from reskin.faces.alignment import Matrix, box_matrix, landmark_matrix
from reskin.faces.detectors import Face
from reskin.framing import Align, Framing

MOST_MARGIN = 2.0


def framed(face: Face, framing: Framing, size: int) -> Matrix:
    """The map from frame px to px of a square picture of `size` px that shows this face."""
    if framing.align == "landmarks" and face.landmarks is not None:
        return landmark_matrix(face.landmarks, size=size, margin=framing.margin)
    return box_matrix(face.box, size=size, margin=framing.margin, turn=face.turn)


def read_framing(values: Mapping[str, Any], source: str) -> Framing:
    """The framing that a file states; what it does not state is as `reskin prepare faces` does it.

    Args:
        values: margin and align; others are not looked at.
        source: the file, for errors.

    Raises:
        SettingsError: there is no such framing.
    """
    margin, align = values.get("margin", Framing.margin), values.get("align", Framing.align)
    fix = "Change this value."
    if type(margin) not in (int, float) or not 0 <= margin <= MOST_MARGIN:
        raise SettingsError(f"'margin' in {source} is {margin!r:.60}, not 0 to {MOST_MARGIN:g}", fix)
    if align not in get_args(Align):
        raise SettingsError(f"'align' in {source} is {align!r:.60}, not landmarks or box", fix)
    return Framing(float(margin), align)
