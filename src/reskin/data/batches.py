"""Batches for training: which pictures a step sees is a pure function of (seed, step, rank)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reskin.data.augment import ColourJitter, each, on_device, one_of_five, warped_crop
from reskin.data.cache import Cache, Fit, Source, default_memory_limit, open_cache
from reskin.data.clips import (
    Position,
    Windows,
    are_strips,
    fit_clip,
    fit_strip,
    no_clips,
    positions,
    span_of,
    split_stack,
    starts_of_windows,
    whole_clips,
    windows_in,
)
from reskin.data.folders import check_domains_differ, split_images, training_images
from reskin.data.pairs import check_side_by_side, find_pairs, with_masks
from reskin.data.preprocess import DataConfig, centre_crop, fit, fit_pair, unenlarged
from reskin.data.sampling import Sampler, Samples, Sampling
from reskin.errors import DataError, ImageError
from reskin.images import Picture, bytes_to_floats, read_image
from reskin.types import Batch, Domain, Split

__all__ = ["Batches", "DataConfig", "open_batches"]

HELD_OUT_SPLITS: tuple[Split, ...] = ("test", "val", "train")
"""Where images for sample grids come from: the first of these that has any."""

_log = logging.getLogger("reskin")

T = TypeVar("T")


@dataclass(frozen=True)
class Batches:
    """Pictures of two domains as training wants them.

    Attributes:
        config: the settings of the data.
        sampler: which pictures a step sees.
        cache_a: decoded pictures of domain A; in paired data the pairs, A above B.
        cache_b: decoded pictures of domain B; None in paired data.
        windows_a: the samples of domain A: single images, or clips of consecutive frames.
        windows_b: those of domain B; in paired data the same.
        device: where batches are put.
        unreadable: files that were left out, each with its reason.
        whole_from: first step whose pictures are no longer enlarged before the crop; None for none.

    Pictures with masks are kept like pairs, each above its mask.
    """

    config: DataConfig
    sampler: Sampler
    cache_a: Cache
    cache_b: Cache | None
    windows_a: Windows
    windows_b: Windows
    device: torch.device
    unreadable: list[tuple[Path, str]]
    whole_from: int | None = None

    @property
    def length(self) -> int:
        """Samples in an epoch: images (or clips) of the larger domain, or pairs."""
        return self.sampler.length

    @property
    def shorter_edge(self) -> int:
        """Shorter edge of the images of domain A as they are fitted, before any crop, in px; the median."""
        sizes = self.cache_a.table[:, 1:].copy()
        if self.cache_b is None or self.config.mask_a is not None:
            sizes[:, 0] //= 2  # a pair is kept as one image above the other
        return int(np.median(sizes.min(axis=1)))

    def at(self, step: int) -> Batch:
        """The batch of a step (the first is 1) of this process, on the device.

        It depends on nothing but the files, the settings, the seed, the step and the rank: not on what was
        asked for before, and not on which process or thread asks.
        """
        samples = self.sampler.at(step)
        of_a = [frame for index in samples.a for frame in self.windows_a.frames(self.cache_a, index)]
        if self.cache_b is None:
            of_a, of_b = _halves(of_a)
        else:
            of_b = [frame for index in samples.b for frame in self.windows_b.frames(self.cache_b, index)]
        if self.config.mask_a is not None or self.config.mask_b is not None:
            return self._masked(of_a, of_b, samples)
        if self.whole_from is not None and step >= self.whole_from:
            of_a, of_b = ([unenlarged(picture, self.config) for picture in of_] for of_ in (of_a, of_b))
        return Batch(self._ready(of_a, samples.uniform_a), self._ready(of_b, samples.uniform_b))

    def _masked(self, of_a: list[Picture], of_b: list[Picture], samples: Samples) -> Batch:
        """The batch of pictures of which those of one domain or both have their masks below them."""
        found: list[Tensor | None] = []
        sides = (of_a, self.config.mask_a, samples.uniform_a), (of_b, self.config.mask_b, samples.uniform_b)
        for pictures, folder, uniforms in sides:
            above, below = _halves(pictures) if folder is not None else (pictures, None)
            found.append(self._ready(above, uniforms))
            found.append(None if below is None else self._shares(below, uniforms))
        a, mask_a, b, mask_b = found
        assert a is not None and b is not None
        return Batch(a, b, mask_a, mask_b)

    def _shares(self, masks: Sequence[Picture], uniforms: NDArray[np.float64]) -> Tensor:
        """Masks cropped and flipped as their pictures are, and not coloured: (N, 1, H, W), 0 to 1."""
        plain = self.config.model_copy(
            update={"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
        )
        return (replace(self, config=plain)._ready(masks, uniforms).mean(dim=1, keepdim=True) + 1) / 2

    def held_out(self, count: int) -> Batch:
        """Pictures for sample grids, the same ones each time, without randomness: the middle of each.

        They come from the test split, else from val, else evenly from the pictures of training. A domain with
        fewer than `count` readable pictures repeats them if the other domain has more. Of a method that
        learns from clips, `count` clips.
        """
        config, length = self.config, self.windows_a.length
        if self.cache_b is None:
            pairs = [find_pairs(config.a, config.b, split)[0] for split in HELD_OUT_SPLITS]
            fit_clip_pair, step = partial(fit_pair, config=config), config.frame_step
            clips = _held_out_clips(pairs, config.a, count, fit_clip_pair, (length, step))
            above, below = _halves([frame for clip in clips for frame in clip])
            return Batch(self._middles(above), self._middles(below))
        sides: list[list[list[Picture]]] = []
        domains: tuple[tuple[Path, Domain], ...] = ((config.a, "a"), (config.b, "b"))
        for root, side in domains:
            images: list[list[Source]] = [
                [(path,) for path in split_images(root, side, split)] for split in HELD_OUT_SPLITS
            ]
            fit_one, shape = partial(_fit_one, config=config), (length, config.frame_step)
            sides.append(_held_out_clips(images, root, count, fit_one, shape))
        number = max(map(len, sides))
        of_a, of_b = ([frame for i in range(number) for frame in of[i % len(of)]] for of in sides)
        return Batch(self._middles(of_a), self._middles(of_b))

    def validation(self, count: int) -> Batch | None:
        """Up to `count` images of each domain's validation split alone, evenly spread: the middle of each.

        None where a domain has no such split, and for clips.
        """
        config = self.config
        if self.windows_a.length > 1:
            return None
        if self.cache_b is None:
            pairs = find_pairs(config.a, config.b, "val")[0]
            if not pairs:
                return None
            above, below = _halves(list(_readable(pairs, count, partial(fit_pair, config=config))))
            return Batch(self._middles(above), self._middles(below))
        found: list[list[Picture]] = []
        domains: tuple[tuple[Path, Domain], ...] = ((config.a, "a"), (config.b, "b"))
        for root, domain in domains:
            sources: list[Source] = [(path,) for path in split_images(root, domain, "val")]
            if not sources:
                return None
            found.append(list(_readable(sources, count, partial(_fit_one, config=config))))
        return Batch(self._middles(found[0]), self._middles(found[1]))

    def _ready(self, pictures: Sequence[Picture], uniforms: NDArray[np.float64]) -> Tensor:
        """Cropped, on the device, as floats, changed at random: (N, 3, H, W), or (N, T, 3, H, W) for clips.

        Args:
            pictures: N of them, or N times T frames, clip after clip.
            uniforms: (N, UNIFORMS); all frames of a clip are cropped, flipped and coloured alike.
        """
        c, frames = self.config, self.windows_a.length
        uniforms = np.repeat(uniforms, frames, axis=0)
        height, width = self._crop_size(pictures)
        if c.rotate or c.rescale:
            on = [bytes_to_floats(on_device(torch.from_numpy(p)[None], self.device)) for p in pictures]
            warp = partial(warped_crop, size=(height, width), rotate=c.rotate, rescale=c.rescale)
            images = torch.cat([warp(image, row) for image, row in zip(on, uniforms, strict=True)])
        else:
            images = self._crops(pictures, uniforms, height, width)
        colours = ColourJitter(c.brightness, c.contrast, c.saturation, c.hue)
        if c.augment == "one_of_five":
            images = one_of_five(
                images, uniforms[:, 2:6], colours, shares=c.augment_probabilities, frames=frames
            )
        else:
            images = each(images, uniforms[:, 2:6], colours, flips=c.flip, frames=frames)
        return self._clips(images)

    def _crops(
        self, pictures: Sequence[Picture], uniforms: NDArray[np.float64], height: int, width: int
    ) -> Tensor:
        """Crops at random positions, on the device, as floats: (N, 3, height, width)."""
        crops = _bytes((len(pictures), height, width, 3), self.device)
        target = crops.numpy()
        for i, picture in enumerate(pictures):
            top = int(uniforms[i, 0] * (picture.shape[0] - height + 1))
            left = int(uniforms[i, 1] * (picture.shape[1] - width + 1))
            target[i] = picture[top : top + height, left : left + width]
        return bytes_to_floats(on_device(crops, self.device))

    def _middles(self, pictures: Sequence[Picture]) -> Tensor:
        """The middle of each picture at one size, on the device, as floats: (N, 3, H, W)."""
        height, width = self._crop_size(pictures)
        middles = np.stack([centre_crop(picture, height, width) for picture in pictures])
        return self._clips(bytes_to_floats(on_device(torch.from_numpy(middles), self.device)))

    def _clips(self, frames: Tensor) -> Tensor:
        """Frames (N * T, 3, H, W) as clips (N, T, 3, H, W); single images as they are."""
        length = self.windows_a.length
        return frames if length == 1 else frames.unflatten(0, (-1, length))

    def _crop_size(self, pictures: Sequence[Picture]) -> tuple[int, int]:
        if self.config.crops:
            return self.config.crop_size, self.config.crop_size
        return min(p.shape[0] for p in pictures), min(p.shape[1] for p in pictures)


def open_batches(
    config: DataConfig, sampling: Sampling, *, device: torch.device, cache_folder: Path
) -> Batches:
    """Find, decode and cache the pictures of both domains.

    Args:
        config: folders, sizes and augmentation.
        sampling: what a sample is, and which samples belong to a step.
        device: where batches are put.
        cache_folder: where decoded pictures go that do not fit in memory.

    Raises:
        DataError: a folder is missing or empty, no picture can be read, no pair is found, clips are wanted
            and there are none, or pictures of unequal size are wanted in one batch.
    """
    is_paired, length = sampling.pairing == "paired", sampling.clip_length
    limit = default_memory_limit() // sampling.world // (1 if is_paired else 2)
    settings: dict[str, Any] = {"pairing": sampling.pairing, **config.fit_settings()}

    def opened(sources: Sequence[Source], fit_source: Fit, name: str, root: Path) -> tuple[Cache, Windows]:
        strips = not is_paired and are_strips([source[0] for source in sources], length)
        count = config.max_images or len(sources)
        is_clip = length > 1 and not strips
        chosen = whole_clips(sources, root, count) if is_clip else _evenly(sources, count)
        cache = open_cache(
            chosen,
            fit_strip(fit_source) if strips else fit_source,
            settings=settings | ({"strips": True} if strips else {}),
            file=cache_folder / f"{name}.pixels",
            memory_limit=limit,
        )
        _check_sizes(cache, config, sampling.batch)
        return cache, windows_in(cache, root, length, are_strips=strips, step=config.frame_step)

    if is_paired:
        pairs, alone = _training_pairs(config)
        cache, windows = opened(pairs, partial(fit_pair, config=config), "pairs", config.a)
        sampler = sampling.sampler(len(windows.starts), None)
        return Batches(config, sampler, cache, None, windows, windows, device, alone + cache.unreadable)
    of_a, of_b = training_images(config.a, "a"), training_images(config.b, "b")
    check_domains_differ(config.a, config.b, of_a, of_b)
    cache_a, a = opened(*_with_fit(of_a, "a", config), "a", config.a)
    cache_b, b = opened(*_with_fit(of_b, "b", config), "b", config.b)
    unreadable = cache_a.unreadable + cache_b.unreadable
    sampler = sampling.sampler(len(a.starts), len(b.starts))
    return Batches(config, sampler, cache_a, cache_b, a, b, device, unreadable)


def _with_fit(pictures: list[Path], domain: Domain, config: DataConfig) -> tuple[list[Source], Fit]:
    """The pictures of a domain, with their masks where there are any, and how they are fitted."""
    root, masks = (config.a, config.mask_a) if domain == "a" else (config.b, config.mask_b)
    if masks is None:
        return [(path,) for path in pictures], partial(_fit_one, config=config)
    return with_masks(pictures, root, domain, masks), partial(fit_pair, config=config)


def _training_pairs(config: DataConfig) -> tuple[list[Source], list[tuple[Path, str]]]:
    pairs, alone = find_pairs(config.a, config.b, "train")
    if not pairs:
        first = f": {alone[0][0]} {alone[0][1]}" if alone else ""
        what = f"no pairs in {config.a} and {config.b}{first}"
        fix = "Give partners the same name, or one folder of A|B pictures as both domains; "
        raise DataError(what, f"{fix}without pairs, train a method such as cyclegan.")
    check_side_by_side([path for path, *rest in pairs if not rest])
    for path, reason in alone:
        _log.warning("left out: %s %s", path, reason)
    return pairs, alone


def _held_out_clips(
    splits: Sequence[list[Source]], root: Path, count: int, fit_source: Fit, shape: tuple[int, int]
) -> list[list[Picture]]:
    """Up to `count` samples of the first split that has any, spread evenly over it.

    `shape` is how many frames a sample has, and how far each is behind the one before.
    """
    length, step = shape
    images = next(split for split in splits if split)
    if length == 1:
        return [[picture] for picture in _readable(images, count, fit_source)]
    if all(len(source) == 1 for source in images) and are_strips([source[0] for source in images], length):
        strips = _readable(images, count, fit_strip(fit_source))
        return [split_stack(strip, length) for strip in strips]
    places: list[Position | None] = []
    for sources in splits:
        places = positions([source[0] for source in sources], root)
        if starts := starts_of_windows(places, span_of(length, step)):
            frames = [range(start, start + span_of(length, step), step) for start in starts]
            windows = [sum((sources[number] for number in window), ()) for window in frames]
            clips = _readable(windows, count, fit_clip(fit_source, length))
            return [split_stack(clip, length) for clip in clips]
    raise no_clips(places, root, length, step)


def _check_sizes(cache: Cache, config: DataConfig, batch: int) -> None:
    """Pictures that are not cropped to one size cannot share a batch unless they are equal."""
    if config.crops or batch == 1:
        return
    different = np.flatnonzero((cache.table[:, 1:] != cache.table[0, 1:]).any(axis=1))
    if len(different):
        other = int(different[0])
        sizes = [f"{cache.sources[i][0]} {cache.table[i, 2]}x{cache.table[i, 1]}" for i in (0, other)]
        what = f"pictures of unequal size cannot share a batch of {batch} ({' and '.join(sizes)})"
        raise DataError(what, "Use a batch of 1, or --preprocess resize_and_crop.")


def _readable(sources: Sequence[Source], count: int, fit_source: Fit) -> list[Picture]:
    """Up to `count` pictures spread evenly; instead of an unreadable one comes the next that is readable."""
    found: dict[int, Picture] = {}
    places = _evenly(range(len(sources)), count)
    for place in [*places, *(i for i in range(len(sources)) if i not in set(places))]:
        if len(found) == len(places):
            break
        try:
            found[place] = fit_source([read_image(path) for path in sources[place]])
        except ImageError as error:
            _log.warning("left out of the samples: %s", error.what)
    if not found:
        raise DataError("no held-out picture can be read", "Replace the pictures in test, val or train.")
    return [found[place] for place in sorted(found)]


def _evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, spread evenly, in order."""
    number = min(count, len(items))
    return [items[i * len(items) // number] for i in range(number)]


def _fit_one(pictures: list[Picture], config: DataConfig) -> Picture:
    return fit(pictures[0], config)


def _halves(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """A and B of pairs that are kept one above the other."""
    middle = [picture.shape[0] // 2 for picture in pictures]
    above = [picture[:at] for picture, at in zip(pictures, middle, strict=True)]
    return above, [picture[at:] for picture, at in zip(pictures, middle, strict=True)]


def _bytes(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Room for bytes that are sent to the device next."""
    return torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
