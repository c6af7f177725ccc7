"""A picture, a folder of pictures or a video through a model, whichever it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from reskin import progress
from reskin.config import BASIC, Settings
from reskin.errors import SettingsError
from reskin.framing import DetectorName, Framing
from reskin.parsing import spelling
from reskin.progress import Report

if TYPE_CHECKING:
    from reskin.inference.engine import Engine
    from reskin.methods.translator import Translator
    from reskin.translation.clips import How, VideoResult
    from reskin.translation.face_pictures import PictureFaces
    from reskin.translation.face_plan import FaceOptions
    from reskin.translation.film import FilmOptions
    from reskin.translation.films import FilmWork
    from reskin.translation.folders import FolderResult
    from reskin.translation.made_once import Made
    from reskin.types import Direction
    from reskin.workflows.ray_films import Cluster

_TIME = r"([0-9]{1,6}:){0,2}[0-9]{1,6}(\.[0-9]{1,9})?"


class FilmSettings(Settings):
    """How a video is treated."""

    work_size: Annotated[int | Literal["full"] | None, BASIC] = None
    """Shorter edge in px at which the model sees a frame, or full; by default that of its training."""
    detail: float | None = Field(default=None, ge=0, le=1)
    """Share of the texture and shapes that the model draws itself which is kept in enlarging, 0 to 1; by
    default 0, with --faces 1."""
    steady: Annotated[float | Literal["off", "best"], BASIC] = 0.8
    """Strength of the stabiliser: 0 to 1, off, or best, which looks at the frames to come as well and takes
    longer; for films in files. A grade is smoothed over time by any strength above 0."""
    strength: float = Field(default=1.0, ge=0, le=1)
    """Share of the change that is kept, 1 for all of it; at 0.5 every pixel lies half way between input and
    translation."""
    bars: Literal["keep", "translate"] = "keep"
    """Black bars beside the picture: leave them as they are, or translate them like all else."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    """Fill the interlaced frames of a video, one for each: where they are marked and seen to be combed
    (auto), all of them (on), or none (off)."""
    start: float = 0.0
    """Where in the film to begin, in seconds or mm:ss, such as 90 or 1:30."""
    seconds: Annotated[float | None, BASIC] = Field(default=None, gt=0)
    """Translate only so many seconds, or mm:ss, for a preview."""
    codec: Literal["h264", "hevc", "h264_nvenc", "hevc_nvenc", "av1", "vp9", "prores", "ffv1"] | None = None
    """Codec of the pictures; by default H.264, in .webm VP9. Those of nvenc are encoded by an NVIDIA GPU;
    where the driver offers none, by the processor in h264 or hevc. What a GPU translates into H.264 it
    encodes too, where its driver offers that and neither codec nor preset is given."""
    quality: int | None = Field(default=None, ge=0, le=51)
    """Quality of the pictures, 0 (perfect) to 51; 18 looks like the source and is the default. On x264's
    scale (crf); other codecs are set to look alike."""
    encoder_preset: Literal[
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
    ] = "veryfast"
    """Preset of x264 and x265: the slower, the smaller the file at the same quality."""
    predictor_share: float | None = Field(default=None, ge=0, le=1)
    """For recycle_gan: share of its predictor in a frame, 0 (generator alone) to 1; by default the run's."""

    @field_validator("steady")
    @classmethod
    def _is_a_share(cls, value: float | str) -> float | str:
        if isinstance(value, float) and not 0 <= value <= 1:
            raise ValueError(f"{value:g} is not from 0 to 1")
        return value

    @field_validator("start", "seconds", mode="before")
    @classmethod
    def _as_seconds(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(_TIME, value.strip()):
            raise ValueError(f"'{value}' is no time; write seconds or mm:ss, such as 90 or 1:30")
        seconds = 0.0
        for part in value.split(":"):
            seconds = seconds * 60 + float(part)
        return seconds

    def options(self, faces: FaceOptions | None = None) -> FilmOptions:
        """The same as `translate_video` takes it.

        Args:
            faces: which faces to translate instead of whole frames; None for whole frames.

        Raises:
            SettingsError: a value is out of range.
        """
        from reskin.translation.film import FilmOptions
        from reskin.video.encoding import Encoding
        from reskin.video.nvenc import offered

        return FilmOptions(
            work_size=self.work_size,
            detail=self.detail,
            steady=self._steadiness(),
            strength=self.strength,
            looks_ahead=self.steady == "best",
            has_bars=self.bars == "keep",
            encoding=Encoding(codec=offered(self.codec), quality=self.quality, speed=self.encoder_preset),
            deinterlace=self.deinterlace,
            start=self.start,
            seconds=self.seconds,
            faces=faces,
        )

    def _steadiness(self) -> float:
        from reskin.translation.stabilise import STRENGTH

        if isinstance(self.steady, str):
            return 0.0 if self.steady == "off" else STRENGTH
        return self.steady


class FaceSettings(Settings):
    """Which faces are translated, instead of whole frames or pictures."""

    faces: Annotated[bool, BASIC] = False
    """Translate faces only, each cut out as the model learnt them and put back; the rest stays as it is."""
    only: Annotated[str | None, BASIC] = None
    """With --faces, whose: all, largest, or a picture of the person, best a frame of this film; people are
    distinguished by how their faces look. Brighter, darker or coloured light changes little; light from
    another direction, another pose or another day may."""
    face_margin: float | None = Field(default=None, ge=0, le=2)
    """With --faces, room around a face as a share of its height; by default that of the model's training."""
    detector: DetectorName = "auto"
    """With --faces, what finds them: yunet (with landmarks), dlib (without; needs reskin[faces]), or what
    there is."""

    def options(self) -> FaceOptions | None:
        """The same as `FilmOptions` takes it; None for whole frames.

        Raises:
            SettingsError: an option for faces is given without --faces, or the picture of a person is not
                there.
        """
        from reskin.translation.face_plan import FaceOptions

        if not self.faces:
            for name in ("only", "face_margin", "detector"):
                if name in self.model_fields_set:
                    flag = spelling(name, type(self).model_fields[name])
                    raise SettingsError(f"{flag} without --faces", "Add --faces, or leave it out.")
            return None
        framing = None if self.face_margin is None else Framing(margin=self.face_margin)
        return FaceOptions(self._only(), framing, self.detector)

    def _only(self) -> Literal["all", "largest"] | Path:
        if self.only is None or self.only == "all":
            return "all"
        if self.only == "largest":
            return "largest"
        path = Path(self.only)
        if not path.is_file():
            raise SettingsError(
                f"--only {self.only} is neither all nor largest, and no such picture is there",
                "Give all, largest, or a picture of the person to follow.",
            )
        return path


OF_FACES = frozenset({"work_size", "detail", "strength"})
"""Settings of a film that the faces of pictures have too."""


def _refuse_for_pictures(film: FilmSettings, source: Path, *, allowed: frozenset[str]) -> None:
    """Refuse what was given by hand where no video is translated (SettingsError)."""
    fields = type(film).model_fields
    given = [spelling(name, fields[name]) for name in sorted(film.model_fields_set - allowed)]
    if given:
        what = f"{' and '.join(given)} for {source}, which is no video"
        raise SettingsError(what, "Leave it out for pictures, or give a video.")


def translate_any(
    model: Translator,
    source: Path,
    out: Path,
    direction: Direction,
    *,
    report: Report,
    **options: Any,
) -> FolderResult | VideoResult | None:
    """Translate what is there; None for a picture, else what became of the folder or video.

    Args:
        model: any translator.
        source: a picture, a folder of pictures, a folder of videos or a video.
        out: the same kind of thing, to be written.
        direction: one of the model's.
        report: called with how far it is.
        options: of `translate_image`, `translate_folder` or `translate_video`; `film` as `FilmSettings`,
            `faces` as `FaceSettings`; `made` is what killed processes of the same command have made,
            `shard` which part of a folder is this process's,
            `cluster` where a film, or the films of a folder, are translated instead.

    Raises:
        SettingsError: there is no source, an option that only a video has is given for pictures, or a folder
            would be written under the name of a video or picture.
        ReskinError: as the three functions.
    """
    from reskin.data.folders import holds_films
    from reskin.image_formats import is_image_name

    if not source.exists():
        raise SettingsError(f"no file or folder {source}", "Check the name.")
    made: FolderResult | VideoResult | None = None
    if source.is_dir():
        _check_names_a_folder(source, out)
    are_films = source.is_dir() and holds_films(source)
    is_video = not source.is_dir() and not is_image_name(source)
    film: FilmSettings = options.pop("film", None) or FilmSettings()
    faces: FaceSettings = options.pop("faces", None) or FaceSettings()
    wanted = faces.options()
    if not is_video and not are_films:
        allowed = frozenset() if wanted is None else OF_FACES
        _refuse_for_pictures(film, source, allowed=allowed)
    made_before: Made | None = options.pop("made", None)
    if film.predictor_share is not None:
        _use_predictor(model, film.predictor_share)
    cluster: Cluster | None = options.pop("cluster", None)
    if cluster is not None and not (are_films or is_video):
        raise SettingsError(f"--ray for {source}, which is no film and no folder of films", "Leave it out.")
    if not source.is_dir() and options.pop("shard", None) is not None:
        raise SettingsError(f"--shard for {source}, which is no folder", "Leave it out.")
    if are_films or is_video:
        options |= {"report": report, "film": film.options(wanted), "cluster": cluster}
        made = (_translate_films if are_films else _translate_film)(model, source, out, direction, **options)
    elif source.is_dir():
        from reskin.inference.engine import Engine
        from reskin.translation.folders import translate_pictures

        engine = Engine(model, direction, options.pop("compute", None), options.pop("rendering", None))
        made = translate_pictures(_painter(engine, film, wanted), source, out, report=report, **options)
    elif not _has_pictures(source, out, made_before, options):
        _translate_picture(model, source, out, direction, film=film.options(wanted), report=report, **options)
    if source.is_dir() or is_video:
        progress.result("pictures" if source.is_dir() else "video", out)
    else:
        progress.result("picture", *_pictures_of(out, options))
    return made


def check_film_options(
    model: Translator,
    source: Path,
    direction: Direction,
    *,
    film: FilmSettings,
    faces: FaceSettings,
    how: How,
) -> None:
    """Refuse now what `translate_any` would refuse of a film.

    Args:
        model: any translator.
        source: the video.
        direction: one of the model's.
        film: how it is treated.
        faces: which faces are translated.
        how: with what it is computed, and in which style.

    Raises:
        SettingsError: the model and the options do not fit, or the film and the options.
        VideoError: the film cannot be read.
    """
    from reskin.translation.clips import check_film

    if film.predictor_share is not None:
        _use_predictor(model, film.predictor_share)
    check_film(model, source, direction, {**how, "film": film.options(faces.options())})


def _translate_films(
    model: Translator, source: Path, out: Path, direction: Direction, **options: Any
) -> FolderResult:
    """Every film of a folder, here or on a cluster."""
    from reskin.translation.films import translate_films

    cluster: Cluster | None = options.pop("cluster")
    work = _film_work(model, direction, options)
    if cluster is None:
        return translate_films(work, source, out, **options)
    from reskin.workflows.ray_films import translate_films_on_ray

    return translate_films_on_ray(work, cluster, source, out, **options)


def _translate_film(
    model: Translator, source: Path, out: Path, direction: Direction, **options: Any
) -> VideoResult:
    """One film, here or on a cluster."""
    from reskin.translation.clips import translate_video

    cluster: Cluster | None = options.pop("cluster")
    if cluster is None:
        return translate_video(model, source, out, direction, **options)
    from reskin.workflows.ray_films import translate_film_on_ray

    return translate_film_on_ray(_film_work(model, direction, options), cluster, source, out, **options)


def _film_work(model: Translator, direction: Direction, options: dict[str, Any]) -> FilmWork:
    """What is made of each film, taken out of the options."""
    from reskin.translation.films import FilmWork

    taken = (options.pop(name, None) for name in ("compute", "rendering", "film"))
    return FilmWork(model, direction, *taken)


def _painter(engine: Engine, film: FilmSettings, wanted: FaceOptions | None) -> Engine | PictureFaces:
    """What translates pictures: the model, or the model on the faces in them."""
    if wanted is None:
        return engine
    from reskin.translation.face_pictures import PictureFaces

    return PictureFaces(engine, film.options(wanted))


def _translate_picture(
    model: Translator, source: Path, out: Path, direction: Direction, *, film: FilmOptions, **options: Any
) -> None:
    """One picture, whole or its faces alone."""
    report: Report = options.pop("report")
    if film.faces is None:
        from reskin.translation.pictures import translate_image

        translate_image(model, source, direction, out=out, **options)
        return
    from reskin.inference.engine import Engine
    from reskin.translation.face_pictures import PictureFaces, translate_faces

    engine = Engine(model, direction, options.pop("compute", None), options.pop("rendering", None))
    translate_faces(PictureFaces(engine, film), source, out, report=report, **options)


def _check_names_a_folder(source: Path, out: Path) -> None:
    """Refuse (SettingsError) the name of a film, or of a picture, for what becomes of a folder."""
    from reskin.image_formats import is_image_name
    from reskin.video.probe import is_video_name

    if out.is_dir() or not (is_video_name(out) or is_image_name(out)):
        return
    what = f"{source} is a folder, and {out} names a single {'video' if is_video_name(out) else 'picture'}"
    raise SettingsError(what, f"Give the name of a folder, such as {out.stem}, or translate one file.")


def _has_pictures(source: Path, out: Path, made: Made | None, options: dict[str, Any]) -> bool:
    """Whether killed processes of the same command have made every picture; else those may be replaced."""
    if made is None:
        return False
    overwrite = options["overwrite"]
    are_made = [made.begin(source, name, overwrite=overwrite) for name in _pictures_of(out, options)]
    options["overwrite"] = overwrite or any(are_made)
    return all(are_made)


def _pictures_of(out: Path, options: dict[str, Any]) -> list[Path]:
    """What becomes of one picture: one file for each style."""
    from reskin.inference.rendering import Rendering
    from reskin.translation.targets import part_of

    return [part_of(out, part) for part in (options.get("rendering") or Rendering()).parts]


def _use_predictor(model: Translator, share: float) -> None:
    """Let the model's predictor have this share of each frame (SettingsError: it has none)."""
    use = getattr(model, "use_predictor", None)
    if use is None:
        raise SettingsError(
            "--predictor-share for a model without a predictor", "Leave it out, or train recycle_gan."
        )
    use(share)
