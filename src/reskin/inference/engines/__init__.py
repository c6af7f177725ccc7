"""What computes a translation in place of plain PyTorch: one file for each engine behind one protocol."""
