"""The report: one file, nothing from outside, every text escaped, a sentence where something is missing."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
from collections import Counter
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reskin.errors import RunError, StorageError, VideoError
from reskin.images import write_image
from reskin.methods import find_trained, trained_names
from reskin.pages import media
from reskin.pages.report import Table, write_report
from reskin.pages.summary import summary
from reskin.runs.record import read_run
from reskin.runs.settings import TrainConfig
from reskin.storage import append_line, read_json, write_json
from reskin.video.writer import VideoWriter

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
ATTACKS = (
    ATTACK,
    "</title></style><script>alert(1)</script>",
    "{{ 7 * 7 }}{% for a in () %}{# <script>alert(1)</script>",
    "javascript:alert(1)//<script>alert(1)</script>",
    "' onload='alert(1)' x='<script>alert(1)</script>",
    "<!--<script>alert(1)</script>&lt;&#60;\u202e\x01",
)
EMPTY_TAGS = {"img", "input", "meta"}
DRAWN = {"svg", "g", "path", "line", "text", "circle"}
KNOWN_TAGS = DRAWN | {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "nav",
        "main",
        "header",
        "footer",
        "section",
        "script",
    ),
    *("a", "div", "p", "h1", "h2", "h3", "dl", "dt", "dd", "ol", "ul", "li", "b", "span", "small", "code"),
    *("figure", "figcaption", "img", "canvas", "video", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("button", "input", "output", "label", "select", "option"),
}
"""What our templates are made of; anything else was made by a name."""


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
    for text in (
        "4.4 dB closer",
        "CycleGAN learned",
        ", without paired examples.",
        "400 of 400",
        "CPU (2 threads)",
        "real_vs_fake",
        "bad.png",
    ):
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


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.thinned(3)
def test_hostile_names_stay_text(tmp_path: Path, finished_run: Path, attack: str) -> None:
    run = tmp_path / "a<b>&'\"c"
    finished_run.rename(run)
    config = read_json(run / "config.json")
    config["device"], config["reskin"], config["method"] = attack, attack, attack
    config["settings"]["method"][attack] = attack
    config["settings"]["data"]["a"] = attack
    config["settings"][attack] = {attack: [attack]}
    config["data"] = attack
    write_json(run / "config.json", config)
    append_line(run / "losses.jsonl", {"step": 400, "losses": {attack: 1.0}})
    append_line(run / "losses.jsonl", {"step": 400, "held_out": {attack + "2": 1.0}})
    found = {"step": 1, "kind": "copy", "is_over": False, "numbers": {}, "text": attack, "advice": attack}
    append_line(run / "health.jsonl", found)
    structured = {
        "metric": attack,
        "direction": attack,
        "subject": "output",
        "unit": attack,
        "better": attack,
    }
    structured |= {"note": attack, "value": None, "count": attack, "pictures": [[attack, 1.0]] * 9}
    append_line(
        run / "scores.jsonl",
        {
            "step": 400,
            "time": attack,
            "settings": {attack: attack},
            "scores": {
                attack: {"value": 1, "better": attack, "count": attack, "note": attack},
                "x": structured,
            },
        },
    )
    facts = read_json(run / "samples" / "00000400.json")
    write_json(run / "samples" / "00000400.json", facts | {"rows": [attack] * 6})
    (run / "log.txt").write_text(f"left out {attack}\n")
    clip = write_video(tmp_path / "clip.mp4")
    page = Page(write_report(run, clips=[(attack, clip, clip)], tables=[(attack, [{attack: attack}])]))
    assert not page.open and len(page.all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert {tag for tag, _ in page.elements} <= KNOWN_TAGS
    assert all(str(image["src"]).startswith("data:") for image in page.all("img"))
    shown = attack.replace("\x01", "\ufffd") if "\x01" in attack and attack not in page.text else attack
    assert page.text.count(shown) >= 20
    assert run.name in page.text


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "config.json", {"method": "cyclegan"})
    page = Page(write_report(tmp_path / "new"))
    for text in ("No step has been logged yet", "No samples yet", "No scores yet", "No losses yet"):
        assert text in page.text
    assert "Nothing was left out" in page.text and "reskin train cyclegan" in page.text
    assert "reskin translate" not in page.text  # there is no checkpoint to translate with


def test_what_the_monitor_found_is_there(finished_run: Path) -> None:
    before = Page(write_report(finished_run))
    assert not any(link["href"] == "#health" for link in before.all("a"))
    copies = {"kind": "copy", "is_over": False, "text": "the output equals the input", "numbers": {}}
    append_line(
        finished_run / "health.jsonl", {"step": 120, "advice": f"Lower --cycle-weight. {ATTACK}"} | copies
    )
    over = {"text": "it is over that the output equals the input", "advice": "", "is_over": True}
    append_line(finished_run / "health.jsonl", copies | {"step": 1300} | over)
    append_line(finished_run / "health.jsonl", copies | {"step": 1400, "advice": "Stop."})
    page = Page(write_report(finished_run))
    words = " ".join(page.text.split())
    assert "Step 1,400 to the end the output equals the input Stop. Step 120 over since step 1,300" in words
    assert f"the output equals the input Lower --cycle-weight. {ATTACK}" in words
    assert any(link["href"] == "#health" for link in page.all("a")) and len(page.all("script")) == 1


def test_half_written_files_are_no_error(finished_run: Path) -> None:
    with open(finished_run / "losses.jsonl", "a") as file:
        file.write('{"step": 401, "losses": {"cyc')
    (finished_run / "samples" / "00000266.json").unlink()
    (finished_run / "samples" / "00000133.png").write_bytes(b"\x89PNG cut")
    page = Page(write_report(finished_run))
    assert "shown without titles" in page.text and "a sample grid is not shown" in page.text
    assert len([figure for figure in page.all("figure") if "data-step" in figure]) == 2


def test_the_title_is_what_is_given_and_squares_are_explained(finished_run: Path) -> None:
    page = write_report(finished_run).read_text()
    assert f"<h1>{finished_run.name}</h1>" in page and "resized to a square" not in page
    config = read_json(finished_run / "config.json")
    config["settings"]["data"]["preprocess"] = "resize_and_crop"
    write_json(finished_run / "config.json", config)
    page = write_report(finished_run, title="film in the look of game").read_text()
    assert "<h1>film in the look of game</h1>" in page and "resized to a square" in page


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


def changed_settings(page: Page) -> set[str]:
    """The settings that a page marks as different from their defaults."""
    rows = re.findall(r'<tr( class="changed")?>\s*<th scope="row">(\w+)</th>', page.source)
    assert rows
    return {name for mark, name in rows if mark}


def test_settings_that_differ_are_marked(finished_run: Path) -> None:
    page = Page(write_report(finished_run))
    expected = {"identity_weight", "width", "blocks", "learning_rate", "batch", "steps", "ema"}
    assert changed_settings(page) == expected
    assert "default 64" in page.text and "Channels after the first layer" in page.text
    assert "Everything random follows from this number and the" in page.text  # of the training group too


def test_defaults_of_runs_that_do_not_record_them(finished_run: Path) -> None:
    config = read_json(finished_run / "config.json")
    del config["defaults"]
    write_json(finished_run / "config.json", config)
    expected = {"identity_weight", "width", "blocks", "learning_rate", "batch", "steps", "ema", "size"}
    assert changed_settings(Page(write_report(finished_run))) <= expected
    method = find_trained("grade")
    key, value = next(
        (key, value) for key, value in method.defaults.items() if key in TrainConfig.model_fields
    )
    settings = {
        "train": {key: value},
        "method": config["settings"]["method"],
        "data": config["settings"]["data"],
    }
    write_json(finished_run / "config.json", config | {"method": "grade", "settings": settings})
    assert key not in changed_settings(Page(write_report(finished_run)))


def test_paired_methods_are_not_said_to_learn_without_pairs(finished_run: Path) -> None:
    config = read_json(finished_run / "config.json")
    for name in trained_names():
        write_json(finished_run / "config.json", config | {"method": name})
        words = summary(read_run(finished_run))
        assert words.startswith(f"{find_trained(name).title} learned")
        assert ("without paired examples" in words) == (find_trained(name).pairing == "unpaired")


def test_held_out_losses_are_drawn_beside_those_of_training(finished_run: Path) -> None:
    append_line(finished_run / "losses.jsonl", {"step": 500, "held_out": {"only <here>": 2.0}})
    page = Page(write_report(finished_run))
    groups = [attributes for tag, attributes in page.elements if tag == "g"]
    by_kind = Counter(str(group["class"]) for group in groups)
    assert by_kind == {"series training": 4, "series held-out": 3}
    assert len(page.all("svg")) == 5 and "only <here>" in page.text
    assert all(svg["data-last"] == "500" for svg in page.all("svg"))
    unseen = next(str(group["data-points"]) for group in groups if group["class"] == "series held-out")
    assert len(unseen.split()) == 10 and unseen.split()[-1].startswith("400:")


def test_a_table_from_outside_has_a_note_and_every_column(finished_run: Path) -> None:
    rows: list[dict[str, Any]] = [{"name": "x", "value": 0.25}, {"name": "y", "other": True}]
    page = Page(write_report(finished_run, tables=[Table("Title", rows, "Why & how"), ("Plain", [{"k": 1}])]))
    words = " ".join(page.text.split())
    assert "Title Why & how name value other x 0.25 – y – yes" in words and "Plain k 1" in words


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be made there")
def test_a_name_that_is_no_utf8(finished_run: Path, tmp_path: Path) -> None:
    strange = tmp_path / os.fsdecode(b"run-\xff")
    finished_run.rename(strange)
    assert "reskin translate" in Page(write_report(strange)).text
