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
    one.scrollTop = 3 * (now - begun);
    frames += 1;
    const cells = id ? [...one.querySelectorAll('.cell')] : [];
    most = Math.max(most, cells.length);
    const blank = cells.filter((cell) => cell.classList.contains('blank'));
    if (cells.length) shares.push(blank.length / cells.length);
  }
  return [frames, most, shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length)];
}"""
"""Five seconds of 3,000 px/s: frames, the most cells at once, the share of cells without a picture."""
TURNS = 5
"""Small and large in turns, and the best of each: whatever else the machine does comes and goes."""


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
    turns = [{name: opened(page, address) for name, address in addresses.items()} for _ in range(TURNS)]
    best = {name: min(turn[name] for turn in turns) for name in sets}
    assert best["large"] <= 2 * best["small"], turns
    assert best["large"] <= 5, turns
    assert page.evaluate("() => performance.memory.usedJSHeapSize") <= 30e6
    check_scrolling(page, server, addresses["large"])

    grow_index(server.root, server.root / "data" / "large", 1_000_000)
    opened(page, addresses["large"])
    page.wait_for_function("() => document.getElementById('count-all').textContent === '1,000,000'")
    turns = [{name: opened(page, address) for name, address in addresses.items()} for _ in range(TURNS)]
    best = {name: min(turn[name] for turn in turns) for name in sets}
    check_height(page)
    page.focus("#grid")
    page.keyboard.press("End")  # taller than what browsers draw
    page.wait_for_function("() => document.getElementById('chosen').textContent.startsWith('1,000,000 of')")
    assert best["large"] <= 3 * best["small"], turns


def check_height(page: Any) -> None:
    """No element is taller than what every browser draws, and all rows are reached by scrolling."""
    assert page.eval_on_selector(".grid-inner", "one => one.offsetHeight") <= 15e6
    for share in (0, 0.5, 1):
        page.eval_on_selector(
            "#grid",
            "(one, share) => { one.scrollTop = share * (one.scrollHeight - one.clientHeight); }",
            share,
        )
        page.wait_for_timeout(500)
        positions = page.eval_on_selector_all(
            ".cell", "all => all.map((one) => Number(one.dataset.position))"
        )
        boxes = page.eval_on_selector_all(".cell", "all => all.map((one) => one.getBoundingClientRect().y)")
        nearest = min(range(len(boxes)), key=lambda number: abs(boxes[number] - 600))
        assert abs(positions[nearest] - share * 999_999) < 200, (share, positions, boxes)


def check_scrolling(page: Any, server: Any, address: str) -> None:
    """As many frames as a plain page of the same height, few blank cells, few questions to the server."""
    plain = page.context.new_page()
    plain.goto(f"{server.base}/static/uPlot.LICENSE.txt")
    plain.evaluate("() => { document.body.style.height = '3000000px'; }")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    turns = []
    for _ in range(3):
        opened(page, address)
        asked.clear()
        frames, most, blank = page.evaluate(SCROLLED, "grid")
        plain.bring_to_front()
        others, _, _ = plain.evaluate(SCROLLED, "")
        page.bring_to_front()
        turns.append({"frames": frames, "plain": others, "blank": blank, "asked": len(asked), "most": most})
    plain.close()
    assert all(turn["asked"] <= 60 and turn["most"] <= 150 for turn in turns), turns
    assert min(turn["blank"] for turn in turns) <= 0.25, turns
    assert max(turn["frames"] / turn["plain"] for turn in turns) >= 0.7, turns
