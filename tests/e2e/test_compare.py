"""Films beside each other in a real browser: one clock, steps of a frame, the wipe."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.e2e.conftest import draw_clip

from reskin.curation.thumbnails import folder_id
from reskin.video.writer import VideoWriter

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


SECONDS, BITS, EDGE = 6, 10, 16
"""Length of a film, and the squares in which each frame has its own number."""
RATES = {
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30_000, 1001),
    "50": Fraction(50),
    "60": Fraction(60),
}
STEPPED = """async ([frames, bits, edge]) => {
  const films = document.getElementById('films').players;
  const sheet = document.createElement('canvas').getContext('2d');
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const videos = films.panes.map((pane) => pane.video), seeks = videos.map(() => 0), found = [];
  videos.forEach((video, number) => video.addEventListener('seeking', () => { seeks[number] += 1; }));
  const number = (video) => {
    sheet.canvas.width = video.videoWidth;
    sheet.canvas.height = video.videoHeight;
    sheet.drawImage(video, 0, 0);
    let sum = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      if (sheet.getImageData(edge * bit + edge / 2, edge / 2, 1, 1).data[1] > 127) sum += 2 ** bit;
    }
    return sum;
  };
  for (let step = 0; step < 50; step += 1) {
    const before = [...seeks];
    films.step(frames);
    while (videos.some((video) => video.seeking)) await wait(5);
    await wait(60);  // the frame is drawn
    found.push([films.at, videos.map(number), seeks.map((count, one) => count - before[one])]);
  }
  return found;
}"""
"""Fifty steps: the time, the frame that each film really shows, and how often each was moved for it."""
WATCHED = """async () => {
  const films = document.getElementById('films').players, apart = [];
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  films.seek(0);
  await films.play();
  await wait(2000);
  for (let turn = 0; turn < 60; turn += 1) {
    await wait(50);
    const times = films.panes.map((pane) => pane.video.currentTime);
    apart.push(Math.max(...times) - Math.min(...times));
  }
  films.pause();
  return apart.sort((one, other) => one - other);
}"""
"""How far apart the films are, in seconds, from two seconds after the beginning."""


def draw_numbered(path: Path, times: Sequence[Fraction], rate: Fraction) -> None:
    """A film whose frames have their own numbers, in black and white squares, at any times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, size=(EDGE * BITS, 96), frame_rate=rate) as writer:
        for number, time in enumerate(times):
            frame = np.full((96, EDGE * BITS, 3), 90, np.uint8)
            for bit in range(BITS):
                frame[:EDGE, EDGE * bit : EDGE * (bit + 1)] = 255 * (number >> bit & 1)
            writer.write(frame, time)


def numbered_films(root: Path) -> dict[str, list[Fraction]]:
    """Films of five rates, and one whose frames last unequally long: name to the times of its frames."""
    made = {
        f"films/{name}.mp4": [number / rate for number in range(int(SECONDS * rate))]
        for name, rate in RATES.items()
    }
    lasts = [Fraction(1, 30), Fraction(1, 17), Fraction(1, 41), Fraction(1, 24)]
    made["films/uneven.mp4"] = [
        time for time in accumulate(lasts * 40, initial=Fraction(0)) if time < SECONDS
    ]
    for name, times in made.items():
        draw_numbered(root / name, times, RATES.get(Path(name).stem, Fraction(25)))
    return made


def open_films(page: Any, server: Any, names: Sequence[str]) -> None:
    clips = [folder_id(server.root, server.root / name) for name in names]
    page.goto(f"{server.base}/compare?" + "&".join(f"show={clip}" for clip in clips))
    page.wait_for_selector("#films:not([hidden]) video")
    page.wait_for_function(
        "() => document.getElementById('films').players.panes"
        ".every((pane) => pane.times && pane.video.readyState > 2)"
    )


def check_steps(found: Sequence[Any], films: Sequence[Sequence[Fraction]]) -> None:
    """The first goes on by a frame, the others show what is nearest in time; each is moved once at most."""
    assert [shown[0] for _, shown, _ in found] == list(range(1, len(found) + 1))
    for at, shown, seeks in found:
        assert max(seeks) <= 1, (at, seeks)
        for number, times in zip(shown, films, strict=True):
            begins, ends = times[number], (*times, SECONDS)[number + 1]
            assert float(begins) - 2e-3 <= at <= float(ends) + 2e-3, (at, number, float(begins))


def test_films_of_any_rate_step_by_frames_and_play_together(page: Any, server: Any) -> None:
    films = numbered_films(server.root)
    page.wait_for_timeout(2500)  # the folder is looked through every two seconds
    for first in ("60", "uneven", "24"):  # nothing has been played before the first step
        chosen = [f"films/{first}.mp4", *(name for name in films if Path(name).stem != first)]
        open_films(page, server, chosen)
        found = page.evaluate(STEPPED, [1, BITS, EDGE])
        check_steps(found, [films[name] for name in chosen])
    for chosen in (list(films)[:2], list(films)):
        slower = max(1 / RATES.get(Path(name).stem, Fraction(17)) for name in chosen)
        open_films(page, server, chosen)
        tries = []
        for _ in repeat(None, 3):  # what else the machine does comes and goes
            apart = page.evaluate(WATCHED)
            tries.append(apart[int(0.95 * len(apart))])
        assert min(tries) <= slower, (chosen, tries)
    assert page.complaints == []
