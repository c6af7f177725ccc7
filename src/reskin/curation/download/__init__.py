"""The standard sets of the literature, from their public addresses into a folder."""
