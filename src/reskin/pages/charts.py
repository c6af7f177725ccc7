"""Charts as data from which one template draws a static SVG: losses over the steps, and histograms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 346, 10, 170
_HEIGHT, _HISTOGRAM_HEIGHT = 196, 130
_POINTS = 240
_SMOOTH_SHARE = 0.02
_LOG_FROM = 30.0


@dataclass(frozen=True)
class Tick:
    """A number beside an axis.

    Attributes:
        at: where, in units of the chart.
        text: the number.
        anchor: which part of the text stands there: start, middle or end.
    """

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Series:
    """One set of values in a chart.

    Attributes:
        name: for people.
        kind: by which it is coloured: training, held-out, a or b.
        line: path of its line.
        area: path of the shape behind it, empty for none.
        points: "step:value:y" of each point for the script, empty for none.
        dot: where the last point is, None for none.
    """

    name: str
    kind: str
    line: str = ""
    area: str = ""
    points: str = ""
    dot: tuple[float, float] | None = None


@dataclass(frozen=True)
class Chart:
    """What the template draws.

    Attributes:
        name: what is drawn.
        about: its unit or scale.
        value: the number to be seen at first glance.
        described: all of it in words, for those who cannot see it.
        ticks: of the horizontal axis.
        value_ticks: of the vertical axis; empty for none.
        series: what is drawn, from behind to the front.
        last: value at the right end of the horizontal axis.
        height: in the units of `WIDTH`.
        left: where the horizontal axis begins.
        right: where it ends.
    """

    name: str
    about: str
    value: str
    described: str
    ticks: Sequence[Tick]
    value_ticks: Sequence[Tick]
    series: Sequence[Series]
    last: float
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    width: int = WIDTH
    top: int = _TOP
    bottom: int = _BOTTOM


@dataclass(frozen=True)
class Curve:
    """A loss over the steps, made ready to be drawn.

    Attributes:
        steps: at which there is a point.
        smooth: running mean at these steps.
        low: smallest raw value around each of these steps.
        high: largest raw value there.
    """

    steps: list[int]
    smooth: list[float]
    low: list[float]
    high: list[float]

    @property
    def points(self) -> list[tuple[int, float]]:
        """Step and smoothed value."""
        return list(zip(self.steps, self.smooth, strict=True))


def prepare(steps: Sequence[int], values: Sequence[float], *, is_smoothed: bool = True) -> Curve:
    """At most 240 points of a loss: its running mean, and the span of raw values that each point stands for.

    The mean decays over a fiftieth of the run and is corrected for its start: it begins at the first value.

    Args:
        steps: of the values, rising.
        values: as many, at least one.
        is_smoothed: False leaves the values as they are.

    >>> prepare([10, 20], [4.0, 4.0]).smooth
    [4.0, 4.0]
    """
    decay = math.exp(-1.0 / max(1.0, _SMOOTH_SHARE * len(values))) if is_smoothed else 0.0
    total, weight, means = 0.0, 0.0, []
    for value in values:
        total, weight = decay * total + (1 - decay) * value, decay * weight + (1 - decay)
        means.append(total / weight)
    parts = min(_POINTS, len(values))
    edges = [index * len(values) // parts for index in range(parts + 1)]
    spans = list(itertools.pairwise(edges))
    return Curve(
        steps=[steps[end - 1] for _, end in spans],
        smooth=[means[end - 1] for _, end in spans],
        low=[min(values[start:end]) for start, end in spans],
        high=[max(values[start:end]) for start, end in spans],
    )


def loss_chart(name: str, training: Curve | None, held_out: Curve | None, last_step: int) -> Chart:
    """The chart of one loss: the spread of the raw values faint behind the smoothed line, and the loss on
    held-out images.

    Args:
        name: of the loss.
        training: its points while training; None where only held-out ones are known.
        held_out: its points on held-out images; None for none. At least one of the two is given.
        last_step: right end of the axis of steps.
    """
    last = max(1, last_step)
    named = [("training", "training", training), ("held out", "held-out", held_out)]
    drawn = [(title, kind, curve) for title, kind, curve in named if curve is not None]
    curves = [curve for _, _, curve in drawn]
    is_log, y, value_ticks = _value_axis(curves)

    def x(step: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * step / last, 1)

    words = [_described(title, curve.points) for title, _, curve in drawn]
    return Chart(
        name=name,
        about="log scale" if is_log else "",
        value=" · ".join(
            short(curve.smooth[-1]) if title == "training" else f"held out {short(curve.smooth[-1])}"
            for title, _, curve in drawn
        ),
        described=f"{name}: {'. '.join(words)}",
        ticks=[Tick(x(step), compact(step)) for step in linear_ticks(0, last) if step <= last],
        value_ticks=[Tick(y(tick), short(tick)) for tick in value_ticks],
        series=[_series(title, kind, curve, x, y) for title, kind, curve in drawn],
        last=last,
    )


def _value_axis(curves: Sequence[Curve]) -> tuple[bool, Callable[[float], float], list[float]]:
    """Whether the vertical axis is logarithmic, where a value lies on it, and its ticks."""
    smooth = [value for curve in curves for value in curve.smooth]
    lowest = min(value for curve in curves for value in curve.low)
    is_log = lowest > 0 and max(smooth) > _LOG_FROM * min(smooth)
    low, high = _span(curves, is_log)
    ticks = log_ticks(low, high) if is_log else linear_ticks(low, high)
    if not is_log:
        low, high = min(low, ticks[0]), max(high, ticks[-1])

    def y(value: float) -> float:
        value = min(max(value, low), high)
        share = (math.log(value / low) / math.log(high / low)) if is_log else (value - low) / (high - low)
        return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)

    return is_log, y, ticks


def _series(
    name: str, kind: str, curve: Curve, x: Callable[[float], float], y: Callable[[float], float]
) -> Series:
    above = [f"{x(step)} {y(value)}" for step, value in zip(curve.steps, curve.high, strict=True)]
    below = [f"{x(step)} {y(value)}" for step, value in zip(curve.steps, curve.low, strict=True)]
    return Series(
        name=name,
        kind=kind,
        line="M" + "L".join(f"{x(step)} {y(value)}" for step, value in curve.points),
        area="M" + "L".join(above + below[::-1]) + "Z" if curve.low != curve.high else "",
        points=" ".join(f"{step}:{value:.5g}:{y(value)}" for step, value in curve.points),
        dot=(x(curve.steps[-1]), y(curve.smooth[-1])),
    )


def _described(name: str, points: list[tuple[int, float]]) -> str:
    lowest = min(points, key=lambda point: point[1])
    told = [f"{short(value)} at step {step:,}" for step, value in (points[0], points[-1], lowest)]
    return f"{name} {told[0]}, {told[1]}; lowest {told[2]}"


def _span(curves: Sequence[Curve], is_log: bool) -> tuple[float, float]:
    """The values to show: all smoothed ones, and raw ones but for rare peaks that would flatten the rest."""
    smooth = [value for curve in curves for value in curve.smooth]
    lows = sorted(value for curve in curves for value in curve.low)
    highs = sorted(value for curve in curves for value in curve.high)
    low = min(*smooth, lows[len(lows) // 50])
    high = max(*smooth, highs[-1 - len(highs) // 50])
    if not is_log and low > 0 and low < 0.6 * high:
        low = 0.0
    if high - low < 1e-9 * max(1.0, abs(high)):
        is_above = low >= 0  # such as a penalty that is 0 throughout: no axis of it goes below
        low, high = (low / 2, high * 2) if is_log else (low - 0.5, high + 0.5)
        low = max(0.0, low) if is_above else low
    return low, high


def histogram(name: str, unit: str, measures: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Histograms of one measure over each other, as shares of their images.

    Args:
        name: of the measure.
        unit: of its values.
        measures: name of each dataset to its "median" and "histogram" ("to" and "counts"); either may be
            None. The first is domain A, the second B.
    """
    bottom = _HISTOGRAM_HEIGHT - 22
    found = {title: measure["histogram"] for title, measure in measures.items() if measure["histogram"]}
    shares = {title: [n / max(1, sum(one["counts"])) for n in one["counts"]] for title, one in found.items()}
    top = max((max(share) for share in shares.values()), default=1.0) or 1.0
    series = []
    for kind, title in zip("ab", measures, strict=False):
        if title in shares:
            path = _steps(shares[title], bottom, (bottom - 8) / top)
            series.append(Series(title, kind, line=f"M{path}", area=f"M0 {bottom}L{path}L{WIDTH} {bottom}Z"))
    high = next((one["to"] for one in found.values()), 1.0)
    medians = [f"{one['median']:.3g}" for one in measures.values() if one["median"] is not None]
    value = f"median {' and '.join(medians)}" if medians else "no images"
    ends = ((0.0, "start"), (0.5, "middle"), (1.0, "end"))
    return Chart(
        name=name,
        about=unit,
        value=value,
        described=f"{name}: {value}",
        ticks=[Tick(share * WIDTH, f"{share * high:g}", anchor) for share, anchor in ends],
        value_ticks=[],
        series=series,
        last=high,
        height=_HISTOGRAM_HEIGHT,
        left=0,
        right=WIDTH,
        bottom=bottom,
    )


