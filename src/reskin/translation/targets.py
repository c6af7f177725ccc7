"""Where a translation may be written."""

from __future__ import annotations

from pathlib import Path

from reskin.errors import SettingsError


def check_target(source: Path, out: Path, *, overwrite: bool) -> None:
    """Refuse a file name that would cost the user a file.

    Args:
        source: what is translated.
        out: where it is to be written.
        overwrite: whether `out` may be there already.

    Raises:
        SettingsError: `out` is a folder, is `source` itself, or is there and may not be replaced.
    """
    if out.is_dir():
        raise SettingsError(f"{out} is a folder", f"Give a file name in it, such as {out / source.name}.")
    if _is_same(source, out):
        raise SettingsError(f"{out} is the file that is to be translated", "Choose another name.")
    if out.exists() and not overwrite:
        raise SettingsError(f"{out} is there already", "Add --overwrite, or choose another name.")


def part_of(out: Path, part: str) -> Path:
    """The file of one part of a translation beside the others; `out` itself for the part "".

    >>> part_of(Path("winter.png"), "style2").name
    'winter-style2.png'
    """
    return out.with_name(f"{out.stem}-{part}{out.suffix}") if part else out


def check_folders(source: Path, out: Path) -> None:
    """Refuse an output folder in which a picture of `source` could be replaced.

    Raises:
        SettingsError: `out` is a file, is `source`, or holds `source`.
    """
    if out.exists() and not out.is_dir():
        raise SettingsError(
            f"{out} is a file", "Pictures of a folder are written to a folder: give another name."
        )
    if source.resolve().is_relative_to(out.resolve()):
        raise SettingsError(
            f"the pictures of {source} would be replaced by writing to {out}", "Choose another folder."
        )


def _is_same(source: Path, out: Path) -> bool:
    return source.exists() and out.exists() and source.samefile(out)
