"""`reskin translate RUN IN OUT`: pictures or a video in the look of the other domain."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from reskin.cli.options import parse
from reskin.cli.streams import say
from reskin.config import BASIC, Settings
from reskin.engine_names import EngineName
from reskin.errors import SettingsError
from reskin.exits import PartialError
from reskin.parsing import Spelled, spelling
from reskin.progress import Progress, in_words
from reskin.types import Direction
from reskin.workflows.compare_films import ComparisonSettings
from reskin.workflows.live import LiveSettings, is_live
from reskin.workflows.translate import FaceSettings, FilmSettings

if TYPE_CHECKING:
    from torch import Tensor

    from reskin.device import Compute
    from reskin.inference.rendering import Rendering
    from reskin.methods.base import Method
    from reskin.translation.clips import VideoResult
    from reskin.translation.folders import FolderResult
    from reskin.translation.made_once import Made
    from reskin.workflows.compare_films import Comparison


class StyleArguments(Protocol):
    """What a command that takes styles is given."""

    @property
    def run(self) -> Path: ...
    @property
    def styles(self) -> int | None: ...
    @property
    def seed(self) -> int: ...
    @property
    def style(self) -> tuple[Path, ...]: ...


class Arguments(Settings):
    """Translate a picture, a folder of pictures or of videos, or a video with a trained model.

    Size, names, transparency, frame times and sound stay as they are. Networks and settings are the run's.
    A model sees the frames of a video at the scale that it learnt at, and neighbouring frames are made to
    agree.

    Examples:
      reskin translate runs/film-game clip.mp4 clip-as-game.mp4
      reskin translate runs/film-game clip.mp4 preview.mp4 --start 1:30 --seconds 3
      reskin translate runs/film-game clip.mp4 out.mp4 --compare grid --also runs/film-paint
      reskin translate runs/anna-ben film.mp4 out.mp4 --faces --only anna.jpg
      reskin translate runs/anna-ben photo.jpg out.jpg --faces
      ffmpeg -i in.mp4 -f rawvideo -pix_fmt rgb24 - | reskin translate runs/film-game - - --input-size 640x360
      reskin translate runs/film-game photos/ photos-as-game/
      reskin translate runs/film-game films/ out/ --shard 3/40
      reskin translate runs/film-game game.png game-as-film.png --direction b2a
      reskin translate runs/summer-winter summer/ out/ --styles 4 --seed 1
      reskin translate runs/summer-winter summer.jpg out.png --style winter.jpg
    """

    run: Annotated[Path, Spelled(position="RUN")]
    """The run folder (or a folder that `reskin import` made)."""
    source: Annotated[Path, Spelled(position="IN")]
    """A picture, a folder of pictures or of videos, or a video; - for raw frames on standard input."""
    out: Annotated[Path, Spelled(position="OUT")]
    """Name of the result: a picture, folder or video like the source; - for raw frames on standard output."""
    direction: Annotated[Direction | None, BASIC] = None
    """a2b or b2a; by default the first one that the model was made for."""
    step: int | None = None
    """Checkpoint to use; by default the last."""
    styles: int | None = None
    """For a method with styles: this many random ones, the same for every picture, in style1, style2 ..."""
    seed: int = 0
    """Which random styles."""
    style: Annotated[tuple[Path, ...], BASIC] = ()
    """For a method with styles: pictures of the other domain whose look to take."""
    mask: Annotated[Path | None, BASIC] = None
    """Only what is white in it changes: a picture, a folder with one of the same name for each source; for a
    video also a video, or a folder with one picture for each frame."""
    feather: float | None = None
    """Width in px over which the change sets in at the edge of the mask; 0 for none, by default 1 % of the
    shorter edge."""
    save_masks: bool = False
    """Also save the masks that the method itself makes (attentiongan), in a folder masks."""
    overwrite: Annotated[bool, BASIC] = False
    """Replace a result that is already there."""
    device: Annotated[str, BASIC] = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """fp32 is exact; bf16 may differ by a level or two of 255; auto: bf16 where it is faster."""
    engine: EngineName = "auto"
    """What computes: torch, compile (torch.compile), openvino or onnxruntime; auto: of those that are
    installed the one with which the job is done soonest, timed on its own frames."""
    memory: str | None = None
    """Memory that the model may take, such as 4GB: larger pictures are made layer by layer in stripes, which
    gives the same in a little more time. By default what is free."""
    film: FilmSettings = FilmSettings()
    """How a video is treated."""
    comparison: ComparisonSettings = ComparisonSettings()
    """How a video is shown beside its translation."""
    of_faces: FaceSettings = FaceSettings()
    """Which faces are translated, instead of whole frames or pictures."""
    shard: str | None = None
    """Of a folder, only the pictures or films of one process of several, such as 3/40: each takes every 40th,
    and the last one to finish writes the record of the whole folder."""
    ray: str | None = None
    """Translate a film or a folder of films on a Ray cluster, HOST:PORT, or auto for that of this machine or
    a new one. Long films are parted at cuts. Run, films and results lie on a disk that all machines see."""
    live: LiveSettings = LiveSettings()
    """What comes through standard input, or from a camera."""


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    arguments = parse(Arguments, words, command="reskin translate", merge=_without_source)
    if is_live(arguments.source, arguments.out, arguments.live):
        return _run_live(arguments)
    _refuse_live_flags(arguments)
    if not arguments.source.exists():
        raise SettingsError(f"no file or folder {arguments.source}", "Check the name.")
    _refuse_swapped(arguments.run, arguments.source, arguments.out)

    from reskin.device import choose_compute
    from reskin.translation.made_once import command_key, made_once
    from reskin.workflows.compare_films import write_comparison

    compute = choose_compute(
        arguments.device, arguments.precision, memory=arguments.memory, engine=arguments.engine
    )
    source, out = arguments.source, arguments.out
    with made_once(out, partial(command_key, arguments, out)) as made, Progress() as progress:
        compared = arguments.comparison.plan(
            arguments.run, source, out, overwrite=arguments.overwrite, made=made
        )
        if compared is None:
            results = [(_translated(arguments, out, compute, progress, made=made), out)]
        else:
            _check_runs(arguments, compared, compute)
            results = [
                (_compared(arguments, compared, number, compute, progress), target)
                for number, target in enumerate(compared.outs)
            ]
            write_comparison(compared, source, arguments.film.options(), progress)
    if compared is not None:
        say(f"compared: {compared.video} and {compared.page}")
    return max(finish(one, source, target) for one, target in results)


def _check_runs(arguments: Arguments, compared: Comparison, compute: Compute) -> None:
    """Refuse now what one of the further runs would refuse after hours of the first (ReskinError)."""
    from reskin.workflows.translate import check_film_options

    for run in compared.runs[1:]:
        model, direction, rendering = _model(arguments.model_copy(update={"run": run}))
        try:
            check_film_options(
                model,
                arguments.source,
                direction,
                film=arguments.film,
                faces=arguments.of_faces,
                how={"compute": compute, "rendering": rendering},
            )
        except SettingsError as error:
            raise SettingsError(f"--also {run}: {error.what}", error.fix) from error


def _compared(
    arguments: Arguments, compared: Comparison, number: int, compute: Compute, progress: Progress
) -> VideoResult:
    """The film through one run of a comparison, unless a killed process of this command did that."""
    from reskin.translation.clips import VideoResult

    target = compared.outs[number]
    if len(compared.outs) > 1:
        say(f"run {number + 1} of {len(compared.outs)}: {compared.titles[number]} → {target}")
    result = compared.result(target)
    if result is None:
        replaced = arguments.overwrite or compared.made.is_made(target)
        given = arguments.model_copy(update={"run": compared.runs[number], "overwrite": replaced})
        made = _translated(given, target, compute, progress, made=compared.made)
        assert isinstance(made, VideoResult), "only videos are compared"
        result = made
        compared.keep(target, result)
    return result


def _without_source(given: dict[str, Any]) -> dict[str, Any]:
    """With --camera the word behind RUN is OUT: there is no IN."""
    if given.get("camera") is None or "source" not in given:
        return given
    if "out" in given:
        raise SettingsError("IN and --camera are both given", "Leave one of them out.")
    return given | {"out": given["source"], "source": "-"}


def _refuse_swapped(run: Path, source: Path, out: Path) -> None:
    """Say so where the picture was typed before the run (SettingsError)."""
    from reskin.runs.folder import RunFolder

    is_run, is_source = (RunFolder(path).config.is_file() for path in (run, source))
    if is_source and not is_run:
        typed = shlex.join(["reskin", "translate", str(source), str(run), str(out)])
        raise SettingsError(f"{source} is a run and {run} is none", f"The run comes first: {typed}")


def _run_live(arguments: Arguments) -> int:
    from reskin.device import choose_compute
    from reskin.workflows.live import PIPE, translate_live_any

    if arguments.comparison.model_fields_set:
        raise SettingsError("a comparison of frames that come live", "Translate a file to compare.")
    model, direction, rendering = _model(arguments)
    options: dict[str, Any] = {"film": arguments.film, "faces": arguments.of_faces, "live": arguments.live}
    options |= {"rendering": rendering, "overwrite": arguments.overwrite}
    options["compute"] = choose_compute(arguments.device, arguments.precision, engine=arguments.engine)
    report = translate_live_any(model, arguments.source, arguments.out, direction, **options)
    target = "" if arguments.out == PIPE else f"{arguments.out}: "
    say(f"done: {target}{report.in_words()}")
    return 0


def _refuse_live_flags(arguments: Arguments) -> None:
    """Refuse what only live frames have (SettingsError)."""
    fields = type(arguments.live).model_fields
    given = [spelling(name, fields[name]) for name in sorted(arguments.live.model_fields_set)]
    if given:
        raise SettingsError(f"{' and '.join(given)} for {arguments.source}", "Give - as IN, or leave it out.")


def _model(arguments: Arguments) -> tuple[Method, Direction, Rendering]:
    """The run's model, which way it is to translate, and in which styles."""
    from reskin.runs.load import load

    model = load(arguments.run, device=arguments.device, step=arguments.step)
    direction = arguments.direction or model.directions[0]
    model.check_direction(direction)
    return model, direction, _rendering(model, arguments, direction)