def _steps(shares: Sequence[float], bottom: int, scale: float) -> str:
    """The upper edge of a histogram as the points of a path."""
    step = WIDTH / len(shares)
    points = []
    for index, share in enumerate(shares):
        y = bottom - scale * share
        points += [f"{index * step:.1f} {y:.1f}", f"{(index + 1) * step:.1f} {y:.1f}"]
    return "L".join(points)


def linear_ticks(low: float, high: float) -> list[float]:
    """Round values from at most `low` to at least `high`, about five.

    >>> linear_ticks(0.0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    unit = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / unit + 1e-9), math.ceil(high / unit - 1e-9)
    return [float(f"{index * unit:.12g}") for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between two positive values; with 2 and 5 between them where there are few.

    >>> log_ticks(0.03, 4.0)
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5)):
        found = [float(f"{factor}e{power}") for power in powers for factor in factors]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) >= 4:
            break
    return found[:: -(-len(found) // 7)] if found else [low, high]


def short(value: float) -> str:
    """A number in three digits.

    >>> short(0.000123), short(12345.6), short(0.5)
    ('0.000123', '12,346', '0.5')
    """
    if value and abs(value) < 1e-4:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def compact(step: float) -> str:
    """A step as an axis shows it.

    >>> compact(0), compact(500), compact(20_000), compact(1_500_000)
    ('0', '500', '20k', '1.5M')
    """
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if step >= size:
            return f"{step / size:g}{unit}"
    return f"{step:g}"
