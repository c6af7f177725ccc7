"""Making datasets and auditing them."""
