"""A picture, a folder of pictures or a video through a model, whichever it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reskin import progress
from reskin.errors import SettingsError
from reskin.progress import Report

if TYPE_CHECKING:
    from reskin.methods.translator import Translator
    from reskin.translation.clips import VideoResult
    from reskin.translation.folders import FolderResult
    from reskin.types import Direction

VIDEO_OPTIONS = ("quality", "codec")


def translate_any(
    model: Translator, source: Path, out: Path, direction: Direction, *, report: Report, **options: Any
) -> FolderResult | VideoResult | None:
    """Translate what is there; None for a picture, else what became of the folder or video.

    Args:
        model: any translator.
        source: a picture, a folder of pictures or a video.
        out: the same kind of thing, to be written.
        direction: one of the model's.
        report: called with how far it is.
        options: of `translate_image`, `translate_folder` or `translate_video`.

    Raises:
        SettingsError: there is no source, or an option that only a video has is given for pictures.
        ReskinError: as the three functions.
    """
    from reskin.images import is_image_name

    if not source.exists():
        raise SettingsError(f"no file or folder {source}", "Check the name.")
    made: FolderResult | VideoResult | None = None
    is_video = not source.is_dir() and not is_image_name(source)
    typed = [f"--{name}" for name in VIDEO_OPTIONS if options.get(name) is not None]
    if typed and not is_video:
        raise SettingsError(f"{' and '.join(typed)} for pictures", "They are for videos: leave them out.")
    options = {key: value for key, value in options.items() if key not in VIDEO_OPTIONS or value is not None}
    if source.is_dir():
        from reskin.translation.folders import translate_folder

        made = translate_folder(
            model, source, out, direction, report=lambda at: report(at.done, at.total, "pictures"), **options
        )
    elif is_video:
        from reskin.translation.clips import translate_video

        made = translate_video(
            model, source, out, direction, report=lambda at: report(at.frame, at.frames, "frames"), **options
        )
    else:
        from reskin.translation.pictures import translate_image

        translate_image(model, source, direction, out=out, **options)
    progress.result("pictures" if source.is_dir() else "video" if is_video else "picture", out)
    return made
