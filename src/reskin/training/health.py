"""What goes wrong in training, reported in plain lines while it can be helped; the training is not changed.

The monitor judges the losses when they are logged and the held-out images when sample grids are drawn. It
draws no random numbers and makes no device wait. Each kind of trouble is reported once until it has passed,
with the settings that help.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from reskin.device import Compute
from reskin.methods.base import Method
from reskin.runs.findings import Finding
from reskin.runs.settings import RunSettings
from reskin.training.samples import frames_of
from reskin.training.similarity import Similarity, similarity
from reskin.types import Batch, Trouble

WARM_UP_SHARE, WARM_UP_LEAST, WARM_UP_MOST = 0.1, 100, 5000
"""Images are judged after this share of the run, within these numbers of steps: at first all are grey."""
PATIENCE = 4
"""Sample grids in a row that must agree before anything is reported: images swing in adversarial training."""
INVERTED_SHARE = 0.75
"""This share of the images that are not grey must be negatives of their inputs."""
FAR_ABOVE = 0.3
"""Negatives are wrong if their tones are this far from those of the other domain (see
`Similarity.tone_distance`): dark images may come from light ones, and a method that learnt that is closer."""
COPY_SHARE, COPY_BELOW = 0.15, 0.004
"""An output is its input if it changed by less than this share of what a translation must change (see
`Similarity.domain_distance`), or by less than half a step of an 8-bit image, which the file does not show."""
COLLAPSED_BELOW = 0.15
"""Mode collapse: outputs differ this little as a share of how inputs and real images differ."""
WON_BELOW = {"lsgan": 0.01, "bce": 0.03, "hinge": 0.03}
"""A discriminator's loss when it is right practically always; one that guesses has 0.25, 0.69 and 2."""
WON_GENERATOR_ABOVE = {"lsgan": 0.7, "bce": 3.0, "hinge": 0.8}
"""The generator's loss that goes with it: generated images are called real with less than a twentieth."""
WON_UNKNOWN_BELOW = 0.01
"""For an adversarial objective that is not known, the strictest of the bounds above."""
FLAT_WINDOWS, FLAT_SHARE = 4, 0.9
"""For such an objective the generator's loss is flat if it kept this share over so many windows."""
WINDOW_SHARE, WINDOW_LEAST, WINDOW_MOST = 0.05, 200, 2000
"""Logged losses are averaged over this share of the run, within these numbers of steps: single ones jump."""
LEAD_WINDOWS, LEAD_GROWTH = 5, 2.0
"""A WGAN critic has won if its lead grew through so many windows, by this factor: it should shrink."""
WAIT_SHARE, WAIT_SECONDS, WAIT_SPANS = 0.5, 5.0, 3
"""Training waits for data if that takes over half of the time in so many spans of so many seconds in a row;
a short stall, as when another program reads the disk, passes by itself."""
OVERFIT_RISE, OVERFIT_FALL, OVERFIT_GRIDS, OVERFIT_MEAN = 1.1, 0.95, 5, 3
"""Overfitting: the held-out loss, averaged over 3 grids, is a tenth above its best of 5 grids ago and above
the training loss of the same name, which fell by a twentieth. One alone means less: a loss that measures how
much an image changes rises, in both, when translation begins."""
HELD_OUT_COUNT, HELD_OUT_CHUNK = 16, 4
"""Held-out images of each domain that a loss is measured on, and how many at a time, to spare memory."""

TROUBLES: dict[Trouble, str] = {
    "inverted": "colours are inverted",
    "copy": "the output equals the input",
    "mode_collapse": "mode collapse: outputs hardly depend on the input",
    "discriminator_won": "the discriminator has won",
    "data_waits": "training waits for its images",
    "overfitting": "overfitting",
    "not_finite": "a loss or gradient is not finite",
}
"""Every kind of trouble, in words."""

GENERAL_ADVICE: dict[Trouble, tuple[str, ...]] = {
    "inverted": ("another seed",),
    "copy": (),
    "mode_collapse": ("higher batch", "lower learning_rate", "another seed"),
    "discriminator_won": ("lower learning_rate", "higher brightness"),
    "data_waits": ("fewer max_images", "lower load_size", "higher batch"),
    "overfitting": ("fewer epochs", "fewer steps", "fewer minutes", "higher brightness"),
    "not_finite": ("lower learning_rate", "fp32 precision"),
}
"""What to do with settings that every method has; a method's own `advice` is named before it."""

HOW = {
    "lower": "a lower",
    "higher": "a higher",
    "fewer": "fewer",
    "another": "another",
    "fp32": "plain fp32 as",
}
"""The first words of a piece of advice, as they stand in a sentence."""

