"""What a trained network does by itself, as plain functions on numpy arrays."""
