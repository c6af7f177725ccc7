"""Batches for training: which pictures a step sees is a pure function of (seed, step, rank)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reskin.data.augment import ColourJitter, each, on_device, one_of_five, warped_crop
from reskin.data.cache import Cache, Fit, Source, default_memory_limit, open_cache
from reskin.data.folders import check_domains_differ, held_out_images, training_images
from reskin.data.pairs import check_side_by_side, find_pairs
from reskin.data.preprocess import DataConfig, centre_crop, fit, fit_pair, unenlarged
from reskin.data.sampling import Sampler
from reskin.errors import DataError, ImageError
from reskin.images import Picture, bytes_to_floats, read_image
from reskin.types import Batch, Split

__all__ = ["Batches", "DataConfig", "open_batches"]

Pairing = Literal["unpaired", "paired"]

_log = logging.getLogger("reskin")

T = TypeVar("T")


@dataclass(frozen=True)
class Batches:
    """Pictures of two sides as training wants them.

    Attributes:
        config: the settings of the data.
        sampler: which pictures a step sees.
        cache_a: decoded pictures of side A; in paired data the pairs, A above B.
        cache_b: decoded pictures of side B; None in paired data.
        device: where batches are put.
        unreadable: files that were left out, each with its reason.
        whole_from: first step whose pictures are no longer enlarged before the crop; None for none.
    """

    config: DataConfig
    sampler: Sampler
    cache_a: Cache
    cache_b: Cache | None
    device: torch.device
    unreadable: list[tuple[Path, str]]
    whole_from: int | None = None

    @property
    def length(self) -> int:
        """Samples in an epoch: pictures of the larger side, or pairs."""
        return self.sampler.length

    @property
    def shorter_edge(self) -> int:
        """Shorter edge of the images of domain A as they are fitted, before any crop, in px; the median."""
        sizes = self.cache_a.table[:, 1:].copy()
        if self.cache_b is None:
            sizes[:, 0] //= 2  # a pair is kept as one image above the other
        return int(np.median(sizes.min(axis=1)))

    def at(self, step: int) -> Batch:
        """The batch of a step (the first is 1) of this process, on the device.

        It depends on nothing but the files, the settings, the seed, the step and the rank: not on what was
        asked for before, and not on which process or thread asks.
        """
        samples = self.sampler.at(step)
        of_a = [self.cache_a.picture(index) for index in samples.a]
        if self.cache_b is None:
            of_a, of_b = _halves(of_a)
        else:
            of_b = [self.cache_b.picture(index) for index in samples.b]
        if self.whole_from is not None and step >= self.whole_from:
            of_a, of_b = ([unenlarged(picture, self.config) for picture in of_] for of_ in (of_a, of_b))
        return Batch(self._ready(of_a, samples.chance_a), self._ready(of_b, samples.chance_b))

    def held_out(self, count: int) -> Batch:
        """Pictures for sample grids, the same ones each time, without chance: the middle of each.

        They come from the test split, else from val, else evenly from the pictures of training. A side with
        fewer than `count` readable pictures repeats them if the other side has more.
        """
        if self.cache_b is None:
            pairs = _readable(_held_out_pairs(self.config), count, partial(fit_pair, config=self.config))
            above, below = _halves(pairs)
            return Batch(self._middles(above), self._middles(below))
        fit_one = partial(_fit_one, config=self.config)
        of_a = _readable([(p,) for p in held_out_images(self.config.a, "a")], count, fit_one)
        of_b = _readable([(p,) for p in held_out_images(self.config.b, "b")], count, fit_one)
        number = max(len(of_a), len(of_b))
        of_a, of_b = [[of[i % len(of)] for i in range(number)] for of in (of_a, of_b)]
        return Batch(self._middles(of_a), self._middles(of_b))

    def _ready(self, pictures: Sequence[Picture], chances: NDArray[np.float64]) -> Tensor:
        """Cropped, on the device, as floats, changed by chance: (N, 3, H, W)."""
        c = self.config
        height, width = self._crop_size(pictures)
        if c.rotate or c.rescale:
            on = [bytes_to_floats(on_device(torch.from_numpy(p)[None], self.device)) for p in pictures]
            warp = partial(warped_crop, size=(height, width), rotate=c.rotate, rescale=c.rescale)
            images = torch.cat([warp(image, row) for image, row in zip(on, chances, strict=True)])
        else:
            images = self._crops(pictures, chances, height, width)
        colours = ColourJitter(c.brightness, c.contrast, c.saturation, c.hue)
        if c.augment == "one_of_five":
            return one_of_five(images, chances[:, 2:6], colours, shares=c.augment_chances)
        return each(images, chances[:, 2:6], colours, flips=c.flip)

    def _crops(
        self, pictures: Sequence[Picture], chances: NDArray[np.float64], height: int, width: int
    ) -> Tensor:
        """Crops at random positions, on the device, as floats: (N, 3, height, width)."""
        crops = _bytes((len(pictures), height, width, 3), self.device)
        target = crops.numpy()
        for i, picture in enumerate(pictures):
            top = int(chances[i, 0] * (picture.shape[0] - height + 1))
            left = int(chances[i, 1] * (picture.shape[1] - width + 1))
            target[i] = picture[top : top + height, left : left + width]
        return bytes_to_floats(on_device(crops, self.device))

    def _middles(self, pictures: Sequence[Picture]) -> Tensor:
        """The middle of each picture at one size, on the device, as floats: (N, 3, H, W)."""
        height, width = self._crop_size(pictures)
        middles = np.stack([centre_crop(picture, height, width) for picture in pictures])
        return bytes_to_floats(on_device(torch.from_numpy(middles), self.device))

    def _crop_size(self, pictures: Sequence[Picture]) -> tuple[int, int]:
        if self.config.crops:
            return self.config.crop_size, self.config.crop_size
        return min(p.shape[0] for p in pictures), min(p.shape[1] for p in pictures)


def open_batches(
    config: DataConfig,
    *,
    pairing: Pairing,
    batch: int,
    seed: int,
    device: torch.device,
    cache_folder: Path,
    rank: int = 0,
    world: int = 1,
) -> Batches:
    """Find, decode and cache the pictures of both sides.

    Args:
        config: folders, sizes and augmentation.
        pairing: whether A and B belong together picture by picture.
        batch: samples per step and process.
        seed: of everything that is chosen by chance.
        device: where batches are put.
        cache_folder: where decoded pictures go that do not fit in memory.
        rank: number of this process, from 0.
        world: number of processes that train together; each takes its own samples of the step.

    Raises:
        DataError: a folder is missing or empty, no picture can be read, no pair is found, or pictures of
            unequal size are wanted in one batch.
    """
    limit = default_memory_limit() // world // (1 if pairing == "paired" else 2)
    settings = {"pairing": pairing, **config.fit_settings()}

    def opened(sources: Sequence[Source], fit_source: Fit, name: str) -> Cache:
        chosen = _evenly(sources, config.max_images or len(sources))
        file = cache_folder / f"{name}.pixels"
        cache = open_cache(chosen, fit_source, settings=settings, file=file, memory_limit=limit)
        _check_sizes(cache, config, batch)
        return cache

    if pairing == "paired":
        pairs, alone = _training_pairs(config)
        cache_a, cache_b = opened(pairs, partial(fit_pair, config=config), "pairs"), None
        unreadable = alone + cache_a.unreadable
    else:
        fit_one = partial(_fit_one, config=config)
        of_a, of_b = training_images(config.a, "a"), training_images(config.b, "b")
        check_domains_differ(config.a, config.b, of_a, of_b)
        cache_a = opened([(path,) for path in of_a], fit_one, "a")
        cache_b = opened([(path,) for path in of_b], fit_one, "b")
        unreadable = cache_a.unreadable + cache_b.unreadable
    count_b = None if cache_b is None else len(cache_b)
    sampler = Sampler(len(cache_a), count_b, batch=batch, seed=seed, rank=rank, world=world)
    return Batches(config, sampler, cache_a, cache_b, device, unreadable)


def _training_pairs(config: DataConfig) -> tuple[list[Source], list[tuple[Path, str]]]:
    pairs, alone = find_pairs(config.a, config.b, "train")
    if not pairs:
        first = f": {alone[0][0]} {alone[0][1]}" if alone else ""
        what = f"no pairs in {config.a} and {config.b}{first}"
        fix = "Give partners the same name, or one folder of A|B pictures as both sides; "
        raise DataError(what, f"{fix}without pairs, train a method such as cyclegan.")
    check_side_by_side([path for path, *rest in pairs if not rest])
    for path, reason in alone:
        _log.warning("left out: %s %s", path, reason)
    return pairs, alone


def _held_out_pairs(config: DataConfig) -> list[Source]:
    splits: tuple[Split, ...] = ("test", "val", "train")
    return next((pairs for split in splits if (pairs := find_pairs(config.a, config.b, split)[0])), [])


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
    """Up to `count` pictures spread evenly; in place of an unreadable one comes the next that is readable."""
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
