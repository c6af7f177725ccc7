"""Pictures on disk to batches on the device, as pure functions of (seed, step, index)."""
