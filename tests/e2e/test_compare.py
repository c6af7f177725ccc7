"""Films beside each other in a real browser: one clock, steps of a frame, the wipe."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.conftest import draw_clip

from reskin.curation.thumbnails import folder_id

pytestmark = pytest.mark.e2e

PLAYED = """async () => {
  const films = document.getElementById('films').players, apart = [];
  const times = () => films.panes.map((pane) => pane.video.currentTime);
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  await films.play();
  await wait(2000);
  for (let turn = 0; turn < 20; turn += 1) { await wait(50); apart.push(times()); }
  films.pause();
  await wait(500);
  const before = times();
  films.step(1);
  await wait(500);
  return [apart, before, times()];
}"""


def test_films_stay_together_step_and_wipe(page: Any, server: Any) -> None:
    names = ("footage/long.mp4", "films/castle.mp4")
    for number, name in enumerate(names):
        draw_clip(server.root / name, float(number))
    clips = [folder_id(server.root, server.root / name) for name in names]
    page.wait_for_timeout(2500)  # the folder is looked through every two seconds
    page.goto(f"{server.base}/compare?" + "&".join(f"show={clip}" for clip in clips))
    page.wait_for_selector("#films:not([hidden]) video")
    apart, before, after = page.evaluate(PLAYED)
    together = [max(times) - min(times) <= 1 / 25 for times in apart]
    assert sum(together) >= 0.9 * len(together)  # a busy machine may skip a frame
    assert all(0 < two - one < 2.5 / 25 for one, two in zip(before, after, strict=True))
    page.focus("#films")
    page.keyboard.press("w")
    page.keyboard.press("]")
    assert page.eval_on_selector(".stage", "one => [one.className, one.style.cssText]") == [
        "stage wipe",
        "--cut: 52%;",
    ]
    assert page.complaints == []
