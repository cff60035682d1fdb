"""The commands, a module each: its arguments, and what it does with them.

A command's module imports what does the work when the command runs: ``--help`` and
mistakes in the arguments must not wait for NumPy and scikit-learn, and ``score`` and
``inspect`` never import torch.
"""

PROGRAM = "torch-binary-classifier"
