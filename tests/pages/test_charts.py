"""How losses and measures become charts."""

from __future__ import annotations

import re

import numpy as np
import pytest

from reskin.pages.charts import WIDTH, histogram, loss_chart, prepare


def test_curves_keep_ends_and_peaks() -> None:
    values = [1.0] * 5000
    values[1234] = 9.0
    curve = prepare(list(range(1, 5001)), values)
    assert len(curve.steps) == 240 and curve.steps[-1] == 5000
    assert max(curve.high) == 9.0 and min(curve.low) == 1.0
    assert max(curve.smooth) < 1.2


def test_smoothing_is_a_mean_of_the_past() -> None:
    noise = np.random.default_rng(0).normal(5.0, 1.0, 2000).tolist()
    curve = prepare(list(range(2000)), noise)
    assert np.std(curve.smooth[40:]) < 0.25 and abs(np.mean(curve.smooth[40:]) - 5.0) < 0.1
    assert prepare(list(range(200)), noise[:200], is_smoothed=False).smooth == noise[:200]


def test_scale_is_logarithmic_where_it_helps() -> None:
    steps = list(range(1, 201))
    falling = prepare(steps, [10 * 0.96**step for step in steps])
    flat = prepare(steps, [1 + 0.5 / step for step in steps])
    signed = prepare(steps, [100.0 - step for step in steps])
    scales = [loss_chart("x", curve, None, 200).about for curve in (falling, flat, signed)]
    assert scales == ["log scale", "", ""]
    assert loss_chart("x", falling, signed, 200).about == ""


@pytest.mark.parametrize("values", [[0.0], [3.0, 3.0], [1e-9, 2e-9], [-5.0, 5.0], [1e6, 1.0], [0.0, 1e-300]])
def test_every_curve_can_be_drawn(values: list[float]) -> None:
    curve = prepare(list(range(len(values))), values)
    for training, held_out in ((curve, None), (None, curve), (curve, prepare([0], [2e6], is_smoothed=False))):
        chart = loss_chart("x", training, held_out, len(values))
        assert len(chart.series) == (training is not None) + (held_out is not None)
        for series in chart.series:
            numbers = [float(word) for word in re.findall(r"-?[\d.]+", series.line + series.area)]
            assert numbers and all(0 <= number <= WIDTH for number in numbers)
        assert "nan" not in repr(chart)


def test_held_out_and_training_share_an_axis() -> None:
    chart = loss_chart("x", prepare([0, 10], [1.0, 1.0]), prepare([0, 10], [3.0, 3.0]), 10)
    training, held_out = (series.points.split()[0].split(":") for series in chart.series)
    assert float(training[2]) > float(held_out[2])  # the axis points downwards
    assert chart.value == "1 · held out 3"
    assert "training 1 at step 0" in chart.described and "held out 3 at step 0" in chart.described


def test_histograms_are_shares_of_their_own_set() -> None:
    measures = {
        "few": {"median": 1.0, "histogram": {"to": 4.0, "counts": [1, 1]}},
        "many": {"median": 3.0, "histogram": {"to": 4.0, "counts": [0, 500]}},
        "none": {"median": None, "histogram": None},
    }
    chart = histogram("contrast", "L*", measures)
    few, many = chart.series
    assert [few.kind, many.kind] == ["a", "b"] and chart.value == "median 1 and 3"
    heights = [float(point.split()[1]) for point in few.line[1:].split("L")]
    assert heights == [58.0] * 4  # half of what `many` has at most, between 108 and 8
    assert [float(point.split()[1]) for point in many.line[1:].split("L")] == [108, 108, 8, 8]
    assert histogram("contrast", "L*", {"none": measures["none"]}).value == "no images"


def test_a_loss_of_zero_throughout_has_no_axis_below_zero() -> None:
    chart = loss_chart("clipping", prepare([1, 2, 3], [0.0] * 3), None, 3)
    assert chart.value_ticks[0].text == "0" and chart.value == "0"
