"""A blind study of trained runs: their outputs on the same inputs, encoded alike, and the plan."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from reskin.config import BASIC, Settings
from reskin.errors import DataError, SettingsError, printable
from reskin.evaluation.blind_study.design import Kind
from reskin.evaluation.blind_study.plan import (
    CHECK_ITEMS,
    PLAN,
    PRACTICE_ITEMS,
    STIMULI,
    Question,
    StudyPlan,
    read_plan,
)
from reskin.parsing import Spelled
from reskin.paths import inside
from reskin.progress import Report, silent
from reskin.spread import spread
from reskin.storage import lock, read_json, write_json
from reskin.types import Direction

if TYPE_CHECKING:
    from reskin.images import Picture

_log = logging.getLogger(__name__)

DRAFT = "draft.json"
"""What a study that is not complete yet is made of: the same command goes on, another one is refused."""
WORK = "work"
"""Films of the runs, until they are encoded alike."""
_BYTES = "bytes"
EXTRAS = PRACTICE_ITEMS + CHECK_ITEMS
FEWEST_EXTRAS = 2
SHAPE_TOLERANCE = 0.03
"""Share by which widths over heights may differ: a pixel or two of a model that rounds sizes."""
FRAME_RATE = Fraction(25)


class StudyConfig(Settings):
    """Make a blind study: what trained runs make of the same inputs, shown to people who do not know which.

    A run or model folder is translated with; any other folder holds finished outputs under the inputs'
    names.

    Examples:
      reskin study new studies/castle --runs runs/cyclegan runs/munit --a test/
      reskin study new studies/real --kind real-or-fake --runs runs/cyclegan --a testA/ --real testB/
    """

    folder: Annotated[Path, Spelled(position="STUDY")]
    """The folder to make."""
    runs: tuple[Path, ...]
    """What is compared: run folders, model folders, or folders of finished outputs."""
    a: Path
    """Folder of the inputs: images, or videos for preference-video."""
    kind: Annotated[Kind, BASIC] = "preference"
    """real-or-fake: an output and a real image, a second each, which was fake? preference: two outputs beside
    the input, which is better? preference-video: the same with clips."""
    real: Annotated[Path | None, BASIC] = None
    """Folder of real images of the other domain, for real-or-fake."""
    question: Annotated[Question, BASIC] = "realism"
    """What a preference is about."""
    items: Annotated[int, BASIC] = Field(default=40, ge=2, le=10_000)
    """Inputs that are shown; others of the folder serve for practice and attention checks."""
    raters: Annotated[int, BASIC] = Field(default=20, ge=2, le=10_000)
    """People who are asked."""
    trials: Annotated[int | None, BASIC] = Field(default=None, ge=1, le=200)
    """Inputs that one rater sees; by default all, 40 at most."""
    primary: str = Field(default="", max_length=1000)
    """The comparison that the study is made for, in words; it stands in the plan and the report."""
    direction: Direction | None = None
    """Which way the runs translate; by default a2b where they can."""
    seconds: float = Field(default=4.0, gt=0, le=30)
    """Length of the clips of preference-video, in seconds."""
    seed: int = Field(default=0, ge=0)
    """Everything random follows from it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""


@dataclass
class _Maker:
    """The work of making the stimuli of one study."""

    config: StudyConfig
    names: list[str]
    inputs: list[Path]
    extras: list[Path]
    reals: list[Path]
    report: Report
    done: int = 0
    size: tuple[int, int] = (0, 0)
    made: list[Path] = field(default_factory=list)

    @property
    def is_video(self) -> bool:
        return self.config.kind == "preference-video"

    @property
    def is_forced(self) -> bool:
        """Whether an output stands against a real image."""
        return self.config.kind == "real-or-fake"

    def total(self) -> int:
        """How many stimuli there will be."""
        per_item = len(self.names) + 1
        return (
            len(self.inputs) * per_item
            + EXTRAS * (2 if self.is_forced else 3)
            - (0 if self.is_forced else CHECK_ITEMS)
        )

    def target(self, name: str) -> Path:
        """Where a stimulus goes."""
        return self.config.folder / STIMULI / f"{name}{'.mp4' if self.is_video else '.jpg'}"

    def put(self, name: str, frames: Iterable[Picture]) -> None:
        """Write a stimulus unless an earlier, stopped command has."""
        from reskin.evaluation.blind_study.stimuli import fitted, write_picture
        from reskin.video.encoding import Encoding
        from reskin.video.writer import VideoWriter

        path = self.target(name)
        # what a stopped command has left is read again: a link there would bring in another picture
        inside(self.config.folder, path.relative_to(self.config.folder).as_posix(), writes=True)
        self.made.append(path)
        self.done += 1
        if not path.exists() and self.is_video:
            encoding = Encoding(codec="h264", quality=20)
            with VideoWriter(path, size=self.size, frame_rate=FRAME_RATE, encoding=encoding) as writer:
                for number, frame in enumerate(frames):
                    writer.write(fitted(frame, self.size), number / FRAME_RATE)
        elif not path.exists():
            (picture,) = frames
            write_picture(path, fitted(picture, self.size))
        self.report(self.done, self.total(), what="stimuli")