LEADS: dict[Trouble, str] = {
    "inverted": "An early optimum that rarely passes by itself: stop and begin anew with",
    "copy": "If the two domains should differ more than this, begin anew with",
    "mode_collapse": "Begin anew with more images or",
    "discriminator_won": "The generator learns nothing from it any more: use more images or",
    "data_waits": "Keep the run folder on a fast local disk, free memory so that the images fit, or use",
    "overfitting": "Use a checkpoint from before (--keep keeps more), or begin anew with more images or",
    "not_finite": "The weights of the last checkpoint are sound: run the same command again to resume from "
    "it, or begin anew with",
}
"""How the advice begins for each kind."""

FORMER_NAMES: dict[str, Trouble] = {"collapsed": "mode_collapse"}
"""Kinds as they were called in the health.jsonl of older runs."""


class Alarm:
    """Turns a wavering yes or no into two events: it has begun, it has ended."""

    def __init__(self, patience: int, *, is_on: bool = False) -> None:
        self.patience, self.is_on, self.streak = patience, is_on, 0

    def changes(self, is_bad: bool) -> bool:
        """Whether `is_bad`, seen `patience` times in a row, turns the alarm on or off just now."""
        self.streak = 0 if is_bad == self.is_on else self.streak + 1
        if self.streak < self.patience:
            return False
        self.is_on, self.streak = is_bad, 0
        return True


