"""Training of many small networks at once: tensors only, no tables, no labels."""
