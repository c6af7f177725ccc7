"""A study: several methods on the same data with the same budget and seeds, and one honest table of them."""