class Stopwatch:
    """What part of the time goes into waiting for batches, without ever waiting for the device.

    On CUDA a step is only handed over, so the clock of this process says nothing: a batch may be made while
    the device is still busy, which costs nothing. There the marks are events that the device itself passes.
    Other devices with a queue are not measured.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.marks: list[Any] = []

    def mark(self) -> None:
        """Call this before a batch is fetched, when it is there, and when the step is done, in turn."""
        if self.device.type == "cpu":
            self.marks.append(time.perf_counter())
        elif self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            self.marks.append(event)

    def seconds(self) -> tuple[float, float]:
        """Seconds of waiting and of training since the last call.

        Call it when the losses of the last step were read: that waited for the device, so all is past.
        """
        marks, self.marks = self.marks, []
        waits = sum(_between(a, b) for a, b in zip(marks[::3], marks[1::3], strict=False))
        return waits, sum(_between(a, b) for a, b in zip(marks[1::3], marks[2::3], strict=False))


def _between(first: Any, second: Any) -> float:
    """Seconds between two marks."""
    return second - first if isinstance(first, float) else first.elapsed_time(second) / 1000


class Health:
    """The monitor of one run: is given what is logged and drawn, and returns what is new.

    Args:
        settings: of the run, for its method's adversarial objective and for the advice.
        steps: length of the run.
        precision: that training computes in, where the setting leaves it open.
        logged: lines of losses.jsonl so far, when a run goes on.
        reported: lines of health.jsonl so far.
    """

    def __init__(
        self,
        settings: RunSettings,
        steps: int,
        *,
        precision: str | None = None,
        logged: Iterable[Mapping[str, Any]] = (),
        reported: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.steps = steps
        self.known = settings.method.to_dict() | settings.data.to_dict() | settings.train.to_dict()
        self.known["precision"] = precision or self.known["precision"]
        given = [name for name in ("steps", "minutes", "epochs") if self.known[name] is not None]
        for name in {"steps", "minutes", "epochs"} - {given[0]}:  # only this one counts
            del self.known[name]
        self.method_advice = settings.method_class.advice
        self.adversary = settings.method_class.adversary
        self.objective = self._objective()
        self.warm_up = max(WARM_UP_LEAST, min(WARM_UP_SHARE * steps, WARM_UP_MOST))
        self.window = max(WINDOW_LEAST, min(WINDOW_SHARE * steps, WINDOW_MOST))
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.unseen: dict[str, list[tuple[int, float]]] = {}
        self.span = [0.0, 0.0]
        last = {FORMER_NAMES.get(row["kind"], row["kind"]): row for row in reported}
        patience: dict[Trouble, int] = {"data_waits": WAIT_SPANS, "discriminator_won": 1, "overfitting": 2}
        self.alarms = {
            kind: Alarm(
                patience.get(kind, PATIENCE), is_on=kind in last and not last[kind].get("is_over", False)
            )
            for kind in TROUBLES
        }
        for row in logged:
            _extend(self.curves, row["step"], row.get("losses", {}))
            _extend(self.unseen, row["step"], row.get("held_out", {}))

    def _objective(self) -> str | None:
        """The adversarial objective of the run; None for none that is known."""
        if self.adversary is None or self.adversary.setting is None:
            return self.adversary and self.adversary.objective
        return str(self.known[self.adversary.setting])

    def losses(self, step: int, values: Mapping[str, float]) -> list[Finding]:
        """Judge the losses that were logged at `step`."""
        _extend(self.curves, step, values)
        judged = self.adversary.losses if self.adversary else ()
        discriminators = [name for name in judged if name in self.curves]
        won = [name for name in discriminators if self._has_won(name, step)]
        mean = {name: self._mean(name, step) for name in won or discriminators}
        text = f": {' and '.join(won)} (loss {_numbers(mean)})"
        return self._report(step, "discriminator_won", bool(won), mean, text)

    def waits(self, step: int, seconds: tuple[float, float]) -> list[Finding]:
        """Judge seconds of waiting and of training since the last call."""
        self.span = [self.span[0] + seconds[0], self.span[1] + seconds[1]]
        total = sum(self.span)
        if total < WAIT_SECONDS:
            return []
        share, self.span = self.span[0] / total, [0.0, 0.0]
        text = f": {100 * share:.0f} % of the time goes into that"
        return self._report(step, "data_waits", share > WAIT_SHARE, {"share": share}, text)

    def pictures(self, step: int, rows: Mapping[str, Tensor], held_out: Batch) -> list[Finding]:
        """Judge the translations in a sample grid.

        Args:
            step: when they were made.
            rows: row title to images (N, 3, H, W) in [-1, 1], as `sample_rows` gives them.
            held_out: the real images of both domains, or clips of them.
        """
        if step < self.warm_up:
            return []
        facts = {title: found for title, found in _similarities(rows, held_out)}
        if not facts:
            return []
        bad: dict[Trouble, dict[str, float]] = {
            "inverted": {title: f.correlation for title, f in facts.items() if _is_inverted(f)},
            "copy": {
                title: f.change
                for title, f in facts.items()
                if f.change < max(COPY_BELOW, COPY_SHARE * f.domain_distance)
            },
            "mode_collapse": {
                title: f.diversity for title, f in facts.items() if f.diversity < COLLAPSED_BELOW
            },
        }
        words = {
            "inverted": "correlation with the input",
            "copy": "mean change, in [-1, 1]",
            "mode_collapse": "their diversity, as a share of the real images'",
        }
        found = []
        for kind, rows_found in bad.items():
            text = f" in {' and '.join(rows_found)} ({words[kind]}: {_numbers(rows_found)})"
            found += self._report(step, kind, bool(rows_found), rows_found, text)
        return found

    def held_out(self, step: int, values: Mapping[str, float]) -> list[Finding]:
        """Judge losses on held-out images."""
        _extend(self.unseen, step, values)
        if not values:
            return []
        risen = {name: rise for name in values if (rise := self._rise(name)) > OVERFIT_RISE}
        text = f": held-out {', '.join(risen)} is {_numbers(risen)} times its best while training falls"
        return self._report(step, "overfitting", bool(risen), risen, text)

    def not_finite(self, step: int, what: str) -> Finding:
        """The finding for a loss or gradient that was not finite, which ends the run."""
        return Finding(step, "not_finite", False, {}, what, self.advice("not_finite"))

    def advice(self, kind: Trouble) -> str:
        """What to do about a kind of trouble: the flags that this run has, with their present values."""
        changes = []
        for advice in (*self.method_advice.get(kind, ()), *GENERAL_ADVICE[kind]):
            how, name = advice.split()
            value = self.known.get(name)
            is_least = value == ("fp32" if name == "precision" else 0)
            is_idle = is_least and how in ("fp32", "lower", "fewer")
            if name in self.known and not is_idle:
                changes.append(f"{HOW[how]} --{name.replace('_', '-')} (now {_shown(name, value)})")
        *most, last = changes or ["another method"]
        return f"{LEADS[kind]} {', '.join(most) + ' or ' if most else ''}{last}."

    def _report(
        self, step: int, kind: Trouble, is_bad: bool, numbers: Mapping[str, float], detail: str
    ) -> list[Finding]:
        """The finding if the alarm of this kind goes on or off now, else nothing."""
        if not self.alarms[kind].changes(is_bad):
            return []
        rounded = {name: round(value, 5) for name, value in numbers.items() if math.isfinite(value)}
        if is_bad:
            return [Finding(step, kind, False, rounded, TROUBLES[kind] + detail, self.advice(kind))]
        return [Finding(step, kind, True, rounded, f"this has passed: {TROUBLES[kind]}", "")]

    def _mean(self, name: str, end: int, windows_back: int = 0, *, span: float = 0) -> float:
        """Mean of a loss in the window (or `span`) that ends at `end` or in one before; nan for none."""
        span = span or self.window
        high = end - windows_back * span
        values = []
        for at, value in reversed(self.curves.get(name, [])):
            if at <= high - span:
                break
            if at <= high and not (value == 0 and self.objective != "hinge"):  # 0: not taught in that step
                values.append(value)
        return sum(values) / len(values) if values else math.nan

    def _has_won(self, name: str, step: int) -> bool:
        """Whether the loss `name` is that of a discriminator from which the generator learns nothing."""
        known = step - self.curves[name][0][0]
        if self.objective == "wgan-gp":
            leads = [-self._mean(name, step, back) for back in reversed(range(LEAD_WINDOWS))]
            grows = all(late > early > 0 for early, late in itertools.pairwise(leads))
            is_long = known >= self.warm_up + LEAD_WINDOWS * self.window
            growth = 1.0 if self.alarms["discriminator_won"].is_on else LEAD_GROWTH
            return is_long and grows and leads[-1] > growth * leads[0]
        bound = WON_BELOW.get(str(self.objective), WON_UNKNOWN_BELOW)
        if self.alarms["discriminator_won"].is_on:
            bound *= 2  # so that it does not come and go at the bound
        return known >= self.window and self._mean(name, step) < bound and self._is_lost(step)

    def _is_lost(self, step: int) -> bool:
        """Whether the generator's adversarial loss is that of one whose images are all found out."""
        assert self.adversary is not None, "only a discriminator can have won"
        deceiving = [name for name in self.adversary.generator_losses if name in self.curves]
        lost, before = (sum(self._mean(name, step, back) for name in deceiving) for back in (0, FLAT_WINDOWS))
        if str(self.objective) in WON_GENERATOR_ABOVE:
            return lost > WON_GENERATOR_ABOVE[str(self.objective)] or not deceiving
        return lost >= FLAT_SHARE * before

    def _rise(self, name: str) -> float:
        """A held-out loss now as a multiple of its best, if it is overfitting; else 0."""
        seen = [(at, value) for at, value in self.unseen[name] if at >= self.warm_up]
        means = [
            sum(value for _, value in seen[end - OVERFIT_MEAN : end]) / OVERFIT_MEAN
            for end in range(OVERFIT_MEAN, len(seen) + 1)
        ]
        best = min(range(len(means)), key=means.__getitem__, default=0)
        if len(means) - 1 - best < OVERFIT_GRIDS or means[best] <= 0:
            return 0.0
        then, now = (
            self._mean(
                name, seen[at + OVERFIT_MEAN - 1][0], span=seen[at + OVERFIT_MEAN - 1][0] - seen[at][0]
            )
            for at in (best, len(means) - 1)
        )
        learns_on = now < OVERFIT_FALL * then and now < means[-1]
        is_compared = not math.isnan(now)  # training may have no loss of this name
        return means[-1] / means[best] if learns_on or not is_compared else 0.0


