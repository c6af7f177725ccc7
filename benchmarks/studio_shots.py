"""Pictures of the studio's pages, for docs/studio.md: python -m benchmarks.studio_shots docs/studio

A studio is served on a drawn folder; Chromium (RESKIN_CHROMIUM names another one) opens each page at 1280 and
360 px, light and dark. Those of the document are written small, with few colours; all others go to build/.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from tests.e2e.conftest import Server, draw_footage

from reskin.curation.thumbnails import folder_id

SHOWN = {
    *("home-light-1280", "run-light-1280", "train-light-1280", "jobs-dark-1280", "run-dark-360"),
    *("curate-light-1280", "curate-dark-360"),
}
"""Pictures that the document shows."""
ALL = Path("build/studio-shots")


def main(out: Path) -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder) / "films"
        root.mkdir()
        draw_footage(root, count=40)
        server = Server(root)
        program = os.environ.get("RESKIN_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            _visit(browser, server, out)
        finally:
            browser.close()
            server.end()


def _visit(browser: Browser, server: Server, out: Path) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(180_000)
    page.goto(server.link)
    page.wait_for_url(f"{server.base}/")
    run = page.eval_on_selector("[data-run]", "one => one.dataset.run")
    page.goto(f"{server.base}/train")
    page.wait_for_selector("#train")
    job = _order(page)
    for name, address in {
        "home": "/",
        "run": f"/runs/{run}",
        "curate": f"/curate/{folder_id(Path(), Path('data/film'))}",
        "train": "/train",
        "jobs": "/jobs",
        "job": f"/jobs/{job}",
    }.items():
        for scheme in ("light", "dark"):
            for width in (1280, 360):
                page.set_viewport_size({"width": width, "height": 800})
                page.emulate_media(color_scheme=scheme)
                page.goto(server.base + address)
                page.wait_for_timeout(1500)
                if name == "train":
                    _choose(page)
                if name == "curate":
                    _curate(page)
                is_whole = width == 360 and name != "curate"  # of that page the part with the keys
                _write(page.screenshot(full_page=is_whole), f"{name}-{scheme}-{width}", out)
    page.goto(f"{server.base}/jobs")
    page.click("[data-act=stop]")
    page.wait_for_selector("[data-state=stopped]")


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


def _order(page: Page) -> str:
    """A training that runs while the pictures are taken; the id of its job."""
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


def _write(content: bytes, name: str, out: Path) -> None:
    folder = out if name in SHOWN else ALL
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, 1600)))
    picture.quantize(96, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
