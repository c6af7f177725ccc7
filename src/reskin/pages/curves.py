"""Loss curves as SVG: the spread of the raw values faint behind a smoothed line."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from reskin.pages.markup import Markup, group, tag

WIDTH, HEIGHT = 360, 196
LEFT, RIGHT = 48, 14
_TOP, _BOTTOM = 10, 26
_COLUMNS = 240
_SMOOTH_SHARE = 0.02
_LOG_FROM = 30.0


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


def prepare(steps: list[int], values: list[float]) -> Curve:
    """At most 240 points of a loss: its running mean, and the span of raw values that each point stands for.

    The mean decays over a fiftieth of the run and is corrected for its start: it begins at the first value.

    >>> prepare([10, 20], [4.0, 4.0]).smooth
    [4.0, 4.0]
    """
    decay = math.exp(-1.0 / max(1.0, _SMOOTH_SHARE * len(values)))
    total, weight, means = 0.0, 0.0, []
    for value in values:
        total, weight = decay * total + (1 - decay) * value, decay * weight + (1 - decay)
        means.append(total / weight)
    parts = min(_COLUMNS, len(values))
    edges = [index * len(values) // parts for index in range(parts + 1)]
    spans = list(itertools.pairwise(edges))
    return Curve(
        steps=[steps[end - 1] for _, end in spans],
        smooth=[means[end - 1] for _, end in spans],
        low=[min(values[start:end]) for start, end in spans],
        high=[max(values[start:end]) for start, end in spans],
    )


def draw(name: str, curve: Curve, last_step: int) -> Markup:
    """The chart of one loss.

    Args:
        name: of the loss.
        curve: its points, at least one.
        last_step: right end of the axis of steps.
    """
    is_log = min(curve.low) > 0 and max(curve.smooth) > _LOG_FROM * min(curve.smooth)
    low, high = _span(curve, is_log)
    ticks = log_ticks(low, high) if is_log else linear_ticks(low, high)
    if not is_log:
        low, high = min(low, ticks[0]), max(high, ticks[-1])

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(1, last_step)

    def y(value: float) -> float:
        value = min(max(value, low), high)
        share = (math.log(value / low) / math.log(high / low)) if is_log else (value - low) / (high - low)
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share

    points = list(zip(curve.steps, curve.smooth, strict=True))
    line = "M" + "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in points)
    above = [f"{x(step):.1f} {y(value):.1f}" for step, value in zip(curve.steps, curve.high, strict=True)]
    below = [f"{x(step):.1f} {y(value):.1f}" for step, value in zip(curve.steps, curve.low, strict=True)]
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("span", name, class_="chart-name"),
            tag("span", "log scale", class_="scale") if is_log else None,
            tag("output", short(points[-1][1]), class_="now"),
        ),
        tag(
            "svg",
            [_tick(y(tick), short(tick)) for tick in ticks],
            [
                _step_tick(x(step), compact(step))
                for step in linear_ticks(0, max(1, last_step))
                if step <= last_step
            ],
            tag("path", d="M" + "L".join(above + below[::-1]) + "Z", class_="spread"),
            tag("path", d=line, class_="smooth"),
            tag("circle", cx=f"{x(points[-1][0]):.1f}", cy=f"{y(points[-1][1]):.1f}", r=3, class_="dot"),
            tag("line", x1=0, x2=0, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="cursor", visibility="hidden"),
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            aria_label=described(name, points),
            data_points=" ".join(f"{step}:{value:.5g}:{y(value):.1f}" for step, value in points),
            data_last=max(1, last_step),
            data_left=LEFT,
            data_right=WIDTH - RIGHT,
            data_width=WIDTH,
        ),
        class_="chart",
    )


def described(name: str, points: list[tuple[int, float]]) -> str:
    """A curve in words, for those who cannot see it."""
    lowest = min(points, key=lambda point: point[1])
    told = [f"{short(value)} at step {step:,}" for step, value in (points[0], points[-1], lowest)]
    return f"{name}: smoothed {told[0]}, {told[1]}; lowest {told[2]}"


def _span(curve: Curve, is_log: bool) -> tuple[float, float]:
    """The values to show: all smoothed ones, and raw ones but for rare peaks that would flatten the rest."""
    highs, lows = sorted(curve.high), sorted(curve.low)
    low = min(*curve.smooth, lows[len(lows) // 50])
    high = max(*curve.smooth, highs[-1 - len(highs) // 50])
    if not is_log and low > 0 and low < 0.6 * high:
        low = 0.0
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = (low / 2, high * 2) if is_log else (low - 0.5, high + 0.5)
    return low, high


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


def _tick(y: float, text: str) -> Markup:
    return group(
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"),
        tag("text", text, x=LEFT - 8, y=f"{y + 4:.1f}", class_="value-tick"),
    )


def _step_tick(x: float, text: str) -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=HEIGHT - 8, class_="step-tick")


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
