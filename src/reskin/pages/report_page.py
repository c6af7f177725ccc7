"""The sections of a report; every text from a run, a file or a name goes through `tag`, which escapes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from reskin.pages import curves
from reskin.pages.markup import Markup, group, tag
from reskin.pages.media import EmbeddedGrid, EmbeddedVideo
from reskin.pages.scores_table import score_table, verdict
from reskin.runs.folder import RunFolder
from reskin.runs.record import RunRecord

_TITLES = {"cyclegan": "CycleGAN"}
_DESCRIBED = {"method": "Method", "data": "Data", "train": "Training"}


def heading(run: RunRecord, title: str) -> Markup:
    """Name of the run, what happened in plain words, and the main facts."""
    tiles = {
        "Method": method_title(run),
        "Steps": f"{run.last_step:,}" + (f" of {run.steps:,}" if run.steps else ""),
        "Time": duration(run.seconds) if run.seconds is not None else "not recorded",
        "Device": str(run.config.get("device", "not recorded")),
    }
    if run.seconds and run.last_step:
        tiles["Speed"] = f"{run.last_step / run.seconds:.3g} steps/s"
    if pictures := _pictures(run):
        tiles["Pictures"] = pictures
    return tag(
        "header",
        tag("p", "reskin report", class_="brand"),
        tag("h1", title),
        tag("p", summary(run), class_="summary"),
        tag(
            "dl",
            [tag("div", tag("dt", key), tag("dd", value)) for key, value in tiles.items()],
            class_="tiles",
        ),
    )


def method_title(run: RunRecord) -> str:
    """The method's name as its paper writes it, where that is known."""
    return _TITLES.get(run.method, run.method)


def summary(run: RunRecord) -> str:
    """What was trained on what, for how long, and how good it is: a few plain sentences."""
    a, b = (str(run.setting("data", side) or f"side {side.upper()}") for side in ("a", "b"))
    both = len(run.config.get("directions") or ()) != 1
    way = "and back" if both else "one way"
    text = [
        f"{method_title(run)} learned to give A ({a}) the look of B ({b}), {way}, without paired examples."
    ]
    if not run.last_step:
        text.append("No step has been logged yet.")
    elif run.steps and run.last_step < run.steps:
        share = 100 * run.last_step / run.steps
        text.append(f"It is {share:.0f} % done; the command at the end of this page goes on.")
    else:
        took = f" in {duration(run.seconds)}" if run.seconds is not None else ""
        text.append(f"All {run.last_step:,} steps are done{took}.")
    if run.scores:
        text.append(verdict(run.scores[-1]["scores"]))
    return " ".join(filter(None, text))


def _pictures(run: RunRecord) -> str:
    """Pictures of each side, as far as the run tells."""
    data = run.config.get("data")
    if isinstance(data, str):
        return data
    found = data.get("pictures") if isinstance(data, dict) else None
    if isinstance(found, dict):
        return ", ".join(f"{side.upper()} {count}" for side, count in found.items())
    return f"{found:,}" if isinstance(found, int) else ""


