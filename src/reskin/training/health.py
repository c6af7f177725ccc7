"""What goes wrong in training, told in plain lines while it can be helped; it watches and changes nothing.

It judges the losses when they are logged and the held-out pictures when sample grids are drawn, draws no
random numbers and makes no device wait. Each kind of trouble is told once until it goes away, with the
setting to turn.
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
from reskin.training.likeness import PictureFacts, picture_facts
from reskin.types import Batch

WARM_UP_SHARE, WARM_UP_LEAST, WARM_UP_MOST = 0.1, 100, 5000
"""Pictures are judged after this share of the run, within these numbers of steps: at first all are grey."""
PATIENCE = 4
"""Looks in a row that must agree before something is told: pictures swing while two networks compete."""
INVERTED_SHARE = 0.75
"""So many of the pictures that are not grey must be negatives of their inputs."""
STRANGE_ABOVE = 0.3
"""Negatives are wrong unless their tones are found on the other side but for this share of the way: dark
pictures may come from light ones, and a method that has found that does far better than this."""
COPY_SHARE, COPY_BELOW = 0.15, 0.004
"""An output is its input if it moved by less than this share of what a translation must move by (see
`PictureFacts.gap`), or by less than half a step of an 8-bit picture, which is not seen in the file."""
COLLAPSED_BELOW = 0.15
"""Outputs differ this little as a share of how inputs and real pictures differ."""
WON_BELOW = {"lsgan": 0.01, "bce": 0.03, "hinge": 0.03}
"""A discriminator's loss when it is right practically always; undecided ones lose 0.25, 0.69 and 2."""
WON_GENERATOR_ABOVE = {"lsgan": 0.7, "bce": 3.0, "hinge": 0.8}
"""The generator's loss that goes with it: fakes are called real with less than a twentieth."""
WON_UNKNOWN_BELOW = 0.01
"""For a game that the settings do not name, the strictest of the bounds above."""
FLAT_WINDOWS, FLAT_SHARE = 4, 0.9
"""For such a game the generator's loss is flat if it kept this share over so many windows."""
WINDOW_SHARE, WINDOW_LEAST, WINDOW_MOST = 0.05, 200, 2000
"""Logged losses are averaged over this share of the run, within these numbers of steps: single ones jump."""
LEAD_WINDOWS, LEAD_GROWTH = 5, 2.0
"""A WGAN critic has won if its lead grew through so many windows, by this factor: it should shrink."""
WAIT_SHARE, WAIT_SECONDS, WAIT_SPANS = 0.5, 5.0, 3
"""Training waits for data if that takes over half of the time in so many spans of so many seconds in a row;
a short stall, as when another program reads the disk, passes by itself."""
OVERFIT_RISE, OVERFIT_FALL, OVERFIT_LOOKS, OVERFIT_MEAN = 1.1, 0.95, 5, 3
"""Over-fitting: the held-out loss, averaged over 3 looks, is a tenth above its best of 5 looks ago and above
the training loss of the same name, which fell by a twentieth. One alone means less: a loss that measures how
much a picture changes rises, in both, when translation begins."""
HELD_OUT_COUNT, HELD_OUT_CHUNK = 16, 4
"""Held-out pictures of each side that a loss is measured on, and how many at a time, to spare memory."""

TOLD = {
    "inverted": "colours are inverted",
    "copy": "the output equals the input",
    "collapsed": "outputs of different inputs are all alike",
    "discriminator_won": "the discriminator has won",
    "data_waits": "training waits for its pictures",
    "overfitting": "it learns the training pictures by heart",
    "not_finite": "a loss or gradient is not finite",
}
"""Every kind of trouble, in words."""

