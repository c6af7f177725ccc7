"""The whole training step as one CUDA graph: one launch instead of some thousands."""

from __future__ import annotations

import torch
from torch import Tensor

from reskin.device import Compute
from reskin.errors import SettingsError
from reskin.methods.base import Method
from reskin.types import Batch

WARM_UP_STEPS = 3


class GraphedStep:
    """A training step that is recorded once and replayed.

    Everything the step reads from outside lies in fixed places on the device: batch and learning rates.
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
        self.method, self.compute = method, compute
        self.graph: torch.cuda.CUDAGraph | None = None
        method.checks_later = True
        for optimizer in method.optimizers.values():
            for group in optimizer.param_groups:
                group["capturable"] = True
                group["lr"] = torch.tensor(float(group["lr"]), device=compute.device)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from `batch`, which must have the shape of the first one."""
        if self.graph is None:
            self.batch = Batch(batch.a.clone(), batch.b.clone())
            self._record()
        self.batch.a.copy_(batch.a)
        self.batch.b.copy_(batch.b)
        assert self.graph is not None
        self.graph.replay()
        return self.losses

    def _step(self) -> dict[str, Tensor]:
        with self.compute.autocast():
            return self.method.training_step(self.batch)

    def _record(self) -> None:
        random_state = torch.cuda.get_rng_state()
        modules = {key: value.clone() for key, value in self.method.state_dict().items()}
        moments = [
            {index: dict(entry) for index, entry in enumerate(optimizer.state.values())}
            for optimizer in self.method.optimizers.values()
        ]
        moments = [
            {i: {k: v.clone() for k, v in entry.items()} for i, entry in group.items()} for group in moments
        ]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        self._put_back(modules, moments)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.losses = self._step()
        torch.cuda.set_rng_state(random_state)

    @torch.no_grad()
    def _put_back(self, modules: dict[str, Tensor], moments: list[dict[int, dict[str, Tensor]]]) -> None:
        """Undo the warm-up in place: what did not exist before it is set to zero, where it began."""
        for key, value in self.method.state_dict().items():
            if key in modules and modules[key].shape == value.shape:
                value.copy_(modules[key])
            else:  # an image pool that was still empty
                value.zero_()
        for optimizer, before in zip(self.method.optimizers.values(), moments, strict=True):
            for index, entry in enumerate(optimizer.state.values()):
                for key, value in entry.items():
                    if index in before:
                        value.copy_(before[index][key])
                    else:
                        value.zero_()
        self.method.broken = {term: flag.zero_() for term, flag in self.method.broken.items()}
