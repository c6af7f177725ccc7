"""What looks wrong in a set of pictures, and why; nothing is deleted, and all of it can be undone."""
