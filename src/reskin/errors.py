"""Everything that can go wrong through a user's input, a file or the machine.

Each error is one line: what is wrong, where, and what to do. The command line prints it and exits with
`exit_code`; anything that is not a `ReskinError` is our own bug and shows its trace.
"""

from __future__ import annotations


class ReskinError(Exception):
    """An error with a remedy.

    Args:
        what: what is wrong and where, without a full stop at the end.
        fix: what to do or type next, as a sentence.
    """

    exit_code: int = 2

    def __init__(self, what: str, fix: str = "") -> None:
        self.what, self.fix = what.rstrip("."), fix
        super().__init__(f"{self.what}. {fix}" if fix else f"{self.what}.")

    def __str__(self) -> str:
        return printable(super().__str__())


_NOT_PRINTED = {code: f"\\x{code:02x}" for code in (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))} | {
    code: f"\\u{code:04x}" for code in (0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}
_NOT_IN_A_LINE = {0x09: "\\t", 0x0A: "\\n"}


def printable(text: str, *, lines: bool = False) -> str:
    """Text for a terminal: control characters and bytes of a name that are no text are shown as escapes.

    Names of files are somebody else's: an escape sequence among them could colour, move or retitle the
    terminal, and a line break could fake a line of ours.

    Args:
        text: what is to be shown.
        lines: whether line breaks and tabs are the text's own and stay.

    >>> printable("\\x1b[31mred\\n.png"), printable("a\\nb", lines=True)
    ('\\\\x1b[31mred\\\\n.png', 'a\\nb')
    """
    table = _NOT_PRINTED if lines else _NOT_PRINTED | _NOT_IN_A_LINE
    return text.translate(table).encode("utf-8", "backslashreplace").decode("utf-8")


class SettingsError(ReskinError):
    """A setting, flag, name or configuration file is not valid."""


class ImageError(ReskinError):
    """A picture cannot be read or written."""


class VideoError(ReskinError):
    """A video cannot be read or written; the subclasses say why."""


class NotAVideoError(VideoError):
    """The file is no video at all, or of a kind that is not on the allow list."""


class NoFramesError(VideoError):
    """The file holds no video stream, or no frame of it can be decoded."""


class DamagedVideoError(VideoError):
    """The file is cut short or damaged so that it cannot be used."""


class CodecError(VideoError):
    """No decoder or encoder for this kind of video is installed."""


class DataError(ReskinError):
    """A folder of pictures, a manifest or a split cannot be used."""


class RunError(ReskinError):
    """A run folder cannot be used: missing, in use, or of other settings."""


class CheckpointError(RunError):
    """A checkpoint or model file is damaged or not of the kind that was asked for."""


class WeightsError(ReskinError):
    """Pretrained weights are not there or not what their checksum says."""


class OfflineError(ReskinError):
    """Something would have to be fetched from the network, which was forbidden."""


class ShapeError(ReskinError, ValueError):
    """Tensors do not have the shape that was asked for."""


class NotFiniteError(ReskinError):
    """A loss or gradient is NaN or infinite; the weights were not changed by it."""


class StorageError(ReskinError):
    """The disk is full, read-only or otherwise refuses a write; what was there before is intact."""
