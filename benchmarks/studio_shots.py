"""Pictures of the studio's pages, for docs/studio.md: python -m benchmarks.studio_shots FOLDER [PAGE ...]

A studio is served on a drawn folder; Chromium (RESKIN_CHROMIUM names another one) opens each page at 1280 and
360 px, light and dark. Those of the document are written small, with 256 colours; all others go to build/.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from tests.e2e.conftest import Server, draw_footage

from reskin.curation.thumbnails import folder_id

SHOWN = {
    *("home-light-1280", "run-light-1280", "train-light-1280", "jobs-dark-1280", "run-dark-360"),
    *(
        "curate-light-1280",
        "curate-dark-360",
        "data-light-1280",
        "translate-light-1280",
        "compare-light-1280",
    ),
}
"""Pictures that the document shows."""
ALL = Path("build/studio-shots")


def main(out: Path, wanted: Sequence[str]) -> None:
    """Take the pictures of the pages that are wanted; of all, where none is named."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder) / "films"
        root.mkdir()
        draw_footage(root, count=40)
        _train(root)
        server = Server(root)
        program = os.environ.get("RESKIN_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            _visit(browser, server, out, wanted)
        finally:
            browser.close()
            server.end()


def _visit(browser: Browser, server: Server, out: Path, wanted: Sequence[str]) -> None:
    page = browser.new_context(reduced_motion="reduce").new_page()  # scrolled at once
    page.set_default_timeout(180_000)
    page.goto(server.link)
    page.wait_for_url(f"{server.base}/")
    ids = {
        name: folder_id(server.root, server.root / name)
        for name in ("runs/film-game", "runs/castle", "runs/look", "data/film", "studies/looks")
    }
    page.goto(f"{server.base}/train")
    page.wait_for_selector("#train")
    _preview(page, f"{server.base}/translate?run={ids['runs/look']}")
    job = _order(page, server.base)
    for name, address in {
        "home": "/",
        "run": f"/runs/{ids['runs/film-game']}",
        "curate": f"/curate/{ids['data/film']}",
        "train": "/train",
        "jobs": "/jobs",
        "job": f"/jobs/{job}",
        "data": "/data",
        "dataset": f"/data/{ids['data/film']}?tool=inspect",
        "translate": f"/translate?run={ids['runs/look']}",
        "compare": f"/compare?show={ids['runs/film-game']}&show={ids['runs/castle']}",
        "study": f"/studies/{ids['studies/looks']}",
        "doctor": "/doctor",
    }.items():
        if wanted and name not in wanted:
            continue
        for scheme in ("light", "dark"):
            for width in (1280, 360):
                page.set_viewport_size({"width": width, "height": 800})
                page.emulate_media(color_scheme=scheme)
                page.goto(server.base + address)
                page.wait_for_timeout(1500)
                if name in _PREPARED:
                    _PREPARED[name](page)
                if name != "translate":  # of that page the films
                    page.evaluate("() => scrollTo(0, 0)")
                is_whole = width == 360 and name != "curate"  # of that page the part with the keys
                _write(page.screenshot(full_page=is_whole), f"{name}-{scheme}-{width}", out)
    page.goto(f"{server.base}/jobs")
    page.click("[data-act=stop]")
    page.wait_for_selector("[data-state=stopped]")


def _train(root: Path) -> None:
    """A small run that can translate."""
    data = "--a data/film --b data/game --out runs/look --crop-size 32 --load-size 32 --device cpu"
    words = f"train cyclegan {data} --width 8 --blocks 1 --steps 200 --sample-every 100"
    subprocess.run([sys.executable, "-m", "reskin", *words.split()], cwd=root, check=True)


def _preview(page: Page, address: str) -> None:
    """Two settings of one moment, side by side."""
    page.goto(address)
    page.select_option("#clip", label="footage/film.mp4")
    page.fill("#v-steady", "off 0.8")
    page.click("#preview:not([disabled])")
    page.wait_for_selector("#preview-films:not([hidden])")


def _show_preview(page: Page) -> None:
    page.wait_for_selector("#preview-films:not([hidden]) video")
    page.locator("#preview-films").scroll_into_view_if_needed()
    page.wait_for_timeout(1000)


def _plan(page: Page) -> None:
    """What a preparation would take."""
    page.check("[name=chosen] >> nth=0")
    page.fill("#f-size", "128")
    page.click("#try:not([disabled])")
    page.wait_for_selector("#takes:not([hidden])")


def _curate(page: Page) -> None:
    """Some verdicts, in the order of a score."""
    page.wait_for_selector("#grid[aria-busy=false]")
    page.wait_for_function("() => document.querySelectorAll('.cell:not(.blank)').length >= 12")
    if page.is_visible("#measure"):
        page.click("#measure")
        page.wait_for_selector("#unscored", state="hidden")
    page.select_option("#sort", "blur")
    page.wait_for_selector("#histogram:not([hidden])")
    page.focus("#grid")
    for key in ("Home", "x", "x", "ArrowRight", "k", "ArrowRight", "x", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_timeout(1000)


def _order(page: Page, base: str) -> str:
    """A training that runs while the pictures are taken; the id of its job."""
    page.goto(f"{base}/train")
    _choose(page)
    settings: dict[str, Any] = {"crop_size": 32, "load_size": 32, "width": 4, "blocks": 1, "steps": 100_000}
    for name, value in settings.items():
        page.fill("#sought", name.replace("_", " "))
        page.fill(f"#f-{name}", str(value))
    page.wait_for_function("() => !document.getElementById('order').disabled")
    page.click("#order")
    page.wait_for_url("**/jobs/*")
    page.wait_for_selector("progress[value]")
    return page.url.rsplit("/", 1)[1]


def _choose(page: Page) -> None:
    """Both datasets, and the command that follows."""
    for domain, folder in (("a", "film"), ("b", "game")):
        page.select_option(f"#{domain}", label=f"data/{folder} (40)")
    page.wait_for_function("() => document.getElementById('command').textContent.length > 2")


_PREPARED = {"train": _choose, "curate": _curate, "data": _plan, "translate": _show_preview}
"""What is done on a page before its picture is taken."""


def _write(content: bytes, name: str, out: Path) -> None:
    folder = out if name in SHOWN else ALL
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, 1600)))
    picture.quantize(256, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
