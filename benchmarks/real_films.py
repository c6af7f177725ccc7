"""`reskin make` on pairs of real clips, measured and looked at: `make real-films`.

Writes docs/results/real_films.md (numbers) and, into the build folder, a contact sheet for each pair. The
clips come from
RESKIN_TEST_DATA, else from shared/data beside the repository; pictures of them are not committed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from reskin.curation.screen.light import BRIGHT, DARK, UNIFORM
from reskin.curation.screen.rule import PictureView
from reskin.evaluation.footage import CLIPPED_POINTS, EDGE_PX, KEPT_SHARE
from reskin.evaluation.pictures import resized
from reskin.evaluation.reinhard import Reinhard, measure
from reskin.images import Picture, to_tensor
from reskin.metrics.patch_swd import patch_distance, patches_of
from reskin.metrics.structure import structure
from reskin.spread import spread
from reskin.types import Bars
from reskin.video.bars import BorderFinder
from reskin.video.reader import VideoReader
from reskin.workflows.make import make

ROOT = Path(__file__).parents[1]
PAIRS = {
    "portrait → talking man": ("live/portrait_woman.mp4", "live/talking_man_portrait.mp4"),
    "talking man → portrait": ("live/talking_man_portrait.mp4", "live/portrait_woman.mp4"),
    "Sintel → voxel game": ("cg/film_sintel_cliff_audio.mp4", "cg/game_voxel_snow.mp4"),
    "black and white → colour": ("live/film_bw_audio.mp4", "live/talking_man_portrait.mp4"),
    "signer → Sintel": ("live/signer_woman.mkv", "cg/film_sintel_faces_audio.mp4"),
    "Sintel faces → portrait": ("cg/film_sintel_faces_audio.mp4", "live/portrait_woman.mp4"),
}
FRAMES, ROWS = 24, 5
STILL_LEVELS = 4
"""A place is still where the input changes by no more than this between two frames, in every channel."""


def main() -> None:
    """Make, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    # Steps, not minutes: the same on a machine that is busy.
    parser.add_argument("--steps", type=int, default=900, help="of training for each pair")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "real-films")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "real_films.md")
    parser.add_argument("--only", nargs="*", help="words of the pairs to make")
    given = parser.parse_args()
    data = Path(os.environ.get("RESKIN_TEST_DATA", ROOT.parent / "shared" / "data")) / "video"
    for name, (source, like) in PAIRS.items():
        if given.only and not any(word in name for word in given.only):
            continue
        out = given.build / name.replace(" → ", "-to-").replace(" ", "-")
        begun = time.process_time()
        made = make(data / source, data / like, out=out, steps=given.steps)
        spent = time.process_time() - begun
        row = measure_pair(data / source, data / like, made.translated)
        row |= {"steps": given.steps, "cpu_seconds": round(spent)} | choice_row(out)
        (given.build / f"{out.name}.json").write_text(json.dumps({"name": name, **row}), encoding="utf-8")
        draw_sheet(given.build / f"{out.name}.png", [data / source, made.translated, data / like])
        print(name, json.dumps(row), flush=True)
    measured = [json.loads(path.read_text()) for path in given.build.glob("*.json")]
    rows = {name: row for name in PAIRS for row in measured if row["name"] == name}
    given.page.write_text(page(rows), encoding="utf-8")


def choice_row(out: Path) -> dict[str, Any]:
    """What the table shows of the choice that `make` made by held-out frames."""
    choice = json.loads((out / "choice.json").read_text())
    held_out = {"input": "input", "reinhard": "reinhard", "output": choice["name"]}
    distances = {f"held_{key}": choice["measured"][of]["distance"] for key, of in held_out.items()}
    return {"method": choice["name"].replace("reinhard", "colour transfer")} | distances


def shows_nothing(picture: Picture) -> bool:
    """Whether `make` would not learn from this frame: black, white or one colour."""
    view = PictureView(picture)
    measured = [(rule, rule.measure(view)) for rule in (DARK, BRIGHT, UNIFORM) if rule.measure]
    return any(rule.is_bad(score, rule.threshold) for rule, score in measured)