def new_study(config: StudyConfig, report: Report | None = None) -> StudyPlan:
    """Translate the inputs with every run, encode everything alike and write the plan; stopped, it goes on.

    Raises:
        SettingsError: fewer inputs or real images than the design needs, conditions of one name, a study that
            is there already or was begun with other settings.
        DataError: a condition lacks an input, or an image cannot be decoded.
        RunError: a run cannot be loaded, or another process makes this study.
    """
    from reskin.evaluation.blind_study.stimuli import common_size

    names = _condition_names(config)
    if (config.folder / PLAN).exists() and not (config.folder / DRAFT).exists():
        what = f"{config.folder} holds a study already, and a plan is not changed once it is made"
        raise SettingsError(what, "Choose another folder.")
    maker = _Maker(config, names, *_chosen(config), report or silent)
    with lock(config.folder):
        draft = _draft(config)
        if (config.folder / PLAN).exists():  # a process that was killed at its very end has written it
            _tidy(config.folder)
            return read_plan(config.folder)
        sources = [_Condition(path, config, maker) for path in config.runs]
        _check_directions(sources)
        shapes = [source.shape(maker.inputs[0]) for source in sources]
        if not maker.is_forced:
            _check_shapes(sources, shapes)
        shapes += [_shape(path) for path in maker.reals] if maker.is_forced else []
        maker.size = common_size(shapes, is_square=maker.is_forced)
        _make_items(maker, sources)
        _make_extras(maker, sources)
        _pad(maker, draft)
        plan = _plan(maker)
        write_json(config.folder / PLAN, plan.to_dict())
        _tidy(config.folder)
    return plan


def _check_directions(sources: Sequence[_Condition]) -> None:
    """Models translate one way in a study (SettingsError): the inputs are of one domain."""
    ways = {source.direction: source.path for source in sources if source.model is not None}
    if len(ways) > 1:
        said = " and ".join(f"{path} translates {way}" for way, path in sorted(ways.items()))
        raise SettingsError(f"{said}: a study compares one way", "Give --direction, or leave one out.")


def _check_shapes(sources: Sequence[_Condition], shapes: Sequence[tuple[int, int]]) -> None:
    """Outputs that stand beside each other are of one shape (DataError), or only one of them would be cut."""
    ratios = [width / height for height, width in shapes]
    for source, ratio, (height, width) in zip(sources, ratios, shapes, strict=True):
        if abs(ratio / ratios[0] - 1) > SHAPE_TOLERANCE:
            raise DataError(
                f"{source.path} holds outputs of {width}x{height} px, {sources[0].path} of "
                f"{shapes[0][1]}x{shapes[0][0]}: they are of another shape",
                "Cut them to one shape, or leave the folder out.",
            )


def _tidy(folder: Path) -> None:
    """Remove what only the making of a study needs; the draft last, by which a stopped one is known."""
    shutil.rmtree(folder / WORK, ignore_errors=True)
    (folder / DRAFT).unlink(missing_ok=True)


def _pad(maker: _Maker, draft: dict[str, Any]) -> None:
    """Bring the stimuli to one size, to the one that a stopped process has begun to bring them to."""
    from reskin.evaluation.blind_study.stimuli import can_pad, common_bytes, pad_alike

    size = draft.get(_BYTES)
    if not isinstance(size, int) or not can_pad(maker.made, size):
        size = common_bytes(maker.made)
        write_json(maker.config.folder / DRAFT, draft | {_BYTES: size})
    pad_alike(maker.made, size)


def _condition_names(config: StudyConfig) -> list[str]:
    names = [printable(name) for name in _distinct([path.resolve() for path in config.runs])]
    if len(names) < 2 and config.kind != "real-or-fake":
        raise SettingsError("a preference needs two runs or more", "Give them: --runs runs/one runs/two")
    if len(names) > 12:
        raise SettingsError(f"{len(names)} runs; a study compares 12 at most", "Leave some out.")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        what = f"two of --runs are called {sorted(twice)[0]}"
        raise SettingsError(what, "Give each once: names tell the conditions apart in the report.")
    if "real" in names and config.kind == "real-or-fake":
        raise SettingsError("one of --runs is called real, as the real images are", "Rename the folder.")
    return names


