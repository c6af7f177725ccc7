"""The networks of DCGAN: noise to pictures of 64 px, and a judge of whole pictures.

Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", ICLR 2016, https://arxiv.org/abs/1511.06434.
"""

from __future__ import annotations

from torch import Tensor, nn

from reskin.errors import SettingsError, ShapeError
from reskin.networks.blocks import bounded, check_input

SIDE = 64
"""Height and width of the pictures, px."""


class DCGANGenerator(nn.Module):
    """Noise to pictures: one transposed convolution to 4 px, four that double; see `dcgan_generator`."""

    def __init__(self, width: int, noise_size: int) -> None:
        super().__init__()
        self.noise_size = noise_size
        layers: list[nn.Module] = [nn.ConvTranspose2d(noise_size, 8 * width, 4, bias=False)]
        for many, few in ((8 * width, 4 * width), (4 * width, 2 * width), (2 * width, width)):
            layers += [nn.BatchNorm2d(many), nn.ReLU(inplace=True)]
            layers.append(nn.ConvTranspose2d(many, few, 4, stride=2, padding=1, bias=False))
        layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        layers.append(nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1, bias=False))
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Make pictures.

        Args:
            noise: (N, noise_size), drawn from N(0, 1).

        Returns:
            (N, 3, 64, 64), float32, in [-1, 1].

        Raises:
            ShapeError: `noise` has another shape.
        """
        if noise.dim() != 2 or noise.shape[1] != self.noise_size:
            raise ShapeError(
                f"the generator takes noise (N, {self.noise_size}), got {tuple(noise.shape)}",
                "Draw it with torch.randn.",
            )
        return bounded(self.layers(noise[:, :, None, None]))


class DCGANDiscriminator(nn.Module):
    """Pictures of 64 px to one raw logit each; see `dcgan_discriminator`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1, bias=False)]
        for few, many in ((width, 2 * width), (2 * width, 4 * width), (4 * width, 8 * width)):
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            layers.append(nn.Conv2d(few, many, 4, stride=2, padding=1, bias=False))
            layers.append(nn.BatchNorm2d(many))
        layers += [nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(8 * width, 1, 4, bias=False)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Judge pictures; higher means "looks real".

        Args:
            images: (N, 3, 64, 64) in [-1, 1].

        Returns:
            (N, 1, 1, 1) logits.

        Raises:
            ShapeError: the pictures have another shape.
        """
        check_input(images, channels=3, multiple=SIDE, smallest=SIDE)
        if images.shape[-2:] != (SIDE, SIDE):
            raise ShapeError(f"pictures of {SIDE} px are judged, got {tuple(images.shape)}", "Resize them.")
        return self.layers(images)


def dcgan_generator(width: int = 64, noise_size: int = 100) -> DCGANGenerator:
    """The generator of DCGAN for 64 px, with PyTorch's own initial weights.

    Args:
        width: channels before the last layer; the first has 8 times as many.
        noise_size: numbers that a picture is made from.

    Raises:
        SettingsError: one of them is below 1.

    >>> sum(p.numel() for p in dcgan_generator().parameters())
    3576704
    """
    if width < 1 or noise_size < 1:
        raise SettingsError(f"a DCGAN of width {width} from {noise_size} numbers", "Use at least 1 of each.")
    return DCGANGenerator(width, noise_size)


def dcgan_discriminator(width: int = 64) -> DCGANDiscriminator:
    """The discriminator of DCGAN for 64 px, with PyTorch's own initial weights.

    Args:
        width: channels after the first layer; the last has 8 times as many.

    Raises:
        SettingsError: `width` is below 1.

    >>> sum(p.numel() for p in dcgan_discriminator().parameters())
    2765568
    """
    if width < 1:
        raise SettingsError(f"a DCGAN discriminator of width {width}", "Use at least 1.")
    return DCGANDiscriminator(width)
