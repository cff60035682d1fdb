"""The forward pass in NumPy; knows no torch and no training."""
