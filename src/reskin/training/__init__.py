"""Training: the loop, the run folder and what they need."""
