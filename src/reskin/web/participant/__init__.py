"""The study as raters see it: a small application of its own, with its own port and its own tokens."""
