"""`reskin demo`: the main job on footage that the package draws itself, with the truth to compare."""

from __future__ import annotations

from reskin.cli.options import parse
from reskin.cli.streams import show
from reskin.progress import Progress
from reskin.workflows.demo import DemoConfig, Shown, run_demo


def run(words: list[str]) -> int:
    """The command; returns its exit code."""
    config = parse(DemoConfig, words, command="reskin demo")
    with Progress() as progress:
        shown = run_demo(config, progress)
    show(*_table(shown))
    return 0


def _table(shown: Shown) -> list[str]:
    psnr, ssim = shown.scores["psnr"], shown.scores["ssim"]
    lines = [
        "",
        f"On the unseen clip, compared with its true look ({shown.seconds / 60:.1f} minutes in all):",
        "",
        f"  {'':<28}{'PSNR':>9}{'SSIM':>9}",
    ]
    titles = {"input": "input as it is", "reinhard": "Reinhard colour transfer", "output": "reskin"}
    lines += [f"  {title:<28}{psnr[name]:>6.2f} dB{ssim[name]:>9.3f}" for name, title in titles.items()]
    return [*lines, "", f"Look at {shown.report} and {shown.translated}."]
