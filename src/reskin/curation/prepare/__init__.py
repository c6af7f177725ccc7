"""From footage to datasets."""
