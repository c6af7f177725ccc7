"""The whole training step as one CUDA graph: one launch instead of some thousands."""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.methods.base import Method
from reskin.types import Batch, Step

WARM_UP_STEPS = 3


class GraphedStep:
    """A training step that is recorded once and replayed.

    Everything the step reads from outside lies in fixed memory on the device: batch and learning rates.
    The recording leaves weights, optimizers and pools as they were.

    Args:
        method: on a CUDA device.
        compute: device and precision.

    Raises:
        SettingsError: the device is not CUDA, or there are several processes.
    """

    def __init__(self, method: Method, compute: Compute) -> None:
        if compute.device.type != "cuda" or torch.distributed.is_initialized():
            raise SettingsError("--cuda-graph needs exactly one CUDA device", "Leave it out.")
        if not method.same_every_step:
            raise SettingsError(
                "this method's steps differ, so no CUDA graph can be made of one", "Leave --cuda-graph out."
            )
        self.method, self.compute = method, compute
        self.graph: torch.cuda.CUDAGraph | None = None
        method.checks_later = True
        for optimizer in method.optimizers.values():
            for group in optimizer.param_groups:
                group["capturable"] = True
                group["lr"] = torch.tensor(float(group["lr"]), device=compute.device)

    def __call__(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Learn from `batch`, which must have the shape of the first one; every step does the same.

        Returns:
            The losses; the next call changes them in place.

        Raises:
            SettingsError: the pictures have another size than those of the first call.
        """
        if self.graph is None:
            self.batch = Batch(batch.a.clone(), batch.b.clone())
            self._record(step)
        assert self.graph is not None
        for kept, new in ((self.batch.a, batch.a), (self.batch.b, batch.b)):
            if kept.shape != new.shape:  # copy_ would spread a smaller picture over the larger one or fail
                raise SettingsError(
                    f"--cuda-graph needs pictures of one size, got {_size(kept)} and {_size(new)}",
                    "Leave it out, or use --preprocess resize_and_crop.",
                )
            kept.copy_(new)
        self.graph.replay()
        return self.losses

    def _step(self, step: Step) -> dict[str, Tensor]:
        # Autocast is entered and left within the recording, so the weights it casts are cast in each replay.
        with self.compute.autocast():
            return self.method.training_step(self.batch, step)

    def _record(self, step: Step) -> None:
        # A recording takes place on the current device, which need not be the one that was asked for.
        with torch.cuda.device(self.compute.device):
            random_state = torch.cuda.get_rng_state()
            modules = {key: value.clone() for key, value in self.method.state_dict().items()}
            moments = [
                [
                    {field: value.clone() for field, value in entry.items()}
                    for entry in optimizer.state.values()
                ]
                for optimizer in self.method.optimizers.values()
            ]
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP_STEPS):
                    self._step(step)
            torch.cuda.current_stream().wait_stream(stream)
            self._put_back(modules, moments)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                self.losses = self._step(step)
            torch.cuda.set_rng_state(random_state)
        self.graph = graph

    @torch.no_grad()
    def _put_back(self, modules: dict[str, Tensor], moments: list[list[dict[str, Tensor]]]) -> None:
        """Undo the warm-up in place: what did not exist before it is set to zero, where it began."""
        for key, value in self.method.state_dict().items():
            if key in modules and modules[key].shape == value.shape:
                value.copy_(modules[key])
            else:  # an image pool that was still empty
                value.zero_()
        for optimizer, before in zip(self.method.optimizers.values(), moments, strict=True):
            entries = list(optimizer.state.values())
            for entry, kept in zip(entries, before or [{} for _ in entries], strict=True):
                for field, value in entry.items():
                    value.copy_(kept.get(field, torch.zeros_like(value)))
        for flag in self.method.broken.values():
            flag.zero_()


def _size(images: Tensor) -> str:
    """What a person calls the size of a batch."""
    return f"{len(images)} of {images.shape[-1]}x{images.shape[-2]}"
