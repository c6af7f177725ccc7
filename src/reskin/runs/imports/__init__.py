"""Checkpoints of other repositories, turned into model folders."""
