"""What the commands do, once their arguments are known."""

PROGRAM = "torch-binary-classifier"
