"""reskin: give footage of one world the look of another."""

__version__ = "0.1.0"
