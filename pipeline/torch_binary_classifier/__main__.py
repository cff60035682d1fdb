"""``python -m torch_binary_classifier``; knows only where the commands are."""

import sys

from torch_binary_classifier.cli.main import main

sys.exit(main())
