"""reskin: give footage of one world the look of another.

>>> import reskin
>>> "cyclegan" in reskin.methods.names()
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from reskin.version import __version__ as __version__

if TYPE_CHECKING:
    from reskin import methods as methods
    from reskin.curation.prepare.frames import prepare_frames as prepare_frames
    from reskin.evaluation.evaluate import evaluate as evaluate
    from reskin.pages.report import write_report as write_report
    from reskin.runs.load import load as load
    from reskin.training.start import train_run as train  # noqa: F401
    from reskin.translation.clips import translate_video as translate_video
    from reskin.translation.folders import translate_folder as translate_folder
    from reskin.translation.pictures import translate_image as translate_image
    from reskin.workflows.demo import demo as demo
    from reskin.workflows.make import make as make
    from reskin.workflows.stylize import stylize as stylize

# Public name to (module, name there), imported when first used: `import reskin` loads no torch.
_PUBLIC = {
    "demo": ("reskin.workflows.demo", "demo"),
    "evaluate": ("reskin.evaluation.evaluate", "evaluate"),
    "load": ("reskin.runs.load", "load"),
    "make": ("reskin.workflows.make", "make"),
    "prepare_frames": ("reskin.curation.prepare.frames", "prepare_frames"),
    "stylize": ("reskin.workflows.stylize", "stylize"),
    "train": ("reskin.training.start", "train_run"),
    "translate_folder": ("reskin.translation.folders", "translate_folder"),
    "translate_image": ("reskin.translation.pictures", "translate_image"),
    "translate_video": ("reskin.translation.clips", "translate_video"),
    "write_report": ("reskin.pages.report", "write_report"),
}

__all__ = ["__version__", "methods", *sorted(_PUBLIC)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "methods":
        return importlib.import_module("reskin.methods")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'reskin' has no attribute '{name}'")
    module, attribute = _PUBLIC[name]
    return getattr(importlib.import_module(module), attribute)
