"""reskin: give footage of one world the look of another.

>>> import reskin
>>> "cyclegan" in reskin.methods.names()
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from reskin import methods as methods
    from reskin.data.prepare.frames import prepare_frames as prepare_frames
    from reskin.evaluation.evaluate import evaluate as evaluate
    from reskin.evaluation.report import write_report as write_report
    from reskin.training.start import load as load
    from reskin.training.start import train_run as train  # noqa: F401
    from reskin.translation.clips import translate_video as translate_video
    from reskin.translation.folders import translate_folder as translate_folder
    from reskin.translation.pictures import translate_image as translate_image

# Public name to (module, name there), imported when first used: `import reskin` loads no torch.
_PUBLIC = {
    "evaluate": ("reskin.evaluation.evaluate", "evaluate"),
    "load": ("reskin.training.start", "load"),
    "prepare_frames": ("reskin.data.prepare.frames", "prepare_frames"),
    "train": ("reskin.training.start", "train_run"),
    "translate_folder": ("reskin.translation.folders", "translate_folder"),
    "translate_image": ("reskin.translation.pictures", "translate_image"),
    "translate_video": ("reskin.translation.clips", "translate_video"),
    "write_report": ("reskin.evaluation.report", "write_report"),
}

__all__ = ["__version__", "methods", *sorted(_PUBLIC)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "methods":
        return importlib.import_module("reskin.methods")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'reskin' has no attribute '{name}'")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)