def frames_of(path: Path, count: int = FRAMES) -> tuple[list[Picture], Bars]:
    """Evenly spread frames, and the borders of the film."""
    with VideoReader(path) as reader:
        wanted = spread(len(reader.times()), count)
        pictures = [frame.image for frame in reader.frames_at(wanted)]
    finder = BorderFinder()
    for picture in pictures:
        finder.add(picture)
    return pictures, finder.bars()


def inside(picture: Picture, bars: Bars, rim: int = 3) -> Picture:
    """The picture without its borders and their blurred rim."""
    left, top, right, bottom = (bar + rim if bar else 0 for bar in bars)
    return picture[top : picture.shape[0] - bottom, left : picture.shape[1] - right]


def measure_pair(source: Path, like: Path, made: Path) -> dict[str, float | str]:
    """Everything that the table shows."""
    before, bars = frames_of(source)
    after, _ = frames_of(made)
    target, target_bars = frames_of(like)
    changes = [
        np.abs(_outside(a, bars) - _outside(b, bars)).mean() for a, b in zip(before, after, strict=True)
    ]
    borders = float(max(changes))
    shown = [(b, a) for b, a in zip(before, after, strict=True) if not shows_nothing(inside(b, bars))]
    before, after = [inside(b, bars) for b, _ in shown], [inside(a, bars) for _, a in shown]
    target = [inside(p, target_bars) for p in target if not shows_nothing(inside(p, target_bars))]
    reinhard = Reinhard().fit(measure(target), measure(before))
    moved = [reinhard.transfer(picture) for picture in before]
    reference = patches_of([small(picture) for picture in target])
    row: dict[str, float | str] = {"borders": borders, "still": still_change(source, made, bars)}
    for key, pictures in (("input", before), ("reinhard", moved), ("output", after)):
        row[f"distance_{key}"] = patch_distance(patches_of([small(p) for p in pictures]), reference).mean
        kept = [structure(small(p), small(q)) for p, q in zip(pictures, before, strict=True)]
        row[f"structure_{key}"] = float(torch.cat(kept).mean())
        row[f"clipped_{key}"] = clipped(pictures)
    row["clipped_target"] = clipped(target)
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def small(picture: Picture) -> torch.Tensor:
    """At the size at which looks are compared."""
    return to_tensor(resized(picture, min(EDGE_PX, *picture.shape[:2])))


def clipped(pictures: list[Picture]) -> float:
    """Percent of pixels with a channel at black or white, to a level."""
    return 100 * float(np.mean([((p <= 1) | (p >= 254)).any(axis=2).mean() for p in pictures]))


def _outside(picture: Picture, bars: Bars) -> np.ndarray:
    """The pixels of the borders, as one column of levels."""
    left, top, right, bottom = bars
    mask = np.ones(picture.shape[:2], bool)
    mask[top : picture.shape[0] - bottom, left : picture.shape[1] - right] = False
    return picture[mask].astype(float) if mask.any() else np.zeros((1, 3))


def still_change(source: Path, made: Path, bars: Bars) -> float:
    """Mean change of the output between frames, where the input is still, over the input's own change
    there."""
    own = changed = 0.0
    with VideoReader(source) as one, VideoReader(made) as two:
        pairs = zip(_pairs(one), _pairs(two), strict=False)
        for (before, after), (made_before, made_after) in pairs:
            difference = np.abs(inside(after, bars).astype(int) - inside(before, bars))
            still = difference.max(axis=2) <= STILL_LEVELS
            if still.any():
                output = np.abs(inside(made_after, bars).astype(int) - inside(made_before, bars))
                own += float(difference[still].mean())
                changed += float(output[still].mean())
    return changed / max(own, 1e-6)


def _pairs(reader: VideoReader) -> Iterator[tuple[Picture, Picture]]:
    """Neighbouring frames of every tenth pair."""
    last = None
    for number, frame in enumerate(reader):
        if last is not None and number % 10 == 1:
            yield last, frame.image
        last = frame.image


