"""One domain of a comparison: the used pictures of a set as columns of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reskin.curation.inspect.sets import MeasuredSet
from reskin.data.manifest import FrameRecord
from reskin.errors import DataError

FACE_SCORES = ("faces", "face_count", "num_faces", "face", "face_share", "faces_share")
"""Names under which a face count or share may stand among a picture's scores."""


@dataclass(frozen=True)
class DomainColumns:
    """The used pictures of a domain, as columns.

    Attributes:
        name: of the domain.
        sizes: (N, 2) width and height, px.
        columns: (N,) of brightness, contrast, saturation, sharpness.
        grey_share: share of pictures without colour.
        histograms: mean of the pictures' histograms, (356,).
        style: (N, 6).
        form: (N, 11).
        faces: share of pictures with a face, or None where nobody looked.
    """

    name: str
    sizes: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    grey_share: float
    histograms: NDArray[np.float64]
    style: NDArray[np.float64]
    form: NDArray[np.float64]
    faces: float | None

    @property
    def count(self) -> int:
        """Number of pictures."""
        return len(self.sizes)

    @property
    def usual_size(self) -> tuple[int, int]:
        """Width and height that most pictures have, px."""
        sizes = Counter((int(width), int(height)) for width, height in self.sizes)
        return max(sizes, key=lambda size: (sizes[size], size))

    def median(self, column: str) -> float:
        """Median of one of the columns."""
        return float(np.median(self.columns[column]))


def columns_of(measured: MeasuredSet) -> DomainColumns:
    """The used pictures of a set as columns.

    Raises:
        DataError: all of them are left out.
    """
    looks = [measured.looks[place] for place in measured.used]
    if not looks:
        raise DataError(f"every picture of {measured.of.name} is left out", "Screen it less strictly first.")
    names = ("brightness", "contrast", "saturation", "sharpness")
    return DomainColumns(
        name=measured.of.name,
        sizes=np.array([(look.width, look.height) for look in looks], dtype=np.int64).reshape(-1, 2),
        columns={name: np.array([getattr(look, name) for look in looks]) for name in names},
        grey_share=float(np.mean([look.is_grey for look in looks])),
        histograms=np.mean([look.histograms for look in looks], axis=0, dtype=np.float64),
        style=np.array([look.style for look in looks], dtype=np.float64),
        form=np.array([look.form for look in looks], dtype=np.float64),
        faces=faces_share([measured.records[place] for place in measured.used]),
    )


def faces_share(records: Sequence[FrameRecord]) -> float | None:
    """The share of pictures that show a face, by crops and scores; None where nobody looked for faces."""
    known = [found for record in records if (found := _has_face(record)) is not None]
    return sum(known) / len(known) if known else None


def _has_face(record: FrameRecord) -> bool | None:
    if record.crop is not None and record.crop.box is not None:
        return True
    scores = record.scores or {}
    return next((scores[name] > 0 for name in FACE_SCORES if name in scores), None)
