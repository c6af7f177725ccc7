"""The same share of something on both sides of a dataset."""