def _distinct(paths: Sequence[Path]) -> list[str]:
    """The last part of each path; or the last in which all differ, as in cells/cyclegan/0, cells/munit/0."""
    names = [path.name for path in paths]
    for back in range(2, min(len(path.parts) for path in paths)):
        if len(set(names)) == len(names):
            break
        earlier = [path.parts[-back] for path in paths]
        names = earlier if len(set(earlier)) == len(earlier) else names
    return names


def _chosen(config: StudyConfig) -> tuple[list[Path], list[Path], list[Path]]:
    """Inputs that are shown, those for practice and checks, and real images for all of them."""
    if config.trials and config.trials > config.items:
        what = f"--trials {config.trials} of --items {config.items}: a rater sees an item once"
        raise SettingsError(what, f"Type --trials {config.items} or less, or ask for more items.")
    found = _listed(config.a, is_video=config.kind == "preference-video")
    least = config.items + FEWEST_EXTRAS
    if len(found) < least:
        raise SettingsError(
            f"{config.a} holds {len(found)} inputs; {config.items} items and practice need {least}",
            f"Add some, or type --items {max(2, len(found) - FEWEST_EXTRAS)}.",
        )
    chosen = spread(len(found), config.items + min(EXTRAS, len(found) - config.items))
    step = len(chosen) / (len(chosen) - config.items)
    extra = {round((number + 0.5) * step) for number in range(len(chosen) - config.items)}
    inputs = [found[index] for number, index in enumerate(chosen) if number not in extra][: config.items]
    extras = [found[index] for index in chosen if found[index] not in inputs]
    reals: list[Path] = []
    if config.kind == "real-or-fake":
        if config.real is None:
            raise SettingsError("real-or-fake needs real images of the other domain", "Give --real FOLDER.")
        reals = _listed(config.real, is_video=False)
        if len(reals) < least:
            raise SettingsError(
                f"{config.real} holds {len(reals)} images; {least} are needed, one for each item and some "
                "for practice",
                "Add some, or ask for fewer --items.",
            )
        reals = [reals[index] for index in spread(len(reals), config.items + EXTRAS)]
    return inputs, extras, reals


def _listed(folder: Path, *, is_video: bool) -> list[Path]:
    from reskin.data.folders import list_images
    from reskin.video.probe import is_video_name

    if not is_video:
        return list_images(folder)
    if not folder.is_dir():
        raise DataError(f"no folder {folder}", "Check the name.")
    return sorted(path for path in folder.iterdir() if path.is_file() and is_video_name(path))


def _draft(config: StudyConfig) -> dict[str, Any]:
    """What is noted of a study that is being made (SettingsError: it was begun with other settings).

    A draft without stimuli is of a command that was refused, and may be typed again with other settings.
    """
    path, wanted = config.folder / DRAFT, config.to_dict()
    if path.exists() and (config.folder / STIMULI).exists():
        draft = read_json(path)
        if {name: draft[name] for name in draft if name != _BYTES} != wanted:
            what = f"{config.folder} was begun with other settings"
            raise SettingsError(what, "Type the same command as then, or choose another folder.")
        return draft
    if (config.folder / STIMULI).exists():
        raise SettingsError(f"{config.folder} is not empty", "Choose another folder.")
    write_json(path, wanted)
    return wanted


class _Condition:
    """What one run makes of an input, or has made before in a folder of outputs."""

    def __init__(self, path: Path, config: StudyConfig, maker: _Maker) -> None:
        from reskin.runs.folder import RunFolder
        from reskin.runs.load import load

        self.path, self.config, self.maker = path, config, maker
        self.outputs: dict[str, Path] = {}
        self.model = None
        if RunFolder(path).config.exists():
            self.model = load(path, device=config.device)
            self.direction = config.direction or self.model.directions[0]
            self.model.check_direction(self.direction)
            return
        listed = _listed(path, is_video=maker.is_video)
        self.outputs = {_key(path, each): each for each in listed}
        missing = [
            each for each in (*maker.inputs, *maker.extras) if _key(config.a, each) not in self.outputs
        ]
        if missing:
            raise DataError(
                f"{path} has no output of {missing[0].name} ({len(missing)} of the inputs are missing)",
                "All conditions must be of the same inputs: add them, or leave the folder out.",
            )

    def frames(self, source: Path) -> Iterable[Picture]:
        """The output of an input: one image, or the frames of a clip."""
        if self.model is None:
            return _read(self.outputs[_key(self.config.a, source)], self.config)
        if self.maker.is_video:
            return _read(self._film(source), self.config)
        from reskin.images import read_image
        from reskin.translation.pictures import translate_array

        return [translate_array(self.model, read_image(source), self.direction)]

    def _film(self, source: Path) -> Path:
        from reskin.translation.clips import translate_video
        from reskin.translation.film import FilmOptions

        name = hashlib.sha256(f"{self.path} {source}".encode()).hexdigest()[:16]
        out = self.config.folder / WORK / f"{name}.mp4"
        if not out.exists() and self.model is not None:
            film = FilmOptions(seconds=self.config.seconds)
            translate_video(self.model, source, out, self.direction, film=film)
        return out

    def shape(self, source: Path) -> tuple[int, int]:
        """(height, width) of an output."""
        return _shape(self.outputs[_key(self.config.a, source)] if self.outputs else source)


