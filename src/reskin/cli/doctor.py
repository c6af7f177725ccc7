"""`reskin doctor`: check this machine and say what to mend."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from reskin.cli.options import parse
from reskin.cli.streams import show, show_text
from reskin.config import Settings
from reskin.parsing import Spelled
from reskin.version import __version__

if TYPE_CHECKING:
    from reskin.device import Compute


MENDED_TAR = {(3, 11): (3, 11, 10), (3, 12): (3, 12, 6)}
"""The patch level from which on tar headers are parsed in linear time, of each Python that had lacked it."""
MENDED_TORCH = (2, 10)
"""The torch from which on reading a file as plain tensors is safe."""


class Arguments(Settings):
    """Check this machine, one line for each thing that translation needs, with what to mend.

    Examples:
      reskin doctor
      reskin doctor --json        # for a bug report
    """

    as_json: Annotated[bool, Spelled("json")] = False
    """Print the findings as JSON."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["OK", "WARN", "FAIL"]
    text: str
    fix: str = ""


def run(words: list[str]) -> int:
    """The command; returns its exit code: 2 when something needed is not there."""
    arguments = parse(Arguments, words, command="reskin doctor")
    findings = [_looked_at(check) for check in (python, versions, torch_build, device, video, disk, memory)]
    if arguments.as_json:
        show_text(json.dumps({"reskin": __version__, "findings": [asdict(f) for f in findings]}, indent=2))
    else:
        for finding in findings:
            fix = f"  → {finding.fix}" if finding.fix else ""
            show(f"{finding.state:<5} {finding.what:<14} {finding.text}{fix}")
    return 2 if any(finding.state == "FAIL" for finding in findings) else 0


def _looked_at(check: Callable[[], Finding]) -> Finding:
    """The finding of a check; one that breaks is a finding too."""
    try:
        return check()
    except Exception as error:
        return Finding(
            check.__name__, "FAIL", f"{type(error).__name__}: {error}", "Reinstall: pip install reskin"
        )


def python(version: tuple[int, int, int] = sys.version_info[:3]) -> Finding:
    """Whether this Python has what its later patch levels mended.

    Args:
        version: major, minor and patch level.
    """
    text = ".".join(map(str, version))
    if version < MENDED_TAR.get(version[:2], (0, 0, 0)):
        return Finding(
            "python",
            "WARN",
            f"{text}: a hostile .tar archive can keep it busy for hours (CVE-2024-6232)",
            f"Install Python {'.'.join(map(str, MENDED_TAR[version[:2]]))} or later.",
        )
    return Finding("python", "OK", text)


def versions() -> Finding:
    """Python and the packages beside torch."""
    names = (
        "numpy",
        "pillow",
        "safetensors",
        "av",
        "opencv-python-headless",
        "pydantic",
        "rich",
    )
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    text = f"reskin {__version__}, Python {platform.python_version()} on {platform.system()}; {found}"
    return Finding("versions", "OK", text)


def torch_build() -> Finding:
    """torch, and whether it fits the graphics card that is there."""
    import torch

    text = f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}"
    if tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) < MENDED_TORCH:
        fix = "Install torch 2.10 or later."
        return Finding("torch", "FAIL", f"{text}: a hostile .pth file can harm it (CVE-2026-24747)", fix)
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        fix = "Install the torch build for your driver: https://pytorch.org/get-started"
        return Finding("torch", "WARN", f"{text}; an NVIDIA card is here but torch cannot use it", fix)
    return Finding("torch", "OK", text)


def device() -> Finding:
    """Where training would run and at what speed a convolution does."""
    from reskin.device import choose_compute

    compute = choose_compute()
    text = f"{compute.describe()}, {convolution_gflops(compute):.0f} GFLOP/s in 3x3 convolutions"
    if compute.device.type == "cpu":
        return Finding(
            "device", "WARN", text, "Training is slow without a GPU: use small pictures, or few minutes."
        )
    return Finding("device", "OK", text)


def convolution_gflops(compute: Compute) -> float:
    """Measured speed of the convolution that residual blocks are made of."""
    import torch

    layer = torch.nn.Conv2d(256, 256, 3, padding=1)
    compute.move(layer)
    images = torch.randn(1, 256, 64, 64, device=compute.device)
    best = float("inf")
    with torch.no_grad(), compute.autocast():
        for _ in range(6):
            began = time.perf_counter()
            layer(images).sum().item()
            best = min(best, time.perf_counter() - began)
    return 2 * 256 * 256 * 9 * 64 * 64 / best / 1e9


def video() -> Finding:
    """The codecs that videos are read and written with."""
    import av

    missing = [name for name in ("libx264", "aac") if name not in av.codecs_available]
    text = f"PyAV {av.__version__}, FFmpeg {'.'.join(map(str, av.library_versions['libavcodec']))}"
    if missing:
        return Finding(
            "video", "FAIL", f"{text} without {', '.join(missing)}", "Type: pip install --force-reinstall av"
        )
    return Finding("video", "OK", f"{text}, H.264 and AAC")


def disk() -> Finding:
    """Room and speed of the disk of this folder."""
    try:
        free = shutil.disk_usage(Path.cwd()).free / 1e9
        speed = _megabytes_a_second(Path.cwd())
    except OSError as error:
        text = f"this folder is gone, or nothing can be written into it ({error.strerror})"
        return Finding("disk", "WARN", text, "Go to another folder, or use --out elsewhere.")
    text = f"{free:.0f} GB free here, written at {speed:.0f} MB/s"
    if free < 5:
        return Finding(
            "disk", "WARN", text, "A run takes 0.5 to 2 GB: free some space, or use --out elsewhere."
        )
    return Finding("disk", "OK", text)


def _megabytes_a_second(folder: Path) -> float:
    block = os.urandom(32 << 20)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return len(block) / (time.perf_counter() - began) / 1e6


def memory() -> Finding:
    """Memory of the machine."""
    if sys.platform == "win32":
        return Finding("memory", "OK", "not measured on Windows")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if total < 6:
        return Finding("memory", "WARN", f"{total:.1f} GB", "Use a small --crop-size and --batch 1.")
    return Finding("memory", "OK", f"{total:.0f} GB")
