"""What taking frames out of videos costs beyond decoding them, and whether two sources use two cores; JSON.

python benchmarks/extraction.py [--frames 600] [--every 10] [--repeats 3] [--loops 5]

The ratio compares processor time with a loop of PyAV and Pillow that decodes the same clip and writes the
same frames as JPEG of the same quality. Two sources are measured by the clock: one
process on one core against two processes on two.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 1280, 720


def draw_clip(path: Path, frames: int, seed: int) -> None:
    """A 720p clip: a camera that moves over a textured picture with grain, and a cut every four seconds."""
    import av

    rng = np.random.default_rng(seed)
    grain = rng.normal(0, 4, (8, HEIGHT, WIDTH, 1)).astype(np.int16)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "21", "preset": "fast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            if number % 100 == 0:
                world = texture(rng, (HEIGHT + 256, WIDTH + 256))
            x, y = number % 100 * 2, number % 100
            picture = np.clip(world[y : y + HEIGHT, x : x + WIDTH] + grain[number % 8], 0, 255).astype(
                np.uint8
            )
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))


def looped(clip: Path, path: Path, times: int) -> Path:
    """The clip several times over, without encoding it again."""
    import av

    with av.open(str(path), "w") as out:
        stream = None
        for number in range(times):
            with av.open(str(clip)) as source:
                given = source.streams.video[0]
                stream = stream or out.add_stream_from_template(given)
                shift = number * round(given.frames / 25 / given.time_base)
                for packet in source.demux(given):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = stream
                        out.mux(packet)
    return path


def texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8: coarse and fine noise, as much detail as film has."""
    height, width = size
    whole = np.zeros((height, width, 3))
    for cells, strength in ((6, 60.0), (30, 25.0), (160, 10.0)):
        small = rng.uniform(-1, 1, (cells, cells * 2, 3)).astype(np.float32)
        planes = [
            Image.fromarray(small[:, :, c]).resize((width, height), Image.Resampling.BICUBIC)
            for c in range(3)
        ]
        whole += strength * np.stack([np.asarray(plane) for plane in planes], axis=2)
    return np.clip(whole + 120, 0, 255).astype(np.uint8)


def merely(clip: Path, out: Path, every: int) -> None:
    """What anybody would write first: decode everything, save every Nth frame."""
    import av

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            if number % every == 0:
                frame.to_image().save(out / f"{number:06d}.jpg", quality=95, subsampling=0)


def ours(clips: list[Path], out: Path, every: int, workers: int) -> None:
    """The same by `prepare_frames`, with its digest, bars, manifest and writes that survive a power cut."""
    from reskin.curation.prepare.frames import FramesConfig, prepare_frames

    config = FramesConfig(every=every, format="jpg", split="none")
    prepare_frames(clips, out, config, workers=workers)


def measured(words: list[str], cores: int) -> dict[str, float]:
    """Processor seconds, seconds by the clock and peak MiB of one run of this file in a new process."""
    command = [sys.executable, __file__, words[0], str(cores), *words[1:]]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate()
    if process.returncode:
        sys.exit(f"a run has failed: {' '.join(words)}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"clock": time.perf_counter() - start, "cpu_with_start": cpu, **json.loads(said)}


def one_run(words: list[str]) -> None:
    """The other side of `measured`: imports first, so that only the work counts."""
    kind, cores, every, workers, out, *clips = words
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    import av  # noqa: F401

    from reskin.curation.prepare import frames as _  # noqa: F401

    start, at = time.process_time(), time.perf_counter()
    if kind == "merely":
        merely(Path(clips[0]), Path(out), int(every))
    else:
        ours([Path(clip) for clip in clips], Path(out), int(every), int(workers))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    print(
        json.dumps({"cpu": time.process_time() - start, "work": time.perf_counter() - at, "peak_mib": peak})
    )


def ratio(clip: Path, folder: Path, every: int, repeats: int) -> dict[str, float]:
    """Our processor time over that of the plain loop, the least of several runs each, run in turns."""
    times: dict[str, list[float]] = {"merely": [], "ours": []}
    peak = 0.0
    for number in range(repeats):
        for kind, found in times.items():
            out = folder / f"{kind}-{every}-{number}"
            out.mkdir()
            result = measured([kind, str(every), "1", str(out), str(clip)], cores=2)
            found.append(result["cpu"])
            peak = max(peak, result["peak_mib"] if kind == "ours" else 0)
    least = {kind: round(min(found), 3) for kind, found in times.items()}
    return {**least, "ratio": round(least["ours"] / least["merely"], 3), "peak_mib": round(peak)}


def speed_up(clips: list[Path], folder: Path, every: int, repeats: int) -> dict[str, float]:
    """How much sooner two sources are done by two processes on two cores than by one on one."""
    times: dict[int, list[float]] = {1: [], 2: []}
    spent: dict[int, list[float]] = {1: [], 2: []}
    for number in range(repeats):
        for workers, found in times.items():
            out = folder / f"cores-{workers}-{number}"
            words = ["ours", str(every), str(workers), str(out), *map(str, clips)]
            result = measured(words, cores=workers)
            found.append(result["work"])
            spent[workers].append(result["cpu_with_start"])
    one, two = min(times[1]), min(times[2])
    return {
        "one_core_seconds": round(one, 2),
        "two_cores_seconds": round(two, 2),
        "speed_up": round(one / two, 2),
        "one_core_cpu": round(min(spent[1]), 2),
        "two_cores_cpu": round(min(spent[2]), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--loops", type=int, default=5, help="length of the two sources, in clips")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clips = [folder / "one.mp4", folder / "two.mp4"]
        for seed, clip in enumerate(clips):
            draw_clip(clip, options.frames, seed)
        long = [looped(clip, folder / f"long-{clip.name}", options.loops) for clip in clips]
        result = {
            "size_px": [WIDTH, HEIGHT],
            "frames": options.frames,
            "seconds_of_film": float(Fraction(options.frames, 25)),
            "load_before": round(os.getloadavg()[0], 2),
            f"every_{options.every}": ratio(clips[0], folder, options.every, options.repeats),
            "every_1": ratio(clips[0], folder, 1, 1),
            "two_sources": speed_up(long, folder, options.every, options.repeats),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] in (["merely"], ["ours"]):
        one_run(sys.argv[1:])
    else:
        main()
