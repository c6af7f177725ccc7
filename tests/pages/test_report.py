"""The report: one file, nothing from outside, every text escaped, a sentence where something is missing."""

from __future__ import annotations

import base64
import hashlib
import re
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from reskin.errors import RunError, StorageError, VideoError
from reskin.images import write_image
from reskin.pages import media
from reskin.pages.report import write_report
from reskin.storage import append_line, read_json, write_json
from reskin.video.writer import VideoWriter

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
EMPTY_TAGS = {"img", "input", "meta"}


class Page(HTMLParser):
    """A page as a browser takes it apart: its elements, and its text without script and style."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def write_video(path: Path, size: tuple[int, int] = (32, 24), frames: int = 6) -> Path:
    with VideoWriter(path, size=size, frame_rate=Fraction(25)) as writer:
        for index in range(frames):
            image = np.full((size[1], size[0], 3), 20 * index, dtype=np.uint8)
            writer.write(image, Fraction(index, 25))
    return path


def test_everything_is_in_one_sound_file(finished_run: Path) -> None:
    path = write_report(finished_run)
    assert path == finished_run / "report.html"
    page = Page(path)
    assert not page.open  # every element is closed, in order
    for text in ("4.4 dB closer", "CycleGAN", "400 of 400", "CPU (2 threads)", "real_vs_fake", "bad.png"):
        assert text in page.text
    assert len(page.all("figure")) == 3 + 4  # grids and curves
    assert [figure["data-step"] for figure in page.all("figure") if "data-step" in figure] == [
        "133",
        "266",
        "400",
    ]
    shown = [figure for figure in page.all("figure") if "data-step" in figure and "hidden" not in figure]
    assert [figure["data-step"] for figure in shown] == ["400"]


def test_nothing_comes_from_outside(finished_run: Path, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4")
    page = Page(write_report(finished_run, clips=[("clip", clip, clip)]))
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "data:video/mp4;base64,", "#"))
        assert not any(name.startswith("on") for name in attributes)
    assert not page.all("link") and "url(" not in page.source and "@import" not in page.source
    assert "http://" not in page.source and "https://" not in page.source


def test_the_policy_allows_our_script_alone(finished_run: Path) -> None:
    page = Page(write_report(finished_run))
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta) or ""
    scripts = re.findall(r"<script>(.*?)</script>", page.source, flags=re.DOTALL)
    assert len(scripts) == len(page.all("script")) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_hostile_names_stay_text(tmp_path: Path, finished_run: Path) -> None:
    run = tmp_path / "a<b>&'\"c"
    finished_run.rename(run)
    config = read_json(run / "config.json")
    config["device"], config["reskin"], config["method"] = ATTACK, ATTACK, ATTACK
    config["settings"]["method"][ATTACK] = ATTACK
    config["settings"]["data"]["a"] = ATTACK
    config["settings"][ATTACK] = {ATTACK: [ATTACK]}
    config["data"] = ATTACK
    write_json(run / "config.json", config)
    append_line(run / "losses.jsonl", {"step": 400, "losses": {ATTACK: 1.0}})
    append_line(
        run / "scores.jsonl",
        {
            "step": 400,
            "time": ATTACK,
            "settings": {ATTACK: ATTACK},
            "scores": {ATTACK: {"value": 1, "better": ATTACK, "count": ATTACK, "note": ATTACK}},
        },
    )
    facts = read_json(run / "samples" / "00000400.json")
    write_json(run / "samples" / "00000400.json", facts | {"rows": [ATTACK] * 6})
    (run / "log.txt").write_text(f"left out {ATTACK}\n")
    clip = write_video(tmp_path / "clip.mp4")
    page = Page(write_report(run, clips=[(ATTACK, clip, clip)], tables=[(ATTACK, [{ATTACK: ATTACK}])]))
    assert not page.open and len(page.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert all(image["src"] != "x" for image in page.all("img"))
    assert page.text.count("<script>alert(1)</script>") >= 10
    assert run.name in page.text


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "config.json", {"method": "cyclegan"})
    page = Page(write_report(tmp_path / "new"))
    for text in ("No step has been logged yet", "No sample pictures yet", "No scores yet", "No losses yet"):
        assert text in page.text
    assert "Nothing was left out" in page.text and "reskin train cyclegan" in page.text
    assert "reskin translate" not in page.text  # there is no checkpoint to translate with


def test_what_the_monitor_found_is_told(finished_run: Path) -> None:
    before = Page(write_report(finished_run))
    assert not any(link["href"] == "#health" for link in before.all("a"))
    found = {
        "step": 120,
        "kind": "copy",
        "is_over": False,
        "text": "the output equals the input",
        "numbers": {},
    }
    append_line(finished_run / "health.jsonl", found | {"advice": f"Lower --cycle-weight. {ATTACK}"})
    over = {"text": "it is over that the output equals the input", "advice": "", "is_over": True}
    append_line(finished_run / "health.jsonl", found | {"step": 300} | over)
    page = Page(write_report(finished_run))
    assert "Step 120: the output equals the input. Lower --cycle-weight." in page.text
    assert "Step 300: it is over that the output equals the input. " in page.text
    assert any(link["href"] == "#health" for link in page.all("a")) and len(page.all("script")) == 1


def test_half_written_files_are_no_error(finished_run: Path) -> None:
    with open(finished_run / "losses.jsonl", "a") as file:
        file.write('{"step": 401, "losses": {"cyc')
    (finished_run / "samples" / "00000266.json").unlink()
    (finished_run / "samples" / "00000133.png").write_bytes(b"\x89PNG cut")
    page = Page(write_report(finished_run))
    assert "shown without titles" in page.text and "a sample grid is not shown" in page.text
    assert len([figure for figure in page.all("figure") if "data-step" in figure]) == 2


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not there"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(RunError, match="no run folder"):
        write_report(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunError, match="readable JSON"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_old_page_survives_a_failure(finished_run: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("old")
    with pytest.raises(VideoError):
        write_report(finished_run, target, clips=[("x", tmp_path / "none.mp4", tmp_path / "none.mp4")])
    assert target.read_text() == "old" and sorted(path.name for path in tmp_path.glob("*.part")) == []
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError):
        write_report(finished_run, blocked / "page.html")


def test_videos_are_embedded_as_they_are(finished_run: Path, tmp_path: Path) -> None:
    before, after = write_video(tmp_path / "in.mp4"), write_video(tmp_path / "out.mp4", frames=8)
    page = Page(write_report(finished_run, clips=[("Clip", before, after)]))
    sources = [str(video["src"]).split(",", 1)[1] for video in page.all("video")]
    assert [base64.b64decode(source) for source in sources] == [before.read_bytes(), after.read_bytes()]


def test_a_large_or_foreign_video_is_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = write_video(tmp_path / "clip.mkv", size=(32, 24))
    video = media.embed_video(foreign)
    assert video.size == (32, 24) and "clip.mkv is shown in a version made for browsers" in video.note
    odd = media.embed_video(
        write_video(tmp_path / "odd.mp4", size=(33, 25))
    )  # 4:4:4, which few browsers play
    assert odd.size[0] % 2 == 0 and odd.note
    monkeypatch.setattr(media, "VIDEO_BYTES", 10)
    monkeypatch.setattr(media, "_SMALL_SIDE_PX", 16)
    assert media.embed_video(write_video(tmp_path / "big.mp4")).size == (16, 12)


def test_many_grids_are_thinned(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_GRIDS", 2)
    page = Page(write_report(finished_run))
    steps = [figure["data-step"] for figure in page.all("figure") if "data-step" in figure]
    assert steps == ["133", "400"] and "2 of 3 sample grids are shown" in page.text


def test_heavy_grids_are_compressed(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (192, 128, 3), dtype=np.uint8)
    write_image(finished_run / "samples" / "00000400.png", noise)
    sizes = [path.stat().st_size for path in sorted((finished_run / "samples").glob("*.png"))]
    assert sizes[2] > 1.2 * max(sizes[:2])
    monkeypatch.setattr(media, "GRIDS_BYTES", 3 * max(sizes[:2]))
    sources = [str(image["src"]) for image in Page(write_report(finished_run)).all("img")]
    assert [source[:15] for source in sources] == ["data:image/png;", "data:image/png;", "data:image/webp"]


def test_settings_that_differ_are_marked(finished_run: Path) -> None:
    source = Page(write_report(finished_run)).source
    rows = re.findall(r'<tr( class="changed")?><th scope="row">(\w+)</th>', source)
    changed = {name for mark, name in rows if mark}
    assert changed == {"identity_weight", "width", "blocks", "learning_rate", "batch", "steps", "ema"}
    assert "default 64" in source and "Channels after the first layer" in source
