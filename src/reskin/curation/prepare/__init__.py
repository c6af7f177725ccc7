"""From footage to data sets."""
