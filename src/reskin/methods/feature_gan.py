"""GAN with a feature loss: the VGG features of a translation should stay those of its input.

The baseline "Feature loss + GAN" of Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", ICCV 2017, section 5.1, https://arxiv.org/abs/1703.10593; after SimGAN (Shrivastava et
al. 2017), with the distance taken in the features of Johnson et al. 2016.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from reskin.losses.adversarial import Adversarial, adversarial_discriminator, adversarial_generator
from reskin.losses.gradient_penalty import gradient_penalty
from reskin.losses.reconstruction import l1
from reskin.methods.base import Adversary, FeatureLoader, Method, MethodConfig, frozen
from reskin.networks.blocks import Upsample
from reskin.networks.features import Convention, FeatureNetwork
from reskin.networks.image_pool import ImagePool
from reskin.networks.init import Init, initialise
from reskin.networks.patchgan import patch_discriminator
from reskin.networks.resnet import ResnetGenerator
from reskin.networks.together import together
from reskin.types import Batch, Direction, Step

FEATURE_SCALE: dict[Convention, float] = {"caffe": 1.0, "torchvision": 57.6, "normalised": 1.0}
"""What distances between features are multiplied by, so that one feature_weight serves all kinds of weights.

The weight 10 was published for Caffe's weights. Torchvision's see pictures that are 255 * 0.226 = 57.6 times
smaller (0.226 is the mean deviation of its three channels), and so give features that are smaller about as
much; the published weights of fast style transfer for either kind (1 : 5 and 1e5 : 1e10) differ in the same
way. For the normalised kind there is no such experience."""


PUBLISHED_GRADIENT = 127.5**-2
"""What the published code multiplies the gradient of the feature loss by.

Its VGG sees (x + 1) * 127.5, whose derivative is 127.5; its backward pass divides by that number instead of
multiplying. So the published weight of 10 acts like 10 / 127.5^2 = 6.15e-4 with the true gradient, which at
10 would leave nothing of the adversarial objective."""


class FeatureGANConfig(MethodConfig):
    """Settings of the feature-loss baseline; the defaults are those of the CycleGAN paper."""

    feature_weight: float = Field(default=10.0, ge=0)
    """Weight of the feature loss |VGG(gen_a2b(a)) - VGG(a)|, for features as large as Caffe's: those of
    torchvision's VGG are multiplied by 57.6 first; 0 leaves the plain GAN, for which no VGG is needed."""
    has_true_gradient: bool = False
    """Follow the true gradient of the feature loss; the published code's is 127.5^2 = 16,256 times smaller.
    With it take a feature_weight of some 0.001 to 0.1."""
    feature_weights: Path | None = None
    """File with the weights of the VGG that makes the features; by default torchvision's VGG-16."""
    feature_layer: str = "relu4_2"
    """Layer of the VGG whose features are compared."""
    feature_size: int = Field(default=224, ge=16, le=2048)
    """Width and height of the input of the VGG, in px."""
    adversarial_weight: float = Field(default=1.0, ge=0)
    """Weight of the generator's adversarial loss; 0 leaves the feature loss alone, with no discriminator."""
    adversarial: Adversarial = "lsgan"
    """Form of the adversarial loss: least squares (the paper), cross-entropy, hinge or WGAN-GP."""
    pool_size: int = Field(default=50, ge=0)
    """Size of the image pool: earlier fakes that a discriminator sees; 0 for none."""
    width: int = Field(default=64, ge=1)
    """Channels after the first layer of both networks."""
    blocks: int = Field(default=6, ge=1)
    """Residual blocks in the generator: 6 for 128 px, 9 for 256 px."""
    upsample: Upsample = "transposed"
    """Upsampling: a transposed convolution, or a nearest or bilinear resize-convolution."""
    disc_layers: int = Field(default=3, ge=1, le=6)
    """Downsamplings of the discriminator: 3 give a receptive field of 70 px, 1 of 16 px."""
    init: Init = "normal"
    """Initialisation of the weights."""
    init_gain: float = Field(default=0.02, gt=0)
    """Standard deviation or scale of the initial weights."""

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.adversarial_weight or self.feature_weight):
            raise ValueError("adversarial_weight and feature_weight are both 0: nothing would be learnt")
        return self


