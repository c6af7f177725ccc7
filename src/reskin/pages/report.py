"""The report of a run: one HTML file that opens from disk, with no server and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from reskin.pages.charts import Chart, loss_chart, prepare
from reskin.pages.media import EmbeddedVideo, embed_grids, embed_video
from reskin.pages.scores import ScoreTable, score_table
from reskin.pages.settings import in_text, next_commands, setting_groups
from reskin.pages.shell import render, write_page
from reskin.pages.summary import summary, tiles
from reskin.runs.findings import Finding
from reskin.runs.folder import RunFolder
from reskin.runs.record import RunRecord, read_run

_MOST_NOTES = 30


class Table(NamedTuple):
    """A table handed in from outside.

    Attributes:
        title: above it.
        rows: each a mapping of column to value; columns stand in the order of their first appearance.
        note: a sentence above it.
    """

    title: str
    rows: Sequence[Mapping[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class _Player:
    title: str
    before: EmbeddedVideo
    after: EmbeddedVideo


@dataclass(frozen=True)
class _TextTable:
    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class _Trouble:
    """A finding and the step since which it is over, None while it is not."""

    found: Finding
    over_at: int | None


def write_report(
    run: Path | str,
    out: Path | str | None = None,
    *,
    clips: Sequence[tuple[str, Path, Path]] = (),
    tables: Sequence[Table | tuple[str, Sequence[Mapping[str, Any]]]] = (),
    title: str = "",
) -> Path:
    """Write the page of a run; where the run has something not yet, a sentence says so.

    Args:
        run: the run folder.
        out: the page; by default report.html in the run folder.
        clips: (title, input video, output video), to be played together.
        tables: shown with the scores: (title, rows) or `Table`.
        title: of the page; by default the name of the run folder.

    Returns:
        The page's path.

    Raises:
        RunError: `run` is no run folder.
        VideoError: a video of `clips` cannot be read.
        StorageError: the disk refuses the write.
    """
    record = read_run(Path(run))
    target = Path(out) if out is not None else RunFolder(record.folder).report
    title = title or record.folder.absolute().name or "run"
    return write_page(target, _render(record, clips, [Table(*table) for table in tables], title))


def _render(
    run: RunRecord, clips: Sequence[tuple[str, Path, Path]], tables: Sequence[Table], title: str
) -> str:
    """The whole page."""
    notes = list(run.notes)
    players = _players(clips, notes)
    grids = embed_grids(run.grids, notes)
    groups = setting_groups(run, notes)
    troubles = _troubles(run.findings)
    links = [
        ("video", "Video", bool(players)),
        ("samples", "Samples", True),
        ("scores", "Scores", True),
        ("health", "Health", bool(troubles)),
        ("losses", "Losses", True),
        ("settings", "Settings", True),
        ("next", "Next", True),
        ("notes", "Left out", True),
    ]
    scores, lead = _scores(run)
    return render(
        "report.html",
        assets=("shell", "report"),
        title=title,
        summary=summary(run),
        links=[(key, text) for key, text, is_there in links if is_there],
        tiles=tiles(run),
        players=players,
        grids=grids,
        domain_of=domain_of,
        samples_lead=_samples_lead(run),
        scores=scores,
        scores_lead=lead,
        tables=[_as_text(table) for table in tables],
        troubles=troubles,
        charts=_charts(run),
        has_held_out=bool(run.held_out),
        groups=groups,
        commands=next_commands(run),
        notes=notes[:_MOST_NOTES],
        more_notes=max(0, len(notes) - _MOST_NOTES),
        trained_with=str(run.config.get("reskin", "?")),
    )


def _players(clips: Sequence[tuple[str, Path, Path]], notes: list[str]) -> list[_Player]:
    players = []
    for title, before, after in clips:
        player = _Player(title, embed_video(Path(before)), embed_video(Path(after)))
        notes += [video.note for video in (player.before, player.after) if video.note]
        players.append(player)
    return players


def _samples_lead(run: RunRecord) -> str:
    """What the samples are, and why they may look narrow or wide."""
    lead = "Held-out images and their translations while it trained; the images stay the same."
    if run.setting("data", "preprocess") != "resize_and_crop":
        return lead
    return f"{lead} They are shown resized to a square, as the model sees images in training."


def domain_of(title: str) -> str:
    """The domain whose look a row of samples has: that of the last letter of its title.

    >>> domain_of("A → B"), domain_of("A"), domain_of("mask")
    ('b', 'a', '')
    """
    return {"A": "a", "B": "b"}.get(title.strip()[-1:], "")


def _scores(run: RunRecord) -> tuple[ScoreTable | None, str]:
    """The last scores, and in words what was measured and how."""
    if not run.scores:
        return None, ""
    line = run.scores[-1]
    parts = [f"Checkpoint of step {line['step']:,}"]
    parts += [f"measured {str(line['time'])[:16].replace('T', ' ')}"] if line.get("time") else []
    settings = line.get("settings")
    if isinstance(settings, Mapping):
        parts += [f"{key} {value}" for key, value in settings.items() if value is not None]
    return score_table(line["scores"]), " · ".join(parts)


def _as_text(table: Table) -> _TextTable:
    columns = list(dict.fromkeys(key for row in table.rows for key in row))
    rows = [[in_text(row.get(column)) for column in columns] for row in table.rows]
    return _TextTable(table.title, table.note, [str(column) for column in columns], rows)


def _troubles(findings: Sequence[Finding]) -> list[_Trouble]:
    """What the health monitor found, with the step in which it passed; the latest first."""
    troubles = []
    for number, found in enumerate(findings):
        if not found.is_over:
            later = (one for one in findings[number + 1 :] if one.kind == found.kind and one.is_over)
            over = next(later, None)
            troubles.append(_Trouble(found, None if over is None else over.step))
    return troubles[::-1]


def _charts(run: RunRecord) -> list[Chart]:
    """A chart for every loss, all over the same steps."""
    last = max([run.last_step, *(steps[-1] for steps, _ in run.held_out.values())])
    charts = []
    for name in dict.fromkeys([*run.losses, *run.held_out]):
        training, held_out = run.losses.get(name), run.held_out.get(name)
        charts.append(
            loss_chart(
                name,
                prepare(*training) if training else None,
                prepare(*held_out, is_smoothed=False) if held_out else None,
                last,
            )
        )
    return charts
