"""What to make smaller where a training does not fit the memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reskin.device import Compute, is_out_of_memory
from reskin.errors import RunError
from reskin.runs.settings import RunSettings


@contextmanager
def memory_is_enough(settings: RunSettings, compute: Compute) -> Iterator[None]:
    """Say what does not fit the memory of the device, and what makes it smaller.

    Raises:
        RunError: the device refuses memory inside the block.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        count, edge = settings.train.batch, settings.data.crop_size
        pictures = f"{count} picture{'' if count == 1 else 's'} of each domain at {edge} px"
        what = f"a training step with {pictures} does not fit the memory of {compute.describe()}"
        lower = "a lower --batch, --crop-size or --width"
        if "pool_size" in type(settings.method).model_fields:
            lower = "a lower --batch, --crop-size, --width or --pool-size"
        raise RunError(
            what, f"Give {lower}, or add --checkpoint-activations where the method has it."
        ) from error
