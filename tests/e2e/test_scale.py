"""A hundred thousand pictures in a real browser: opened like a thousand, and scrolled like a plain page."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.large_sets import grow_index, keep_thumbnails, make_set, opened

from reskin.curation.thumbnails import folder_id

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SCROLLED = """async (id) => {
  const one = id ? document.getElementById(id) : document.documentElement, shares = [];
  const begun = performance.now(), seconds = 5;
  let frames = 0, most = 0, now = begun;
  while (now - begun < 1000 * seconds) {
    now = await new Promise(requestAnimationFrame);
    one.scrollTop = 50 * frames;
    frames += 1;
    const cells = id ? [...one.querySelectorAll('.cell')] : [];
    most = Math.max(most, cells.length);
    const blank = cells.filter((cell) => cell.classList.contains('blank'));
    if (cells.length) shares.push(blank.length / cells.length);
  }
  return [frames, most, shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length)];
}"""
"""Five seconds of 50 px a frame, which is 3,000 px/s where nothing else takes the processor: how many frames,
the most cells at once, and the share of cells without a picture."""


def test_a_hundred_thousand_open_and_scroll_like_a_thousand(page: Any, server: Any) -> None:
    sets = {"small": 1000, "large": 100_000}
    addresses = {}
    for name, count in sets.items():
        folder = make_set(server.root, name, count)
        keep_thumbnails(server.root, folder, count)
        addresses[name] = f"{server.base}/curate/{folder_id(server.root, folder)}"
    page.wait_for_timeout(2500)  # the folder is looked through every two seconds
    for address in addresses.values():
        opened(page, address)  # the manifest is read
    turns = [{name: opened(page, address) for name, address in addresses.items()} for _ in range(3)]
    best = {name: min(turn[name] for turn in turns) for name in sets}
    assert best["large"] <= 2 * best["small"], turns
    assert best["large"] <= 5, turns
    assert page.evaluate("() => performance.memory.usedJSHeapSize") <= 30e6

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    frames, most, blank = page.evaluate(SCROLLED, "grid")
    assert len(asked) <= 60 and most <= 150 and blank <= 0.25, (len(asked), most, blank)
    plain = page.context.new_page()
    plain.goto(f"{server.base}/static/uPlot.LICENSE.txt")
    plain.evaluate("() => { document.body.style.height = '3000000px'; }")
    others, _, _ = plain.evaluate(SCROLLED, "")
    plain.close()
    assert frames >= 0.7 * others, (frames, others)

    grow_index(server.root, server.root / "data" / "large", 1_000_000)
    opened(page, addresses["large"])
    million = min(opened(page, addresses["large"]) for _ in range(3))
    assert page.text_content("#count-all") == "1,000,000"
    page.focus("#grid")
    page.keyboard.press("End")  # taller than what browsers draw
    page.wait_for_function("() => document.getElementById('chosen').textContent.startsWith('1,000,000 of')")
    assert million <= 3 * best["small"], (million, turns)