def _extend(curves: dict[str, list[tuple[int, float]]], step: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        curves.setdefault(name, []).append((step, value))


def _numbers(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{value:.3g}" for value in numbers.values())


def _shown(name: str, value: Any) -> str:
    """A setting's value in words."""
    if value is None:
        return "all" if name == "max_images" else "chosen by the method"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_inverted(facts: Similarity) -> bool:
    return facts.inverted_share >= INVERTED_SHARE and facts.tone_distance > FAR_ABOVE


def _similarities(rows: Mapping[str, Tensor], held_out: Batch) -> Iterable[tuple[str, Similarity]]:
    """Row title and similarities of every translation in a sample grid."""
    real = {"A": (held_out.a, held_out.b), "B": (held_out.b, held_out.a)}
    for title, images in rows.items():
        domain = title[:1]
        way = f"{domain} → {'B' if domain == 'A' else 'A'}"
        if title != way and not title.startswith(f"{way} ("):
            continue
        source, target = (frames_of(each).detach().float().cpu() for each in real[domain])
        if images.shape == source.shape:
            yield title, similarity(source, images, target)


def offers_held_out_losses(method: Method) -> bool:
    """Whether a method has losses that can be measured on held-out images."""
    return type(method).held_out_losses is not Method.held_out_losses


@torch.no_grad()
def held_out_losses(method: Method, pictures: Batch, compute: Compute) -> dict[str, float]:
    """The method's losses on held-out images, by name; waits for the device."""
    was_training = method.training
    method.eval()
    parts: Sequence[dict[str, Tensor]]
    with compute.autocast():
        parts = [
            method.held_out_losses(Batch(a, b))
            for a, b in zip(pictures.a.split(HELD_OUT_CHUNK), pictures.b.split(HELD_OUT_CHUNK), strict=True)
        ]
    method.train(was_training)
    weights = [len(a) / len(pictures.a) for a in pictures.a.split(HELD_OUT_CHUNK)]
    return {
        name: sum(weight * part[name].item() for weight, part in zip(weights, parts, strict=True))
        for name in parts[0]
    }
