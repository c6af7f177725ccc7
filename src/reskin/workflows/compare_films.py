"""A film through one or more runs, and the original beside all of them: a video and a page."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from reskin import progress
from reskin.config import BASIC, Settings
from reskin.errors import SettingsError
from reskin.progress import Report
from reskin.translation.targets import part_of

if TYPE_CHECKING:
    from reskin.translation.clips import VideoResult
    from reskin.translation.film import FilmOptions
    from reskin.translation.made_once import Made

RUN = "run"
"""Name of the folder in which `make` trains what translates."""

_KIND = "compared"
"""What the video and the page add to the name of the result."""


class ComparisonSettings(Settings):
    """How a film is shown beside its translation."""

    compare: Annotated[Literal["side", "wipe", "grid"] | None, BASIC] = None
    """Also write OUT-compared: a video of the original and the result in a row (side), in a grid, or with a
    line moving between them (wipe), and a page (.html) on which they play together."""
    also: tuple[Path, ...] = ()
    """Further runs to translate the film with, for --compare; each result is named after its run."""

    def plan(self, run: Path, source: Path, out: Path, *, overwrite: bool, made: Made) -> Comparison | None:
        """What is to be made, None where no comparison is asked for.

        Args:
            run: the first run.
            source: the film.
            out: the translation by the first run.
            overwrite: whether files that are there may be replaced.
            made: what killed processes of the same command have made.

        Raises:
            SettingsError: no video is compared, a file is in the way, or the runs and the layout do not fit.
        """
        from reskin.image_formats import is_image_name
        from reskin.translation.comparison import check_layout
        from reskin.translation.job import was_finished

        if self.compare is None:
            if self.also:
                raise SettingsError("--also without --compare", "Add --compare grid.")
            return None
        if source.is_dir() or is_image_name(source):
            raise SettingsError(f"--compare for {source}, which is no video", "Give a video.")
        runs = (run, *self.also)
        check_layout(self.compare, len(runs))
        titles = _titles(runs)
        outs = [out, *(part_of(out, title) for title in titles[1:])]
        video, page = part_of(out, _KIND), part_of(out, _KIND).with_suffix(".html")
        targets = [*outs, video, page]
        twice = [path for path, count in Counter(targets).items() if count > 1]
        if twice:
            raise SettingsError(f"two results would be {twice[0]}", "Rename a run, or give another OUT.")
        for target in targets:
            made.begin(source, target, overwrite=overwrite or was_finished(target))
        return Comparison(self.compare, runs, titles, outs, video, page, made)


@dataclass(frozen=True)
class Comparison:
    """What a comparison is made of and what it becomes.

    Attributes:
        layout: of the video.
        runs: that translate the film.
        titles: of the runs.
        outs: the translation of each run.
        video: the comparison as a video.
        page: the page.
        made: what killed processes of the same command have made of these.
    """

    layout: Literal["side", "wipe", "grid"]
    runs: tuple[Path, ...]
    titles: list[str]
    outs: list[Path]
    video: Path
    page: Path
    made: Made

    def keep(self, out: Path, result: VideoResult) -> None:
        """Keep what became of a translation until all is made.

        Raises:
            StorageError: the disk refuses the write.
        """
        self.made.keep(out, asdict(result))

    def result(self, out: Path) -> VideoResult | None:
        """What became of a translation that a killed process of the same command has made."""
        from reskin.translation.clips import VideoResult

        kept = self.made.kept(out)
        return VideoResult(**kept) if kept is not None and self.made.is_made(out) else None


def write_comparison(comparison: Comparison, source: Path, film: FilmOptions, report: Report) -> None:
    """Write the video and the page from the source and the translations, which are there.

    Raises:
        VideoError: a film cannot be read or written.
        StorageError: the disk refuses the write.
    """
    from reskin.pages.films import ShownFilm, write_films
    from reskin.translation.comparison import ORIGINAL, Result, compare_films, write_part

    made = comparison.made
    results = [Result(*pair) for pair in zip(comparison.titles, comparison.outs, strict=True)]
    if not made.is_made(comparison.video):
        compare_films(
            source,
            results,
            comparison.video,
            comparison.layout,
            film=film,
            report=report,
        )
    progress.result("comparison", comparison.video)
    if not made.is_made(comparison.page):
        with tempfile.TemporaryDirectory(prefix="reskin-compare-") as folder:
            original = source
            if film.is_part:
                original = Path(folder, f"{source.stem}.mp4")
                write_part(source, original, film)
            films = [ShownFilm(ORIGINAL, original), *(ShownFilm(*result) for result in results)]
            write_films(comparison.outs[0].stem, films, comparison.page)
    progress.result("page", comparison.page)


def _titles(runs: tuple[Path, ...]) -> list[str]:
    """A name for each run: that of its folder, with the one above where two are alike, else a number too.

    `make` calls every run "run", in a folder that says what it is: such a run has the name of that folder.
    """
    named = [run.absolute() for run in runs]
    paths = [path.parent if path.name == RUN and path.parent.name else path for path in named]
    names = [path.name for path in paths]
    names = [
        f"{path.parent.name}-{path.name}" if names.count(path.name) > 1 and path.parent.name else path.name
        for path in paths
    ]
    seen: Counter[str] = Counter()
    titles = []
    for name in names:
        seen[name] += 1
        titles.append(f"{name}-{seen[name]}" if seen[name] > 1 else name)
    return titles
