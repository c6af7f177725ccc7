"""CycleGAN in plain PyTorch, after its paper alone: what every claim of speed is compared with.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017,
https://arxiv.org/abs/1703.10593, sections 3 and 4 and appendix 7.2. Nothing of reskin is in it, and none of
what makes reskin quick: each network is called once for each batch that the formulas name, in float32.
"""

from __future__ import annotations

import itertools
import random

import torch
from torch import Tensor, nn


def convolution(before: int, after: int, kernel: int, stride: int, *, padding: int = 0) -> list[nn.Module]:
    """A convolution with its instance norm and ReLU."""
    layer = nn.Conv2d(before, after, kernel, stride, padding)
    return [layer, nn.InstanceNorm2d(after), nn.ReLU(inplace=True)]


class Residual(nn.Module):
    """R256: two convolutions of 3x3 with reflection padding, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = convolution(channels, channels, 3, 1)[:-1]
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), *convolution(channels, channels, 3, 1), nn.ReflectionPad2d(1), *last
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return images + self.layers(images)


def generator(width: int = 64, blocks: int = 9) -> nn.Sequential:
    """c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), *convolution(3, width, 7, 1)]
    for factor in (1, 2):
        layers += convolution(width * factor, width * factor * 2, 3, 2, padding=1)
    layers += [Residual(width * 4) for _ in range(blocks)]
    for factor in (4, 2):
        before, after = width * factor, width * factor // 2
        up = nn.ConvTranspose2d(before, after, 3, 2, padding=1, output_padding=1)
        layers += [up, nn.InstanceNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def discriminator(width: int = 64) -> nn.Sequential:
    """C64-C128-C256-C512 and a convolution to one channel: patches of 70x70 px."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for factor, stride in ((1, 2), (2, 2), (4, 1)):
        before, after = width * factor, width * factor * 2
        layers += [nn.Conv2d(before, after, 4, stride, 1), nn.InstanceNorm2d(after)]
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return nn.Sequential(*layers, nn.Conv2d(width * 8, 1, 4, 1, 1))


class History:
    """The last 50 generated images: half of what a discriminator sees is drawn from them."""

    def __init__(self, size: int = 50) -> None:
        self.size, self.images = size, []  # type: int, list[Tensor]

    def exchange(self, images: Tensor) -> Tensor:
        """As many images, (N, 3, H, W): the new ones, or older ones whose place they take."""
        shown = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image)
                shown.append(image)
            elif random.random() < 0.5:
                place = random.randrange(self.size)
                shown.append(self.images[place])
                self.images[place] = image
            else:
                shown.append(image)
        return torch.stack(shown)


class Training:
    """Two generators, two discriminators, least squares, cycle weight 10, identity weight 5, Adam."""

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        self.a2b, self.b2a = generator(width, blocks), generator(width, blocks)
        self.judge_a, self.judge_b = discriminator(width), discriminator(width)
        self.history_a, self.history_b = History(), History()
        translating = itertools.chain(self.a2b.parameters(), self.b2a.parameters())
        judging = itertools.chain(self.judge_a.parameters(), self.judge_b.parameters())
        self.adam = torch.optim.Adam(translating, 2e-4, (0.5, 0.999))
        self.adam_of_judges = torch.optim.Adam(judging, 2e-4, (0.5, 0.999))

    def step(self, a: Tensor, b: Tensor) -> tuple[float, float]:
        """Learn from (N, 3, H, W) of each domain; the losses of generators and discriminators."""
        for judge in (self.judge_a, self.judge_b):
            judge.requires_grad_(False)
        fake_b, fake_a = self.a2b(a), self.b2a(b)
        loss = (self.judge_b(fake_b) - 1).square().mean() + (self.judge_a(fake_a) - 1).square().mean()
        loss = loss + 10 * ((self.b2a(fake_b) - a).abs().mean() + (self.a2b(fake_a) - b).abs().mean())
        loss = loss + 5 * ((self.a2b(b) - b).abs().mean() + (self.b2a(a) - a).abs().mean())
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()

        total = 0.0
        self.adam_of_judges.zero_grad()
        for judge, real, fake, history in (
            (self.judge_a, a, fake_a, self.history_a),
            (self.judge_b, b, fake_b, self.history_b),
        ):
            judge.requires_grad_(True)
            judged = (judge(real) - 1).square().mean() + judge(history.exchange(fake)).square().mean()
            (0.5 * judged).backward()
            total += 0.5 * judged.item()
        self.adam_of_judges.step()
        return loss.item(), total