class FeatureGAN(Method):
    """One generator, one discriminator, and a VGG that learns nothing (G, D and phi in the paper)."""

    Config = FeatureGANConfig
    config: FeatureGANConfig
    vgg: FeatureNetwork
    title = "Feature loss + GAN"
    paper = "Zhu et al. 2017 (baseline)"
    good_for = "photographs to photographs, one way, where the features of a VGG should stay; a baseline"
    adversary = Adversary(("disc_b",), ("discriminator_b",), setting="adversarial")
    advice = {
        "inverted": ("lower init_gain",),
        "copy": ("lower feature_weight", "higher adversarial_weight"),
        "discriminator_won": ("fewer disc_layers", "higher pool_size", "another adversarial"),
        "overfitting": ("lower width",),
    }
    defaults = {"load_size": 143, "crop_size": 128}
    directions: tuple[Direction, ...] = ("a2b",)
    size_multiple = 4

    def __init__(self, config: FeatureGANConfig) -> None:
        super().__init__(config)
        self.gen_a2b = ResnetGenerator(config.width, config.blocks, upsample=config.upsample)
        self.disc_b = patch_discriminator(config.width, config.disc_layers)
        for network in (self.gen_a2b, self.disc_b):
            initialise(network, config.init, config.init_gain)
        self.pool_b = ImagePool(config.pool_size)
        self.add_optimizer("generator", self.gen_a2b)
        self.add_optimizer("discriminator", self.disc_b)

    def prepare_training(self, load_features: FeatureLoader) -> None:
        c = self.config
        if c.feature_weight:
            self.add_frozen("vgg", load_features([c.feature_layer], c.feature_weights))

    def training_step(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        a, b, c = batch.a, batch.b, self.config
        fake_b = self.gen_a2b(a)

        losses, terms = {}, {}
        with frozen(self.disc_b):
            if c.adversarial_weight:
                losses["adversarial"] = adversarial_generator(c.adversarial, self.disc_b(fake_b))
                terms["adversarial"] = c.adversarial_weight * losses["adversarial"]
            if c.feature_weight:
                losses["feature"] = self._feature_distance(fake_b, a)
                factor = 1.0 if c.has_true_gradient else PUBLISHED_GRADIENT
                terms["feature"] = factor * c.feature_weight * losses["feature"]
            self.update("generator", **terms)

        if c.adversarial_weight:
            real, old = together(self.disc_b, b, pooled := self.pool_b(fake_b))
            losses["discriminator_b"] = adversarial_discriminator(c.adversarial, real, old)
            if c.adversarial == "wgan-gp":
                losses["discriminator_b"] = losses["discriminator_b"] + gradient_penalty(
                    self.disc_b, b, pooled
                )
            self.update("discriminator", discriminator_b=losses["discriminator_b"])
        return {name: loss.detach() for name, loss in losses.items()}

    def _feature_distance(self, fake: Tensor, image: Tensor) -> Tensor:
        """Mean absolute difference of the features, in the size that Caffe's weights give them."""
        with torch.no_grad():
            wanted = self._features(image)
        return FEATURE_SCALE[self.vgg.convention] * l1(self._features(fake), wanted)

    def _features(self, images: Tensor) -> Tensor:
        """What the VGG sees, (N, C, h, w)."""
        side = self.config.feature_size
        features = self.vgg(F.interpolate(images, size=(side, side), mode="bilinear"))
        return features[self.config.feature_layer]

    def generate(self, images: Tensor, direction: Direction) -> Tensor:
        return self.gen_a2b(images)
