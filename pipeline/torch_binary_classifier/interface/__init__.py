"""What the estimator and the trainer hand each other: plain values, without torch.

Both know these, and not each other; only the classifier calls the trainer.
"""