def _key(folder: Path, path: Path) -> str:
    """What an input and its output have in common: the path in their folders without the ending."""
    return path.relative_to(folder).with_suffix("").as_posix()


def _shape(path: Path) -> tuple[int, int]:
    from reskin.image_formats import is_image_name
    from reskin.images import read_image
    from reskin.video.reader import VideoReader

    if is_image_name(path):
        height, width = read_image(path).shape[:2]
        return height, width
    with VideoReader(path) as reader:
        height, width = next(iter(reader)).image.shape[:2]
        return height, width


def _read(path: Path, config: StudyConfig) -> Iterable[Picture]:
    """An image, or the first seconds of a clip at 25 frames a second, the last frame held."""
    from reskin.image_formats import is_image_name
    from reskin.images import read_image
    from reskin.video.reader import VideoReader

    if is_image_name(path):
        return [read_image(path)]
    frames: list[Picture] = []
    with VideoReader(path) as reader:
        begin: Fraction | None = None
        for frame in reader:
            begin = frame.time if begin is None else begin
            due = int((frame.time - begin) * FRAME_RATE) + 1
            if frame.time - begin >= config.seconds:
                break
            while len(frames) < due - 1 and frames:
                frames.append(frames[-1])
            if len(frames) < due:
                frames.append(frame.image)
    count = max(1, round(config.seconds * FRAME_RATE))
    return (frames + frames[-1:] * count)[:count]


def _make_items(maker: _Maker, sources: Sequence[_Condition]) -> None:
    for number, path in enumerate(maker.inputs):
        if maker.is_forced:
            maker.put(f"real-{number}", _read(maker.reals[number], maker.config))
        else:
            maker.put(f"input-{number}", _read(path, maker.config))
        for condition, source in enumerate(sources):
            maker.put(f"item-{number}-{condition}", source.frames(path))


def _make_extras(maker: _Maker, sources: Sequence[_Condition]) -> None:
    """Practice and attention checks, of inputs that are no items.

    Real or fake: the first four practice pairs are an output and a real image; all others set a real image
    against a broken one. Preference: the input, an output, and in practice the same output broken; the checks
    show one output twice.
    """
    from reskin.evaluation.blind_study.design import PRACTICE_CHECKS
    from reskin.evaluation.blind_study.stimuli import broken

    spare = maker.reals[len(maker.inputs) :] or maker.reals
    for number in range(EXTRAS):
        is_practice = number < PRACTICE_ITEMS
        name = f"practice-{number}" if is_practice else f"check-{number - PRACTICE_ITEMS}"
        path = maker.extras[number % len(maker.extras)]
        source = sources[number % len(sources)]
        if maker.is_forced:
            good = list(_read(spare[number % len(spare)], maker.config))
            is_obvious = number >= PRACTICE_ITEMS - PRACTICE_CHECKS
            bad = [broken(picture, number) for picture in good] if is_obvious else source.frames(path)
        else:
            good = list(source.frames(path))
            bad = [broken(picture, number) for picture in good]
            maker.put(f"{name}-input", _read(path, maker.config))
        maker.put(f"{name}-good", good)
        if is_practice or maker.is_forced:
            maker.put(f"{name}-bad", bad)


def _plan(maker: _Maker) -> StudyPlan:
    from reskin.storage import file_digest

    config = maker.config
    items = [printable(path.relative_to(config.a).as_posix()) for path in maker.inputs]
    return StudyPlan(
        kind=config.kind,
        question=config.question,
        conditions=tuple(maker.names),
        items=tuple(items),
        raters=config.raters,
        trials=min(config.trials or 40, len(items)),
        seed=config.seed,
        primary=config.primary,
        ending=".mp4" if maker.is_video else ".jpg",
        digests={path.name: file_digest(path) for path in sorted(maker.made)},
    )
