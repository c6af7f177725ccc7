"""The page about datasets: whole, self-contained, escaped, and usable at 20,000 pictures."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reskin.curation.inspect.card import dataset_card
from reskin.curation.inspect.gap import compare_domains, suggested_command
from reskin.curation.inspect.page import Inspection, thumbnail_edge, write_inspection
from reskin.curation.inspect.sets import MeasuredSet, measure_set, open_sets
from reskin.data.manifest import FrameRecord, Manifest, Origin, write_manifest
from reskin.images import write_image

HOSTILE = '"><script>alert(1)<!-- </script>'


def picture(seed: int) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(rough).resize((48, 32), Image.Resampling.BICUBIC))


def fill(root: Path, count: int, start: int, *, name: str = "p") -> MeasuredSet:
    rows = []
    for i in range(count):
        split = "test" if i % 5 == 0 else "train"
        file = f"{split}/{name}{i}.png"
        write_image(root / file, picture(start + i))
        why = (HOSTILE,) if i % 7 == 3 else None
        scores = {"blur": i * 1.5} | ({} if i == 2 else {HOSTILE: 0.5})
        rows.append(FrameRecord(file=file, source=0, split=split, left_out=why, scores=scores))  # type: ignore[arg-type]
    source = Origin(name=f"{HOSTILE}.mp4", sha256="0" * 64, size_bytes=1)
    manifest = Manifest(
        reskin="0", settings={HOSTILE: HOSTILE}, sources=[source], frames=rows, damaged=[HOSTILE]
    )
    write_manifest(root, manifest)
    return measure_set(open_sets([root])[0], thumbnail_px=32)


def page_of(sets: list[MeasuredSet], out: Path) -> str:
    gap = compare_domains(*sets) if len(sets) == 2 else None
    command = suggested_command(gap, [one.of.root for one in sets]) if gap else ""
    return write_inspection(
        Inspection(sets, [dataset_card(one) for one in sets], gap, command), out
    ).read_text()


def scripts(page: str, kind: str) -> list[str]:
    return re.findall(rf'<script type="{kind}"[^>]*>([^<]*)</script>', page)


def test_the_page_holds_every_picture_and_every_row(tmp_path: Path) -> None:
    sets = [fill(tmp_path / "a", 12, 0), fill(tmp_path / "b", 9, 50)]
    page = page_of(sets, tmp_path / "page" / "inspect.html")
    table = json.loads(scripts(page, "application/json")[0])
    assert [len(one["files"]) for one in table["sets"]] == [12, 9]
    assert table["sets"][0]["base"] == "../a" and table["sets"][0]["reasons"] == [HOSTILE]
    assert table["sets"][1]["scores"]["blur"][2] == 3.0 and table["sets"][1]["scores"][HOSTILE][2] is None
    packs = b"".join(base64.b64decode(text) for text in scripts(page, "text/plain"))
    assert len(packs) == sum(table["thumbnails"])
    first = Image.open(io.BytesIO(packs[: table["thumbnails"][0]]))
    assert first.format == "WEBP" and first.size == (32, 21)
    expected = np.asarray(Image.fromarray(picture(0)).resize((32, 21), Image.Resampling.BOX), np.float32)
    assert np.abs(np.asarray(first.convert("RGB"), np.float32) - expected).mean() < 12


def test_nothing_escapes_and_nothing_is_fetched(tmp_path: Path) -> None:
    sets = [
        fill(tmp_path / "a<img src=x onerror=alert(1)>", 8, 0, name="x'\"&<i>"),
        fill(tmp_path / "b", 8, 50),
    ]
    page = page_of(sets, tmp_path / "inspect.html")
    assert "<script>alert" not in page and "<img src=x" not in page and "<i>" not in page
    assert page.count("<script>") == 1
    js = page[page.rindex("<script>") + 8 : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(js.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html.unescape(page)
    assert "default-src 'none'" in html.unescape(page)
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    for risky in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch("):
        assert risky not in js


def test_one_set_near_duplicates_and_the_words_of_the_gap(tmp_path: Path) -> None:
    one = fill(tmp_path / "a", 10, 0)
    single = page_of([one], tmp_path / "one.html")
    assert (
        'id="differences"' not in single
        and 'id="pictures"' in single
        and 'id="near-duplicates"' not in single
    )
    both = page_of([one, fill(tmp_path / "b", 10, 4)], tmp_path / "two.html")
    assert 'id="differences"' in both and "have a near-duplicate in b" in both
    assert both.count('class="pair"') >= 4 and 'data-set="1"' in both
    assert "reskin train cyclegan" in both


def test_thumbnails_shrink_as_pictures_become_many() -> None:
    edges = [thumbnail_edge(count) for count in (1, 3000, 20_000, 200_000)]
    assert edges == sorted(edges, reverse=True) and edges[0] == 160 and edges[-1] >= 40
    assert 20_000 * thumbnail_edge(20_000) ** 2 <= 70_000_000


@pytest.mark.slow
def test_20_000_pictures(tmp_path: Path) -> None:
    root = tmp_path / "many"
    originals = [picture(i) for i in range(64)]
    for i in range(20_000):
        path = root / ("test" if i % 10 == 0 else "train") / f"{i:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(originals[i % 64], i // 64, axis=1)).save(path, quality=80)
    began = time.process_time()
    measured = measure_set(open_sets([root])[0], thumbnail_px=thumbnail_edge(20_000))
    page = page_of([measured], tmp_path / "inspect.html")
    assert len(page) < 40_000_000
    assert len(json.loads(scripts(page, "application/json")[0])["thumbnails"]) == 20_000
    assert time.process_time() - began < 300
