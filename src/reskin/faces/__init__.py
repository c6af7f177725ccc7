"""Faces: found, followed, aligned, cut out and put back."""
