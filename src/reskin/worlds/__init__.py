"""Drawn footage whose truth is known: classes, motion and the same frame in the other look."""
