"""A run folder: its layout, checkpoints, settings, logs and scores, and checkpoints of others brought in."""
