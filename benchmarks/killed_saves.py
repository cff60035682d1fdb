"""How often a model file is broken when the process that saves it is killed.

    python benchmarks/killed_saves.py

A process saves a model of 8 MB again and again, and is killed at a random moment. Then
the file is loaded.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from torch_binary_classifier import ModelFileError, load

SAVES = """
import sys
import numpy as np
import joblib
from torch_binary_classifier import save

write = {"joblib.dump": joblib.dump, "torch_binary_classifier.save": save}[sys.argv[1]]
model = {"weights": np.zeros(1_000_000)}
write(model, sys.argv[2])
print("saving", flush=True)
while True:
    write(model, sys.argv[2])
"""
MOST_SECONDS = 0.3


def is_broken_by_a_kill(writer: str, seconds: float) -> bool:
    """Return whether a file cannot be loaded after its writer was killed."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        command = [sys.executable, "-c", SAVES, writer, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(seconds)
            process.kill()
        try:
            load(path)
        except ModelFileError:
            return True
        return False


def main() -> None:
    """Print how many of the files were broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    n_kills = parser.parse_args().kills
    for writer in ("joblib.dump", "torch_binary_classifier.save"):
        draws = random.Random(0)
        broken = [
            is_broken_by_a_kill(writer, draws.uniform(0, MOST_SECONDS))
            for _ in range(n_kills)
        ]
        print(f"{writer}: {sum(broken)} of {n_kills} files broken")


if __name__ == "__main__":
    main()