KNOBS: dict[str, tuple[tuple[str, str], ...]] = {
    "inverted": (("another", "seed"), ("a higher", "identity_weight"), ("a lower", "init_gain")),
    "copy": (
        ("a lower", "cycle_weight"),
        ("a lower", "identity_weight"),
        ("a lower", "self_regularisation_weight"),
        ("a lower", "feature_weight"),
        ("a lower", "pixel_weight"),
        ("a lower", "input_l1_weight"),
        ("a lower", "nce_weight"),
        ("a higher", "adversarial_weight"),
    ),
    "collapsed": (
        ("a higher", "cycle_weight"),
        ("a higher", "nce_weight"),
        ("a higher", "content_weight"),
        ("a higher", "batch"),
        ("a lower", "learning_rate"),
        ("another", "seed"),
    ),
    "discriminator_won": (
        ("fewer", "disc_layers"),
        ("a lower", "disc_width"),
        ("a higher", "pool_size"),
        ("a lower", "learning_rate"),
        ("another", "adversarial"),
        ("a higher", "brightness"),
    ),
    "data_waits": (("fewer", "max_images"), ("a lower", "load_size"), ("a higher", "batch")),
    "overfitting": (
        ("fewer", "epochs"),
        ("fewer", "steps"),
        ("fewer", "minutes"),
        ("a higher", "brightness"),
        ("a lower", "width"),
    ),
    "not_finite": (("a lower", "learning_rate"), ("plain fp32 as", "precision")),
}
"""What to turn for each kind: how, and the setting; only settings that the run has are named."""

LEADS = {
    "inverted": "An early optimum that rarely passes by itself: stop and begin anew with",
    "copy": "If the two sides should differ more than this, begin anew with",
    "collapsed": "Begin anew with more pictures or",
    "discriminator_won": "The generator learns nothing from it any more: use more pictures or",
    "data_waits": "Keep the run folder on a fast local disk, free memory so that the pictures fit, or use",
    "overfitting": "Use a checkpoint from before (--keep keeps more), or begin anew with more pictures or",
    "not_finite": "The weights of the last checkpoint are sound: run the same command again to go on from "
    "it, or begin anew with",
}
"""How the advice begins for each kind."""


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

    On CUDA a step is only handed over, so the clock of this process tells nothing: a batch may be made while
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
        """Seconds of waiting and of learning since the last call.

        Call it when the losses of the last step were read: that waited for the device, so all is past.
        """
        marks, self.marks = self.marks, []
        waits = sum(_between(a, b) for a, b in zip(marks[::3], marks[1::3], strict=False))
        return waits, sum(_between(a, b) for a, b in zip(marks[1::3], marks[2::3], strict=False))


def _between(first: Any, second: Any) -> float:
    """Seconds between two marks."""
    return second - first if isinstance(first, float) else first.elapsed_time(second) / 1000