def _translated(
    arguments: Arguments, out: Path, compute: Compute, progress: Progress, *, made: Made
) -> FolderResult | VideoResult | None:
    """The source through one run."""
    from reskin.workflows.translate import translate_any

    model, direction, rendering = _model(arguments)
    options: dict[str, Any] = {"compute": compute, "overwrite": arguments.overwrite, "rendering": rendering}
    options |= {"film": arguments.film, "faces": arguments.of_faces, "made": made}
    if arguments.shard is not None:
        from reskin.translation.shards import Shard

        options["shard"] = Shard.read(arguments.shard)
    if arguments.ray is not None:
        from reskin.workflows.ray_films import Cluster

        if arguments.shard is not None:
            raise SettingsError("both --shard and --ray are given", "Give one of them.")
        share = arguments.film.predictor_share
        options["cluster"] = Cluster(arguments.ray, arguments.run.absolute(), arguments.step, share)
    return translate_any(model, arguments.source, out, direction, report=progress, **options)


def _rendering(model: Method, arguments: Arguments, direction: Direction) -> Rendering:
    """Styles and masks as asked for."""
    from reskin.inference.rendering import Rendering

    styles = chosen_styles(model, arguments, direction)
    return Rendering(styles, arguments.save_masks, arguments.mask, arguments.feather)


