"""The report of a run: one HTML file that opens from disk, with no server and no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from reskin.data.batches import DataConfig
from reskin.errors import ReskinError
from reskin.methods import find
from reskin.pages import report_page as page
from reskin.pages.markup import Markup, group, tag
from reskin.pages.media import embed_grids, embed_video
from reskin.runs.folder import RunFolder
from reskin.runs.record import RunRecord, read_run
from reskin.storage import commit
from reskin.version import __version__


def write_report(
    run: Path | str,
    out: Path | str | None = None,
    *,
    clips: Sequence[tuple[str, Path, Path]] = (),
    tables: Sequence[tuple[str, Sequence[Mapping[str, Any]]]] = (),
) -> Path:
    """Write the page of a run; what the run does not have yet is told in a sentence.

    Args:
        run: the run folder.
        out: the page; by default report.html in the run folder.
        clips: (title, input video, output video), to be played side by side.
        tables: (title, rows), each row a mapping of column to value, shown with the scores.

    Returns:
        The page's path.

    Raises:
        RunError: `run` is no run folder.
        VideoError: a video of `clips` cannot be read.
        StorageError: the disk refuses the write.
    """
    record = read_run(Path(run))
    target = Path(out) if out is not None else RunFolder(record.folder).report
    with commit(target) as temporary:
        temporary.write_text(_render(record, clips, tables), encoding="utf-8")
    return target


def _render(
    run: RunRecord,
    clips: Sequence[tuple[str, Path, Path]],
    tables: Sequence[tuple[str, Sequence[Mapping[str, Any]]]],
) -> str:
    """The whole page."""
    notes = list(run.notes)
    title = run.folder.absolute().name or "run"
    findings = _findings(run)
    sections = [
        _video_section(clips, notes),
        _sample_section(run, notes),
        _score_section(run, tables),
        _health_section(findings),
        _loss_section(run),
        page.section("settings", "Settings", page.settings_tables(run, _fields(run, notes))),
        page.section("next", "Next", page.commands(run)),
        page.section("notes", "Left out", page.notes_list(notes)),
    ]
    links = {
        "video": "Video",
        "samples": "Pictures",
        "scores": "Scores",
        "health": "Health",
        "losses": "Losses",
        "settings": "Settings",
        "next": "Next",
        "notes": "Left out",
    }
    absent = {key for key, there in (("video", clips), ("health", findings)) if not there}
    navigation = [tag("a", text, href=f"#{key}") for key, text in links.items() if key not in absent]
    button = tag("button", "Light / dark", type="button", class_="theme")
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("nav", tag("div", *navigation, button), aria_label="Parts of the report"),
        tag("main", page.heading(run, title), *sections, id="content"),
        tag("footer", f"Written by reskin {__version__}; trained with {run.config.get('reskin', '?')}."),
        tag("script", _asset("report.js")),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy()),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · reskin"),
        tag("style", _asset("report.css")),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _asset(name: str) -> Markup:
    """A file that comes with the package; it must not end the element that it stands in."""
    text = files("reskin.pages").joinpath(name).read_text(encoding="utf-8")
    assert "</" not in text, f"{name} would end its element"
    return Markup(text)


def _policy() -> str:
    """What the page may load: our one script and what is written into the page; nothing from outside."""
    digest = base64.b64encode(hashlib.sha256(_asset("report.js").encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; media-src data:; script-src 'sha256-{digest}'; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


def _video_section(clips: Sequence[tuple[str, Path, Path]], notes: list[str]) -> Markup | None:
    if not clips:
        return None
    players = []
    for title, before, after in clips:
        videos = [embed_video(Path(path)) for path in (before, after)]
        notes += [video.note for video in videos if video.note]
        players.append(page.video_player(title, *videos))
    return page.section("video", "Video", *players, lead="Input and output play together.")


def _sample_section(run: RunRecord, notes: list[str]) -> Markup:
    grids = embed_grids(run.grids, notes)
    if not grids:
        text = "No sample pictures yet: the first come while it trains."
        return page.section("samples", "Pictures", page.empty(text))
    lead = "The same held-out pictures, drawn again and again while it learned."
    return page.section("samples", "Pictures", page.samples(grids), lead=lead)


def _score_section(run: RunRecord, tables: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> Markup:
    known = page.scores(run) if run.scores else None
    extra = group(*(page.free_table(title, rows) for title, rows in tables))
    if known is None and not tables:
        known = page.empty("No scores yet: `reskin evaluate` writes them.")
    return page.section("scores", "Scores", known, extra)


def _findings(run: RunRecord) -> list[str]:
    """What the health monitor found while the run trained, a line each."""
    return [f"Step {found.step}: {found.text}. {found.advice}".rstrip() for found in run.findings]


def _health_section(findings: Sequence[str]) -> Markup | None:
    if not findings:
        return None
    lead = "What the monitor found while it trained, and what to turn."
    return page.section("health", "Health", page.notes_list(findings), lead=lead)


def _loss_section(run: RunRecord) -> Markup:
    if not run.losses:
        text = "No losses yet: the first line comes while it trains."
        return page.section("losses", "Losses", page.empty(text))
    lead = "Smoothed over a fiftieth of the run; the band is the spread of the single values."
    return page.section("losses", "Losses", page.loss_charts(run), lead=lead)


def _fields(run: RunRecord, notes: list[str]) -> dict[str, Mapping[str, FieldInfo]]:
    """The fields of the settings' models, for meaning and defaults."""
    fields: dict[str, Mapping[str, FieldInfo]] = {"data": DataConfig.model_fields}
    try:
        fields["method"] = find(run.method).Config.model_fields
    except ReskinError as error:
        notes.append(f"the meaning of the method's settings is not shown: {error}")
    return fields
