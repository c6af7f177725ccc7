"""How long a picture is really shown: by the page's own stamps, and by the frames that the browser drew.

RESKIN_FULL=1 (`make exposures`) measures 200 exposures, holds them to 95 % within 34 ms and writes
build/exposures.json, which `make study-figures` puts on docs/results/blind_study.md.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.e2e.rater_case import Served, answer_all, check_finished, consent

from reskin.evaluation.blind_study.plan import TOLERANCE_MS

pytestmark = pytest.mark.e2e

IS_FULL = bool(os.environ.get("RESKIN_FULL"))
ITEMS = 80 if IS_FULL else 6
"""With practice, checks and repeats that is 200 exposures, or 48."""
FIGURES = Path("build/exposures.json")
BLOCKED_AFTER = 15
"""Answers before the exposure that the page cannot end in time."""

BLOCK = """() => {
  const seen = new MutationObserver(() => {
    if (!document.querySelector('.stage img:not(.hidden)')) return;
    seen.disconnect();
    setTimeout(() => { const t = performance.now(); while (performance.now() - t < 200); }, 930);
  });
  seen.observe(document.body, { subtree: true, childList: true, attributes: true });
}"""
"""The next exposure but one is ended 200 ms late."""


class Screencast:
    """The frames that the browser drew while it is on, with the browser's own time stamps."""

    def __init__(self, page: Any) -> None:
        self.spans: list[float] = []
        self._begin: float | None = None
        self._session = page.context.new_cdp_session(page)
        self._session.on("Page.screencastFrame", self._keep)
        self._session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})

    def _keep(self, sent: Any) -> None:
        data = np.frombuffer(base64.b64decode(sent["data"]), np.uint8)
        self._session.send("Page.screencastFrameAck", {"sessionId": sent["sessionId"]})
        middle = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[100:320].astype(np.int16)
        # Stimuli are noise in every colour; text is grey, and what was right is said in a dark green.
        is_shown = int((middle.max(2) - middle.min(2) > 150).sum()) > 40
        at = 1000 * float(sent["metadata"]["timestamp"])
        if is_shown and self._begin is None:
            self._begin = at
        elif not is_shown and self._begin is not None:
            self.spans.append(at - self._begin)
            self._begin = None

    def stop(self) -> np.ndarray:
        """How long each picture was seen, ms."""
        self._session.send("Page.stopScreencast")
        return np.array(self.spans)


def within(spans: np.ndarray, planned: float) -> float:
    """Share of exposures that are as long as planned, to within the tolerance."""
    return float((np.abs(spans - planned) <= TOLERANCE_MS).mean())


def test_exposures_are_as_long_as_planned(serve: Callable[..., Served], browse: Callable[..., Any]) -> None:
    """One that the page could not end in time is marked and shown again; the frames agree with the stamps."""
    served, page = serve("real-or-fake", ITEMS), browse(400, 500, locale="en")
    consent(page, served.links[0])
    page.wait_for_selector("#screen.trial")  # the example is gone
    cast = Screencast(page)
    answer_all(page, served, at={BLOCKED_AFTER: lambda: page.evaluate(BLOCK)}, looks=False)
    seen = cast.stop()
    answers, trials, planned = check_finished(served), served.trials(), served.plan.exposure_ms
    for answer in answers:
        is_off = any(abs(span - planned) > TOLERANCE_MS for span in answer.shown)
        assert ("off" in answer.flags.split()) == is_off
    late = [answer for answer in answers if max(answer.shown) > 1100]
    assert BLOCKED_AFTER + 1 in {answer.trial for answer in late} and len(answers) > len(trials)
    said = np.array([span for answer in answers for span in answer.shown])
    is_free = np.array([answer.trial != BLOCKED_AFTER + 1 for answer in answers for _ in answer.shown])
    free = said[is_free]
    assert len(said) >= 2 * len(trials) + 2
    assert len(seen) == len(said), "every exposure was drawn, and nothing else"
    apart, drawn = np.abs(seen - said), seen[is_free]
    figures: dict[str, Any] = {
        "exposures": len(free),
        "within": within(free, planned),
        "median": float(np.median(free)),
        "furthest": float(np.abs(free - planned).max()),
        "drawn_within": within(drawn, planned),
        "drawn_median": float(np.median(drawn)),
        "drawn_furthest": float(np.abs(drawn - planned).max()),
        "apart_median": float(np.median(apart)),
        "apart_95": float(np.quantile(apart, 0.95)),
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "chromium": page.context.browser.version,
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")  # pytest -s shows it
    assert abs(figures["median"] - planned) <= TOLERANCE_MS and figures["apart_median"] <= TOLERANCE_MS
    if IS_FULL:
        FIGURES.parent.mkdir(exist_ok=True)
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        assert figures["within"] >= 0.95
