"""Pictures, folders and videos through a trained model."""
