"""Video files: frames with exact times in, the same out, sound included."""