def duration(seconds: float) -> str:
    """A length of time for people.

    >>> duration(42.3), duration(312), duration(93_600)
    ('42 s', '5 min 12 s', '26 h 0 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def section(key: str, title: str, *children: Any, lead: str = "") -> Markup:
    """A part of the page with a heading that the navigation leads to."""
    return tag(
        "section",
        tag("h2", title, id=f"{key}-title"),
        tag("p", lead, class_="lead") if lead else None,
        *children,
        id=key,
        aria_labelledby=f"{key}-title",
    )


def empty(text: str) -> Markup:
    """A sentence in place of something that is not there yet."""
    return tag("p", text, class_="empty")


def video_player(title: str, before: EmbeddedVideo, after: EmbeddedVideo) -> Markup:
    """Input and output played together, side by side or one over the other."""

    def shown(kind: str, name: str, video: EmbeddedVideo) -> Markup:
        player = tag(
            "video",
            src=video.source,
            controls=True,
            muted=True,
            playsinline=True,
            preload="auto",
            loop=True,
            aria_label=f"{title}: {name.lower()}",
        )
        return tag("div", player, tag("span", name, class_=f"chip {kind}"), class_=f"pane {kind}")

    width, height = after.size
    return tag(
        "div",
        tag("h3", title),
        tag(
            "div",
            shown("before", "Input", before),
            shown("after", "Output", after),
            tag("div", class_="handle", aria_hidden="true"),
            tag(
                "input",
                type="range",
                min=0,
                max=1000,
                value=500,
                class_="wiper",
                aria_label="Share of the input that is shown",
            ),
            class_="stage side",
            style=f"--ratio:{width}/{height};--native:{width}px",
        ),
        _video_controls(after.has_sound),
        class_="player",
        data_rate=f"{after.frame_rate:.6g}",
    )


def _video_controls(has_sound: bool) -> Markup:
    """Buttons that play, move through and show two videos as one."""
    modes = [("side", "Side by side"), ("wipe", "Slider"), ("after", "Output only")]
    return tag(
        "div",
        tag("button", "Play", type="button", class_="play primary"),
        tag("input", type="range", min=0, max=1000, value=0, step=1, class_="scrub", aria_label="Time"),
        tag("output", "0:00.0", class_="clock"),
        tag("button", "‹", type="button", class_="back", aria_label="One frame back"),
        tag("button", "›", type="button", class_="on", aria_label="One frame on"),
        tag(
            "label",
            "Speed ",
            tag(
                "select",
                [
                    tag("option", f"{rate}×", value=rate, selected=rate == "1")
                    for rate in ("0.25", "0.5", "1", "2")
                ],
            ),
        ),
        tag("button", "Sound off", type="button", class_="sound", aria_pressed="false")
        if has_sound
        else None,
        _choice("View", modes, "side"),
        class_="controls",
    )


def _choice(name: str, options: Sequence[tuple[str, str]], chosen: str) -> Markup:
    buttons = [
        tag("button", text, type="button", value=value, aria_pressed="true" if value == chosen else "false")
        for value, text in options
    ]
    return tag("div", *buttons, class_="choice", role="group", aria_label=name)


def samples(grids: Sequence[EmbeddedGrid]) -> Markup:
    """Held-out pictures over the course of the training, and one of them before and after."""
    last = len(grids) - 1
    figures = [_grid_figure(grid, index == last) for index, grid in enumerate(grids)]
    steps = [grid.grid.step for grid in grids]
    control = tag(
        "div",
        tag("button", "Play", type="button", class_="play primary"),
        tag("input", type="range", min=0, max=last, value=last, step=1, class_="scrub", aria_label="Step"),
        tag("output", f"step {steps[-1]:,}", class_="clock"),
        class_="controls time",
        hidden=last == 0,
    )
    return tag("div", control, _comparer(), tag("div", *figures, class_="grids"), class_="samples")


def _comparer() -> Markup:
    """The viewer that script fills with cells of the grids; without script it stays hidden."""
    canvases = [tag("canvas", class_="under"), tag("canvas", class_="over")]
    return tag(
        "div",
        tag(
            "div",
            *canvases,
            tag("div", class_="handle", aria_hidden="true"),
            tag("span", class_="chip before"),
            tag("span", class_="chip after"),
            tag(
                "input",
                type="range",
                min=0,
                max=1000,
                value=500,
                class_="wiper",
                aria_label="Share of the original that is shown",
            ),
            class_="wipe",
        ),
        tag(
            "div",
            tag("div", class_="choice pairs", role="group", aria_label="What is compared"),
            tag("div", class_="thumbs", role="group", aria_label="Picture"),
            tag("p", "Drag over the picture, or use the arrow keys.", class_="hint"),
        ),
        class_="comparer",
        hidden=True,
    )


def _grid_figure(embedded: EmbeddedGrid, is_shown: bool) -> Markup:
    grid, (width, height) = embedded.grid, embedded.size
    titles = [tag("span", title, class_=f"row-title {side_of(title)}") for title in grid.rows]
    described = f"Sample grid at step {grid.step:,}" + (f": rows {', '.join(grid.rows)}" if grid.rows else "")
    return tag(
        "figure",
        tag("div", *titles, class_="row-titles", style=f"--rows:{max(1, len(titles))}") if titles else None,
        tag("img", src=embedded.source, alt=described, width=width, height=height, decoding="async"),
        tag("figcaption", f"Step {grid.step:,}"),
        class_="grid",
        hidden=not is_shown,
        data_step=grid.step,
        data_rows="|".join(title.replace("|", "/") for title in grid.rows),
        data_columns=grid.columns,
    )


def side_of(title: str) -> str:
    """The side whose look a row of pictures has: that of the last letter of its title."""
    return {"A": "a", "B": "b"}.get(title.strip()[-1:], "")


def loss_charts(run: RunRecord) -> Markup:
    """A chart for every loss, all over the same steps."""
    drawn = [
        curves.draw(name, curves.prepare(steps, values), run.last_step)
        for name, (steps, values) in run.losses.items()
    ]
    return tag("div", *drawn, class_="charts")


def scores(run: RunRecord) -> Markup:
    """The last scores with their references."""
    line = run.scores[-1]
    parts = [f"Checkpoint of step {line['step']:,}"] if isinstance(line.get("step"), int) else []
    parts += [f"measured {str(line['time'])[:16].replace('T', ' ')}"] if line.get("time") else []
    settings = line.get("settings")
    if isinstance(settings, Mapping):
        parts += [f"{key} {value}" for key, value in settings.items() if value is not None]
    return group(tag("p", " · ".join(parts), class_="lead") if parts else None, score_table(line["scores"]))


def free_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Markup:
    """A table handed in from outside: one row per mapping, columns in order of first sight."""
    columns = list(dict.fromkeys(str(key) for row in rows for key in row))
    by_name = [{str(key): value for key, value in row.items()} for row in rows]
    body = [
        tag("tr", [tag("td", shown(row.get(column)), data_label=column) for column in columns])
        for row in by_name
    ]
    head = tag("tr", [tag("th", column, scope="col") for column in columns])
    return group(
        tag("h3", title),
        tag("div", tag("table", tag("thead", head), tag("tbody", *body), class_="free"), class_="scroll"),
    )


def shown(value: Any) -> str:
    """A value of a setting or table as text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(shown(part) for part in value)
    return str(value)


