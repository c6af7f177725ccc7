"""What of a video could not be read, as lines for people."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

LOST = "cannot be decoded"
MISSING = "missing: the file is cut short"
UNSOUND = "decoded with errors"


@dataclass
class _Stretch:
    kind: str
    first: int
    last: int
    start: Fraction | None
    end: Fraction | None

    def line(self) -> str:
        one = self.first == self.last
        frames = f"frame {self.first}" if one else f"frames {self.first} to {self.last}"
        if self.start is None:
            return f"{frames} {self.kind}"
        start = f"{float(self.start):.3f} s"
        when = (
            start if one else f"from {start}" if self.end is None else f"{start} to {float(self.end):.3f} s"
        )
        return f"{frames} ({when}) {self.kind}"


class Damage:
    """Collects damaged frames; neighbours with the same fault become one segment.

    >>> damage = Damage()
    >>> for index in (3, 4, 5, 9):
    ...     damage.add(index, Fraction(index, 25), LOST)
    >>> damage.lines()
    ['frames 3 to 5 (0.120 s to 0.200 s) cannot be decoded', 'frame 9 (0.360 s) cannot be decoded']
    """

    def __init__(self) -> None:
        self._stretches: list[_Stretch] = []
        self._remarks: list[str] = []

    def add(self, index: int, time: Fraction | None, kind: str, *, count: int = 1) -> None:
        """Note `count` frames from `index` on; `time` is that of the first, None when it is not known."""
        last = index + count - 1
        end = time if count == 1 else None
        if self._stretches:
            before = self._stretches[-1]
            if before.kind == kind and before.last + 1 == index:
                before.last, before.end = last, end
                return
        self._stretches.append(_Stretch(kind, index, last, time, end))

    def remark(self, line: str) -> None:
        """Note something that concerns no single frame; the same line is kept once."""
        if line not in self._remarks:
            self._remarks.append(line)

    def lines(self) -> list[str]:
        """One line for each damaged segment, then the remarks."""
        return [stretch.line() for stretch in self._stretches] + self._remarks
