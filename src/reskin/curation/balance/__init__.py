"""The same share of something in both domains of a dataset."""
