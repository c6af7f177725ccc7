"""`reskin compare`: methods on the same data with the same budget and seeds, in one honest table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from reskin import progress
from reskin.cli.options import options_of, parse, read_words
from reskin.cli.streams import say
from reskin.config import BASIC, Settings
from reskin.data.batches import DataConfig
from reskin.errors import SettingsError
from reskin.exits import PartialError
from reskin.methods import find_trained
from reskin.runs.settings import TrainConfig
from reskin.types import Domain

if TYPE_CHECKING:
    from reskin.workflows.study.plan import Row, Study


class Arguments(Settings):
    """Train every method with every seed on the same data, and write one table of them.

    Run the same command again to go on, also with more methods or seeds: finished cells are used again where
    settings, data and code are the same. The best checkpoint is chosen on the validation split only.
    Exit code 3: the report says of some cells, or of some pictures, why they were not measured.

    Examples:
      reskin compare --methods cyclegan,cut,munit --a data/film --b data/game --minutes 20 --out studies/x
      reskin compare --variants "cyclegan:--preset gan_alone" --a data/film --b data/game --out x
    """

    a: Path
    """Images of domain A."""
    b: Path
    """Images of domain B."""
    out: Path
    """The folder of the study."""
    methods: Annotated[str, BASIC] = ""
    """Names of methods, with commas between."""
    variants: Annotated[tuple[str, ...], BASIC] = ()
    """More rows: a method, a colon and flags of `reskin train`, each in quotes."""
    seeds: Annotated[int, BASIC] = 3
    """Trainings of each row."""
    steps: Annotated[int | None, BASIC] = None
    """What is equal for all rows: steps."""
    minutes: Annotated[float | None, BASIC] = None
    """Or minutes of training on this machine."""
    epochs: int | None = None
    """Train each for so many epochs, in place of steps or minutes."""
    common: str = ""
    """Flags of `reskin train` for all rows, in quotes, as far as their methods have them."""
    metrics: Annotated[tuple[str, ...], BASIC] = ()
    """What to measure, as for `reskin evaluate`."""
    truth_a2b: Path | None = None
    """The A images as they should look in B, with the same file names."""
    truth_b2a: Path | None = None
    """The B images as they should look in A."""
    palette: str | None = None
    """For fcn: whose classes and colours, cityscapes, camvid, facades or street."""
    label_domain: Domain = "a"
    """For fcn: the domain whose images are labels."""
    labels: Path | None = None
    """For fcn, photo to labels: folder of the photos' true labels."""
    segmenter: Path | None = None
    """For fcn, labels to photo: the folder that `reskin segmenter train` made."""
    classes: tuple[str, ...] = ()
    """For the metric classes: numbers or names of classes, as for `reskin evaluate`."""
    classifier: Path | None = None
    """For the metrics classes and inception_score: another classifier than SqueezeNet's of ImageNet."""
    class_names: Path | None = None
    """Text file with the names of its classes, one a line."""
    max_images: int | None = None
    """Measure at most this many images of each domain."""
    eval_every: int | None = None
    """Steps between scores on the validation split; by default a tenth of the steps."""
    style: Literal["sampled", "examples"] = "examples"
    """Of models with styles: a random one, or the mean style of training images of the target."""
    ray: str | None = None
    """Train and measure on a Ray cluster, HOST:PORT, or auto for that of this machine or a new one. Data and
    study lie on a disk that all machines see. With --minutes, what runs beside a training slows it down."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin compare")

    from reskin.progress import Progress
    from reskin.workflows.study.compare import compare

    study = _study(arguments)
    shown = Progress("cells")
    page = compare(study, ray=arguments.ray, report=shown)
    shown.end()
    progress.result("page", page)
    say(f"done: {page}", f"next: reskin table {arguments.out} --format md")
    return _finished(arguments.out)


def _finished(out: Path) -> int:
    """The exit code of a study whose report is written.

    Raises:
        PartialError: cells have no scores, or pictures were left out.
    """
    from reskin.workflows.study.table import read_table

    table = read_table(out)
    if table.missing:
        label, seed, why = table.missing[0]
        cells = len(table.labels) * int(table.facts["seeds"])
        raise PartialError(
            f"cells without scores: {len(table.missing)} of {cells}, the first {label}, seed {seed}: {why}",
            "The same command tries them again.",
        )
    if table.left_out:
        raise PartialError(
            f"pictures left out: {len(table.left_out)}, the first {table.left_out[0][0]}",
            "Mend or remove them and compare again, with another --out.",
        )
    return 0


def _study(arguments: Arguments) -> Study:
    """What is compared.

    Raises:
        SettingsError: an unknown method or flag, or labels without a palette.
    """
    from reskin.evaluation.labelled import LabelRequest
    from reskin.evaluation.request import Request
    from reskin.workflows.study.plan import Row, Study

    labels = None
    if arguments.palette is not None:
        labels = LabelRequest(
            arguments.palette, arguments.label_domain, arguments.labels, arguments.segmenter
        )
    elif arguments.labels or arguments.segmenter:
        raise SettingsError("labels and a segmenter want a palette", "Give --palette, such as camvid.")
    request = Request(
        a=arguments.a,
        b=arguments.b,
        truth_a2b=arguments.truth_a2b,
        truth_b2a=arguments.truth_b2a,
        metrics=arguments.metrics or None,
        max_images=arguments.max_images,
        labels=labels,
        classes=arguments.classes,
        classifier=arguments.classifier,
        class_names=arguments.class_names,
        cache=arguments.out / "features",
        style=arguments.style,
    )
    names = [name.strip() for name in arguments.methods.split(",") if name.strip()]
    rows = [Row(name, name) for name in names] + [_variant(text) for text in arguments.variants]
    lengths = {"steps": arguments.steps, "minutes": arguments.minutes, "epochs": arguments.epochs}
    return Study(
        out=arguments.out,
        rows=tuple(rows),
        seeds=arguments.seeds,
        length={name: value for name, value in lengths.items() if value is not None},
        request=request,
        common=_flags(arguments.common, None)[0],
        eval_every=arguments.eval_every,
    )


def _variant(text: str) -> Row:
    """A row from "cyclegan:--preset gan_alone".

    Raises:
        SettingsError: no colon, an unknown method or flag.
    """
    from reskin.workflows.study.plan import Row

    method, colon, flags = text.partition(":")
    if not colon or not flags.strip():
        fix = 'Write a method, a colon and flags, such as "cyclegan:--preset gan_alone".'
        raise SettingsError(f"the variant '{text}' has no flags", fix)
    settings, preset = _flags(flags, method.strip())
    return Row(f"{method.strip()} {flags.strip()}", method.strip(), preset, settings)


class _Preset(Settings):
    """The one flag of `reskin train` that is no setting."""

    preset: str | None = None
    """Settings under a name."""


def _flags(text: str, method: str | None) -> tuple[dict[str, Any], str | None]:
    """Settings and preset in flags of `reskin train`; for no method, those of data, training and any method.

    Raises:
        SettingsError: quotes that do not close, or an unknown flag.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"the flags '{text}' cannot be read ({error})", "Close the quotes.") from None
    if not words:
        return {}, None
    own = [find_trained(method).Config] if method else _every_config()
    options = {
        option.name: option
        for group in (_Preset, *own, DataConfig, TrainConfig)
        for option in options_of(group)
        if option.name not in ("a", "b")
    }
    command = f"reskin train {method or 'METHOD'}"
    given = read_words(list(options.values()), words, command=command, about="")
    preset = given.pop("preset", None)
    return given, None if preset is None else str(preset)


def _every_config() -> list[type[Settings]]:
    from reskin.methods import trained_names

    return [find_trained(name).Config for name in trained_names()]