def settings_tables(run: RunRecord, models: Mapping[str, Mapping[str, FieldInfo]]) -> Markup:
    """Every setting with its meaning; what differs from the default is marked.

    Args:
        run: whose settings to show.
        models: group to the fields of its model, as far as they are known.
    """
    stated = run.config.get("defaults")
    stated = stated if isinstance(stated, dict) else {}
    tables = []
    for name, values in run.settings.items():
        fields = models.get(name, {})
        own = stated.get(name)
        defaults = dict(own) if isinstance(own, dict) else _defaults(fields)
        rows = [_setting(key, value, defaults, fields.get(key)) for key, value in values.items()]
        changed = sum(1 for key, value in values.items() if key in defaults and defaults[key] != value)
        count = f"{changed} changed" if changed else "all as by default" if defaults else ""
        tables.append(
            tag(
                "details",
                tag("summary", _DESCRIBED.get(name, name), tag("span", count, class_="count")),
                tag("div", tag("table", tag("tbody", *rows), class_="settings"), class_="scroll"),
                open=True,
            )
        )
    return group(*tables)


def _defaults(fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Defaults as JSON holds them; a required field has none."""
    values = {name: field.default for name, field in fields.items() if not field.is_required()}
    return {
        name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def _setting(name: str, value: Any, defaults: Mapping[str, Any], field: FieldInfo | None) -> Markup:
    differs = name in defaults and defaults[name] != value
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag(
            "td",
            tag("span", shown(value), class_="value"),
            tag("span", f"default {shown(defaults[name])}", class_="badge") if differs else None,
        ),
        tag("td", (field.description or "") if field else "", class_="meaning"),
        class_="changed" if differs else None,
    )


def commands(run: RunRecord) -> Markup:
    """What to type next, with buttons that copy it."""
    folder = shlex.quote(str(run.folder))
    a, b = (run.setting("data", side) for side in ("a", "b"))
    config = shlex.quote(str(RunFolder(run.folder).config))
    lines = {
        "Go on with the training": f"reskin train {shlex.quote(run.method)} --config {config} --out {folder}",
        "Translate a video, a picture or a folder": f"reskin translate {folder} clip.mp4 clip-translated.mp4",
    }
    if a and b:
        sides = f"--a {shlex.quote(str(a))} --b {shlex.quote(str(b))}"
        lines["Measure it"] = f"reskin evaluate {folder} {sides}"
    lines["Write this page again"] = f"reskin report {folder}"
    if not run.checkpoints:
        lines = {
            key: line for key, line in lines.items() if not line.startswith(("reskin tr", "reskin ev"))
        } | {"Train": lines["Go on with the training"]}
    return tag("dl", [_command(title, line) for title, line in lines.items()], class_="commands")


def _command(title: str, line: str) -> Markup:
    button = tag("button", "Copy", type="button", class_="copy", aria_label=f"Copy: {title}")
    return tag("div", tag("dt", title), tag("dd", tag("code", line), button))


def notes_list(notes: Sequence[str]) -> Markup:
    """What is not on the page, and what training left out."""
    if not notes:
        return empty("Nothing was left out.")
    most = 30
    more = [f"and {len(notes) - most:,} more; see log.txt"] if len(notes) > most else []
    return tag("ul", [tag("li", note) for note in [*notes[:most], *more]], class_="notes")
