"""What the studio costs, as a table: python -m benchmarks.studio_figures

CPU seconds until it prints its address, memory after every page was opened, and how long a dataset of 1,000
and of 100,000 pictures takes until the screen is full of thumbnails, in Chromium (RESKIN_CHROMIUM names
another one).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.e2e.conftest import Server, draw_footage
from tests.e2e.large_sets import keep_thumbnails, make_set, opened
from tests.web.studio_server import cpu_seconds, memory

from reskin.curation.thumbnails import folder_id

SIZES = (1_000, 100_000)
TURNS = 3
PAGES = ("/", "/data", "/curate", "/train", "/compare", "/translate", "/jobs", "/doctor")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "films"
        root.mkdir()
        draw_footage(root)
        server = Server(root)
        try:
            rows = [("CPU seconds until its address", f"{cpu_seconds(server.process.pid):.2f}")]
            rows += _opened(server)
            rows.append(("memory after every page, MB", f"{memory(server.process.pid) / 1000:.0f}"))
        finally:
            server.end()
    print("| what | |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value} |")


def _opened(server: Server) -> list[tuple[str, str]]:
    program = os.environ.get("RESKIN_CHROMIUM") or shutil.which("chromium")
    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(300_000)
        page.goto(server.link)
        page.wait_for_url(f"{server.base}/")
        for address in PAGES:
            page.goto(server.base + address)
            page.wait_for_selector("h1")
        addresses = []
        for count in SIZES:
            folder = make_set(server.root, f"of-{count}", count)
            keep_thumbnails(server.root, folder, count)
            addresses.append(f"{server.base}/curate/{folder_id(server.root, folder)}")
        page.wait_for_timeout(2500)  # the folder is looked through every two seconds
        for address in addresses:
            opened(page, address)  # the manifest is read
        turns = [[opened(page, address) for address in addresses] for _ in range(TURNS)]
        best = [min(seconds) for seconds in zip(*turns, strict=True)]
        for count, seconds in zip(SIZES, best, strict=True):
            rows.append((f"seconds until a screen of {count:,} pictures is full", f"{seconds:.2f}"))
        rows.append(("the same, as a ratio", f"{best[1] / best[0]:.2f}"))
        heap = page.evaluate("() => performance.memory.usedJSHeapSize")
        rows.append((f"memory of the page's scripts with {SIZES[1]:,} pictures, MB", f"{heap / 1e6:.0f}"))
        browser.close()
    return rows


if __name__ == "__main__":
    main()
