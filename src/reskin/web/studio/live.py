"""Curves of a run while it is written: new lines are read once, what is sent is thinned.

A cursor says which file it was and how far it was read. Training that goes on replaces the file by a shorter
one; then everything is read anew.
"""

from __future__ import annotations

import os
import threading
from array import array
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json  # four times as fast as json, and there may be 100,000 lines

from reskin.errors import ReskinError
from reskin.paths import open_plain

MOST_LOSSES = 40
MOST_POINTS = 1000
_CHUNK = 16 * 1024 * 1024
_LARGEST = 1e300


@dataclass
class _Curve:
    steps: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, step: int, value: float) -> None:
        steps = self.steps
        if not steps or step > steps[-1]:
            steps.append(step)
            self.values.append(value)
        elif step == steps[-1]:
            self.values[-1] = value  # a step that was logged twice counts as last logged


class LossTail:
    """The losses of one run, kept up with the file.

    Args:
        path: losses.jsonl; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._inode, self._offset = 0, 0
        self._training: dict[str, _Curve] = {}
        self._held_out: dict[str, _Curve] = {}

    def read(self, known: str, points: int) -> dict[str, Any]:
        """The curves, JSON-ready: cursor, and unless that is `known` the thinned columns of every loss.

        Args:
            known: cursor of the last answer, "" at first.
            points: of a curve at most.
        """
        with self._turn:
            self._follow()
            cursor = f"{self._inode}.{self._offset}"
            if cursor == known:
                return {"cursor": cursor}
            points = min(max(points, 10), MOST_POINTS)
            return {
                "cursor": cursor,
                "training": {name: thinned(one, points) for name, one in self._training.items()},
                "held_out": {name: thinned(one, points) for name, one in self._held_out.items()},
            }

    def _follow(self) -> None:
        try:
            with os.fdopen(open_plain(self.path), "rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._inode or found.st_size < self._offset:
                    self._forget()
                    self._inode = found.st_ino
                self._read_on(file)
        except (OSError, ReskinError):
            self._forget()

    def _read_on(self, file: IO[bytes]) -> None:
        file.seek(self._offset)
        # A line without its end is none yet.
        while whole := (content := file.read(_CHUNK))[: content.rfind(b"\n") + 1]:
            self._take(whole)
            self._offset += len(whole)
            file.seek(self._offset)

    def _take(self, content: bytes) -> None:
        for line in content.split(b"\n"):
            try:
                row = from_json(line)
            except ValueError:
                continue
            if isinstance(row, dict) and type(row.get("step")) is int and 0 <= row["step"] <= 2**53:
                _add(self._training, row["step"], row.get("losses"))
                _add(self._held_out, row["step"], row.get("held_out"))


def _add(curves: dict[str, _Curve], step: int, values: Any) -> None:
    if not isinstance(values, dict):
        return
    for name, value in values.items():
        if type(value) not in (float, int) or not -_LARGEST <= value <= _LARGEST:  # nor is NaN between them
            continue
        curve = curves.get(name)
        if curve is None:
            if len(curves) >= MOST_LOSSES:
                continue
            curve = curves[name] = _Curve()
        curve.add(step, value)


def thinned(curve: _Curve, points: int) -> list[list[float]]:
    """Steps and values with about `points` of each: the smallest and largest of every bucket, and the last.

    >>> one = _Curve(array("d", range(8)), array("d", [0, 9, 1, 2, 3, 4, -5, 0]))
    >>> thinned(one, 4)
    [[0, 1, 5, 6, 7], [0.0, 9.0, 4.0, -5.0, 0.0]]
    """
    import numpy as np

    values, count = np.frombuffer(curve.values), len(curve.steps)
    kept: list[int] = list(range(count))
    if count > points:
        kept = []
        buckets = points // 2
        edges = [number * count // buckets for number in range(buckets + 1)]
        for start, end in pairwise(edges):
            part = values[start:end]
            kept += sorted({start + int(part.argmin()), start + int(part.argmax())})
        kept += [count - 1] if kept[-1] != count - 1 else []
    return [[int(curve.steps[at]) for at in kept], [float(f"{curve.values[at]:.5g}") for at in kept]]
