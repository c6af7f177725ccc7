"""Scores on a fixed validation subset while a run trains, and the checkpoint that had the best.

The score is the sliced Wasserstein distance of translations to real validation images, the mean over the
directions: it needs no weights, and the same images give the same number on every machine. The statistics of
the real images are computed once. It looks at the validation split alone, so that numbers on the test split
stay honest; it changes nothing of what is learnt.
"""

from __future__ import annotations

import math
import time

from torch import Tensor

from reskin.data.batches import Batches
from reskin.device import Compute
from reskin.errors import SettingsError, ShapeError
from reskin.inference.engine import Engine
from reskin.methods.base import Method
from reskin.methods.styled import Styled
from reskin.methods.translator import Translator
from reskin.metrics import swd
from reskin.metrics.cycle import round_to_8_bits
from reskin.runs.ema import Ema
from reskin.runs.run import Run

IMAGES = 48
"""Validation images of each domain, evenly spread."""

_AT_ONCE = 4


class Validation:
    """Scores a run now and then; see `train`.

    Args:
        method: what learns.
        batches: for the validation images.
        run: the folder, and how often (`eval_every`) and how dear (`eval_share`) it may be.
        compute: device and precision.

    Attributes:
        is_on: whether anything is scored at all.
        spent: seconds that it took so far.

    Raises:
        SettingsError: it is asked for and there is no validation split, or there are several processes.
    """

    def __init__(self, method: Method, batches: Batches, run: Run, compute: Compute) -> None:
        self.method, self.run, self.compute = method, run, compute
        self.is_on = run.config.eval_every is not None
        self.spent, self._began = 0.0, time.monotonic()
        self._cost: float | None = None
        if not self.is_on:
            return
        if int(run.resolved["processes"]) > 1:
            raise SettingsError("eval_every scores in one process only", "Leave --eval-every out.")
        images = batches.validation(IMAGES)
        if images is None:
            raise SettingsError(
                f"{run.folder} is to be scored while it trains, and a domain has no validation split",
                "Make one with `reskin split`, or leave --eval-every out.",
            )
        self._images = {"a2b": images.a, "b2a": images.b}
        self._real: dict[str, swd.PatchSet] = {}
        for direction in method.directions:
            real = images.b if direction == "a2b" else images.a
            self._real[direction] = self._patches(real)

    def __call__(self, step: int, ema: Ema) -> bool:
        """Score this step where that is due; whether it is the best so far and must be kept.

        It is due every `eval_every` steps and at the end. One that is not the last waits until it and the
        last one together fit into `eval_share` of the training time so far; with a share of 1 none waits.
        """
        every, is_last = self.run.config.eval_every, step == self.run.steps
        if every is None or (step % every and not is_last) or (self._is_dear() and not is_last):
            return False
        began = time.monotonic()
        before = self.run.files.best_step
        ema.swap()
        try:
            scores = {f"swd_{direction}": self._score(direction) for direction in self._real}
        finally:
            ema.swap()
        seconds = time.monotonic() - began
        self.spent, self._cost = self.spent + seconds, seconds
        mean = sum(scores.values()) / len(scores)
        best = self.run.files.validation_score(before)
        self.run.write_validation(step, scores, mean, seconds)
        return mean < (math.inf if best is None else best)

    def end(self) -> None:
        """Say what it took."""
        if self.is_on and self.spent:
            total = max(1e-9, time.monotonic() - self._began)
            best = self.run.files.best_step
            kept = f"; the best is step {best}" if best is not None else ""
            self.run.log(
                f"scores on validation images took {self.spent:.1f} s, {100 * self.spent / total:.1f} %{kept}"
            )

    def _is_dear(self) -> bool:
        share = self.run.config.eval_share
        if share >= 1:
            return False
        if self._cost is None:
            self._cost = self._estimate()
        return self.spent + 2 * self._cost > share * (time.monotonic() - self._began)

    def _estimate(self) -> float:
        """Seconds that a score will take, by translating the first images of each direction."""
        began, parts = time.monotonic(), 0.0
        for direction, images in self._images.items():
            if direction in self._real:
                self._engine(direction).run(images[:_AT_ONCE])
                parts = max(parts, len(images) / min(len(images), _AT_ONCE))
        seconds = time.monotonic() - began
        self.spent += seconds
        return seconds * parts

    def _engine(self, direction: str) -> Engine:
        model: Translator = self.method
        if isinstance(self.method, Styled):
            model = self.method.with_style(self.method.sample_styles(1, seed=0)[0])
        return Engine(model, "a2b" if direction == "a2b" else "b2a", self.compute)

    def _score(self, direction: str) -> float:
        engine = self._engine(direction)
        made = swd.PatchSet(patches=swd.patches_for(IMAGES))
        for images in self._images[direction].split(_AT_ONCE):
            translated = engine.run(images)
            if not translated.isfinite().all():
                return math.inf
            made.add(round_to_8_bits(translated).cpu())
        return swd.distance(made, self._real[direction]).mean

    def _patches(self, images: Tensor) -> swd.PatchSet:
        found = swd.PatchSet(patches=swd.patches_for(IMAGES))
        try:
            found.add(images.float().cpu())
        except ShapeError as error:
            raise SettingsError(f"validation images cannot be scored ({error.what})", error.fix) from None
        return found
