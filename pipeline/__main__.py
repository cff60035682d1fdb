"""``python -m pipeline``; knows only where the commands are."""

import sys

from pipeline.cli import main

sys.exit(main())