def chosen_styles(model: Method, arguments: StyleArguments, direction: Direction) -> Tensor | None:
    """The styles that the flags ask for, (K, style_size); None where they ask for none.

    Raises:
        SettingsError: both kinds or no style at all are asked for, or the model has no styles.
        ImageError: an example picture is not readable or too small.
    """
    import torch

    from reskin.inference.rendering import example_style
    from reskin.methods.styled import styled
    from reskin.runs.load import crop_size

    if arguments.styles is not None and arguments.style:
        raise SettingsError("both --styles and --style are given", "Give one of them.")
    if arguments.styles is not None and arguments.styles < 1:
        raise SettingsError(f"--styles {arguments.styles}", "Give 1 or more.")
    if arguments.styles is not None:
        return styled(model).sample_styles(arguments.styles, arguments.seed)
    if not arguments.style:
        return None
    size = crop_size(arguments.run)
    return torch.stack([example_style(model, path, direction, size=size) for path in arguments.style])


def finish(made: FolderResult | VideoResult | None, source: Path, out: Path) -> int:
    """Say what came out of a translation; returns the exit code.

    Raises:
        PartialError: some pictures were left out, each of which is named, or the source is damaged.
    """
    from reskin.translation.clips import VideoResult

    if made is None:
        say(f"done: {out}")
        return 0
    return _finish_video(made, source, out) if isinstance(made, VideoResult) else _finish_folder(made, out)


def _finish_folder(result: FolderResult, out: Path) -> int:
    say(*result.notes)
    say(*(f"left out: {line}" for line in result.left_out_lines))
    if result.left_out:
        total = result.translated + result.skipped + len(result.left_out)
        raise PartialError(
            f"{len(result.left_out)} of {total} files were left out, first {result.left_out[0][0]}",
            "Mend or remove them and run the same command again.",
        )
    say(f"done: {out} ({result.translated} new, {result.skipped} were there)")
    return 0


def _finish_video(result: VideoResult, source: Path, out: Path) -> int:
    for line in [*result.notes, *result.damaged]:
        say(line)
    if result.damaged:
        raise PartialError(
            f"{source} is damaged: its {result.frames} sound frames were translated",
            f"They are in {out}; give an undamaged file for the rest.",
        )
    bound = f": {result.bound}" if result.bound else ""
    say(f"done: {out} ({result.frames} frames in {in_words(result.seconds)}{bound})")
    return 0
