"""In a checkout, the package's public names; not installed."""

import sys

sys.path.insert(0, __path__[0])
from torch_binary_classifier import *  # noqa: F403
