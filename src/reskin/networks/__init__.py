"""Networks that methods are built from: tensors in, tensors out."""