class Health:
    """The watch over one run; it is told what is logged and drawn, and answers with what is new.

    Args:
        settings: of the run, for the advice.
        steps: length of the run.
        precision: that training computes in, where the setting leaves it open.
        logged: lines of losses.jsonl so far, when a run goes on.
        told: lines of health.jsonl so far.
    """

    def __init__(
        self,
        settings: RunSettings,
        steps: int,
        *,
        precision: str | None = None,
        logged: Iterable[Mapping[str, Any]] = (),
        told: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        self.steps = steps
        self.known = settings.method.to_dict() | settings.data.to_dict() | settings.train.to_dict()
        self.known["precision"] = precision or self.known["precision"]
        given = [name for name in ("steps", "minutes", "epochs") if self.known[name] is not None]
        for name in {"steps", "minutes", "epochs"} - {given[0]}:  # only this one counts
            del self.known[name]
        self.game = self.known.get("adversarial")
        self.warm_up = max(WARM_UP_LEAST, min(WARM_UP_SHARE * steps, WARM_UP_MOST))
        self.window = max(WINDOW_LEAST, min(WINDOW_SHARE * steps, WINDOW_MOST))
        self.curves: dict[str, list[tuple[int, float]]] = {}
        self.unseen: dict[str, list[tuple[int, float]]] = {}
        self.span = [0.0, 0.0]
        last = {str(row.get("kind")): row for row in told}
        patience = {"data_waits": WAIT_SPANS, "discriminator_won": 1, "overfitting": 2}
        self.alarms = {
            kind: Alarm(
                patience.get(kind, PATIENCE), is_on=kind in last and not last[kind].get("is_over", False)
            )
            for kind in TOLD
        }
        for row in logged:
            _extend(self.curves, row["step"], row.get("losses", {}))
            _extend(self.unseen, row["step"], row.get("held_out", {}))

    def losses(self, step: int, values: Mapping[str, float]) -> list[Finding]:
        """Judge the losses that were logged at `step`."""
        _extend(self.curves, step, values)
        discriminators = [name for name in self.curves if name.startswith("disc")]
        won = [name for name in discriminators if self._has_won(name, step)]
        mean = {name: self._mean(name, step) for name in won or discriminators}
        text = f": {' and '.join(won)} (loss {_told(mean)})"
        return self._tell(step, "discriminator_won", bool(won), mean, text)

    def waits(self, step: int, seconds: tuple[float, float]) -> list[Finding]:
        """Judge seconds of waiting and of learning since the last call."""
        self.span = [self.span[0] + seconds[0], self.span[1] + seconds[1]]
        total = sum(self.span)
        if total < WAIT_SECONDS:
            return []
        share, self.span = self.span[0] / total, [0.0, 0.0]
        text = f": {100 * share:.0f} % of the time goes into that"
        return self._tell(step, "data_waits", share > WAIT_SHARE, {"share": share}, text)

    def pictures(self, step: int, rows: Mapping[str, Tensor], held_out: Batch) -> list[Finding]:
        """Judge the translations in a sample grid.

        Args:
            step: when they were made.
            rows: row title to pictures (N, 3, H, W) in [-1, 1], as `sample_rows` gives them.
            held_out: the real pictures of both sides.
        """
        if step < self.warm_up:
            return []
        facts = {title: found for title, found in _all_facts(rows, held_out)}
        if not facts:
            return []
        bad = {
            "inverted": {title: f.correlation for title, f in facts.items() if _is_inverted(f)},
            "copy": {
                title: f.change
                for title, f in facts.items()
                if f.change < max(COPY_BELOW, COPY_SHARE * f.gap)
            },
            "collapsed": {title: f.variety for title, f in facts.items() if f.variety < COLLAPSED_BELOW},
        }
        words = {
            "inverted": "correlation with the input",
            "copy": "mean change, in [-1, 1]",
            "collapsed": "their variety, as a share of the real pictures'",
        }
        found = []
        for kind, places in bad.items():
            text = f" in {' and '.join(places)} ({words[kind]}: {_told(places)})"
            found += self._tell(step, kind, bool(places), places, text)
        return found

    def held_out(self, step: int, values: Mapping[str, float]) -> list[Finding]:
        """Judge losses on pictures that are not learnt from."""
        _extend(self.unseen, step, values)
        if not values:
            return []
        risen = {name: rise for name in values if (rise := self._rise(name)) > OVERFIT_RISE}
        text = (
            f": held-out {', '.join(risen)} is {_told(risen)} times its best while training goes on to fall"
        )
        return self._tell(step, "overfitting", bool(risen), risen, text)

    def not_finite(self, step: int, what: str) -> Finding:
        """The finding for a loss or gradient that was not finite, which ends the run."""
        return Finding(step, "not_finite", False, {}, what, self.advice("not_finite"))

    def advice(self, kind: str) -> str:
        """What to do about a kind of trouble: the flags that this run has, with their present values."""
        knobs = []
        for how, name in KNOBS[kind]:
            value = self.known.get(name)
            is_least = value == ("fp32" if name == "precision" else 0)
            is_idle = is_least and how in ("plain fp32 as", "a lower", "fewer")
            if name in self.known and not is_idle:
                knobs.append(f"{how} --{name.replace('_', '-')} (now {_shown(name, value)})")
        *most, last = knobs or ["another method"]
        return f"{LEADS[kind]} {', '.join(most) + ' or ' if most else ''}{last}."

    def _tell(
        self, step: int, kind: str, is_bad: bool, numbers: Mapping[str, float], detail: str
    ) -> list[Finding]:
        """The finding if the alarm of this kind goes on or off now, else nothing."""
        if not self.alarms[kind].changes(is_bad):
            return []
        rounded = {name: round(value, 5) for name, value in numbers.items() if math.isfinite(value)}
        if is_bad:
            return [Finding(step, kind, False, rounded, TOLD[kind] + detail, self.advice(kind))]
        return [Finding(step, kind, True, rounded, f"it is over that {TOLD[kind]}", "")]

    def _mean(self, name: str, end: int, windows_back: int = 0, *, span: float = 0) -> float:
        """Mean of a loss in the window (or `span`) that ends at `end` or in one before; nan for none."""
        span = span or self.window
        high = end - windows_back * span
        values = []
        for at, value in reversed(self.curves.get(name, [])):
            if at <= high - span:
                break
            if at <= high and not (value == 0 and self.game != "hinge"):  # 0: not taught in that step
                values.append(value)
        return sum(values) / len(values) if values else math.nan

    def _has_won(self, name: str, step: int) -> bool:
        """Whether discriminator `name` tells real from fake without fail, to no use for the generator."""
        known = step - self.curves[name][0][0]
        if self.game == "wgan-gp":
            leads = [-self._mean(name, step, back) for back in reversed(range(LEAD_WINDOWS))]
            grows = all(late > early > 0 for early, late in itertools.pairwise(leads))
            is_long = known >= self.warm_up + LEAD_WINDOWS * self.window
            growth = 1.0 if self.alarms["discriminator_won"].is_on else LEAD_GROWTH
            return is_long and grows and leads[-1] > growth * leads[0]
        bound = WON_BELOW.get(str(self.game), WON_UNKNOWN_BELOW)
        if self.alarms["discriminator_won"].is_on:
            bound *= 2  # so that it does not come and go at the bound
        return known >= self.window and self._mean(name, step) < bound and self._is_lost(step)

    def _is_lost(self, step: int) -> bool:
        """Whether the generator's adversarial loss is that of one whose fakes are all found out."""
        fooling = [name for name in self.curves if name.startswith("adversarial")]
        lost, before = (sum(self._mean(name, step, back) for name in fooling) for back in (0, FLAT_WINDOWS))
        if str(self.game) in WON_GENERATOR_ABOVE:
            return lost > WON_GENERATOR_ABOVE[str(self.game)] or not fooling
        return lost >= FLAT_SHARE * before

    def _rise(self, name: str) -> float:
        """A held-out loss now as a multiple of its best, if it is over-fitting; else 0."""
        looks = [look for look in self.unseen[name] if look[0] >= self.warm_up]
        means = [
            sum(value for _, value in looks[end - OVERFIT_MEAN : end]) / OVERFIT_MEAN
            for end in range(OVERFIT_MEAN, len(looks) + 1)
        ]
        best = min(range(len(means)), key=means.__getitem__, default=0)
        if len(means) - 1 - best < OVERFIT_LOOKS or means[best] <= 0:
            return 0.0
        then, now = (
            self._mean(
                name, looks[at + OVERFIT_MEAN - 1][0], span=looks[at + OVERFIT_MEAN - 1][0] - looks[at][0]
            )
            for at in (best, len(means) - 1)
        )
        learns_on = now < OVERFIT_FALL * then and now < means[-1]
        is_compared = not math.isnan(now)  # training may have no loss of this name
        return means[-1] / means[best] if learns_on or not is_compared else 0.0


def _extend(curves: dict[str, list[tuple[int, float]]], step: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        curves.setdefault(name, []).append((step, value))


def _told(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{value:.3g}" for value in numbers.values())


def _shown(name: str, value: Any) -> str:
    """A setting's value in words."""
    if value is None:
        return "all" if name == "max_images" else "chosen by the method"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_inverted(facts: PictureFacts) -> bool:
    return facts.inverted_share >= INVERTED_SHARE and facts.strangeness > STRANGE_ABOVE


def _all_facts(rows: Mapping[str, Tensor], held_out: Batch) -> Iterable[tuple[str, PictureFacts]]:
    """Row title and facts of every translation in a sample grid."""
    sides = {"A": (held_out.a, held_out.b), "B": (held_out.b, held_out.a)}
    for title, images in rows.items():
        side = title[:1]
        way = f"{side} → {'B' if side == 'A' else 'A'}"
        if title != way and not title.startswith(f"{way} ("):
            continue
        source, target = (images_of.detach().float().cpu() for images_of in sides[side])
        if images.shape == source.shape and images.dim() == 4:
            yield title, picture_facts(source, images, target)


def offers_held_out_losses(method: Method) -> bool:
    """Whether a method has losses that can be measured on pictures which are not learnt from."""
    return type(method).held_out_losses is not Method.held_out_losses


@torch.no_grad()
def held_out_losses(method: Method, pictures: Batch, compute: Compute) -> dict[str, float]:
    """The method's losses on pictures that are not learnt from, by name; waits for the device."""
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