def draw_sheet(path: Path, films: list[Path]) -> None:
    """Moments of input, output and target beside each other, none that is black or of one colour."""
    taken = [frames_of(film) for film in films]
    before, bars = taken[0]
    kept = [i for i, frame in enumerate(before) if not shows_nothing(inside(frame, bars))]
    moments = [kept[i] / len(before) for i in spread(len(kept), ROWS)]
    columns = []
    for pictures, _ in taken:
        shown = [Image.fromarray(pictures[round(moment * len(pictures))]) for moment in moments]
        columns.append([one.resize((round(one.width * 270 / one.height), 270)) for one in shown])
    width = sum(column[0].width + 6 for column in columns)
    sheet = Image.new("RGB", (width, 20 + len(moments) * 276), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for column, title in zip(columns, ("input", "output", "target"), strict=True):
        draw.text((left + 4, 4), title, fill="black")
        for row, picture in enumerate(column):
            sheet.paste(picture, (left, 20 + 276 * row))
        left += column[0].width + 6
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


ABOUT = """\
# `make` on real clips

`python -m benchmarks.real_films --steps {steps}`: {steps} steps of training for each pair, torch threads:
{threads}; all of `make`, from the frames to the film, took {spent} seconds of CPU time a pair. {nearer} of
{pairs} are nearer to the target than colour transfer, on held-out frames {held_out}, and the structure is
kept in {kept_in}; pictures of the pairs are in the build folder. Method is what `make` chose by the held-out
frames: which checkpoint of the grade (the last where no step is named) at which strength, or colour transfer
where nothing learnt was nearer. Distance is the
sliced Wasserstein distance of 5 px patches to the target (lower is nearer), over 24 frames of each film
without those that are black or of one colour; colour transfer (Reinhard) was fitted to these very frames,
the output was not. Held out is the same over frames that neither of them learnt from, the frames by which
`make` chose among its candidates; here both have learnt from training frames. Structure is the local
correlation of luminance with the input; it is kept if it is at least {kept:g} of what colour
transfer keeps. Clipped is the percent of pixels at black or white; at most {clipped:g} points above
the most of input, target and colour transfer. Still is the change between frames where the input
stands still, over the input's own. Borders is the mean change of the borders' levels.

"""
COLUMNS = (
    "| pair | method | distance: input / Reinhard / output | held out | structure: Reinhard / output "
    "| clipped: input / target / Reinhard / output | still | borders |\n|---|---|---|---|---|---|---|---|\n"
)
ROW = (
    "| {name} | {method} | {distance_input:.1f} / {distance_reinhard:.1f} / **{distance_output:.1f}** "
    "| {held_input:.1f} / {held_reinhard:.1f} / **{held_output:.1f}** "
    "| {structure_reinhard:.2f} / **{structure_output:.2f}** "
    "| {clipped_input:.0f} / {clipped_target:.0f} / {clipped_reinhard:.0f} / **{clipped_output:.0f}** "
    "| {still:.2f} | {borders:.2f} |\n"
)


def page(rows: dict[str, dict[str, Any]]) -> str:
    """The table as Markdown."""
    nearer = sum(row["distance_output"] < row["distance_reinhard"] for row in rows.values())
    kept_in = sum(row["structure_output"] >= KEPT_SHARE * row["structure_reinhard"] for row in rows.values())
    counts = {"nearer": nearer, "kept_in": kept_in, "pairs": len(rows), "threads": torch.get_num_threads()}
    counts["held_out"] = sum(row["held_output"] < row["held_reinhard"] for row in rows.values())
    steps = sorted({row["steps"] for row in rows.values()})
    spent = sorted(row["cpu_seconds"] for row in rows.values() if row["cpu_seconds"])
    budget = {"steps": " or ".join(map(str, steps)), "spent": f"{spent[0]} to {spent[-1]}" if spent else "?"}
    about = ABOUT.format(kept=KEPT_SHARE, clipped=CLIPPED_POINTS, **budget, **counts)
    return about + COLUMNS + "".join(ROW.format(**row) for row in rows.values())


if __name__ == "__main__":
    main()
