"""Measures of pictures and sets of pictures, one file each."""
