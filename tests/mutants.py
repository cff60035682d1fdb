"""Small faults, planted one at a time, that the tests must see.

``make mutants`` plants each of `MUTANTS` in a copy of the tree, runs the tests that
are to see it, and prints what became of it. A fault that no test sees survives: add
the test, or say in `Mutant.survives` why there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("pipeline/torch_binary_classifier")
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "models", "scratch")
TESTS_FAILED = 1  # pytest's exit code; others tell of no test


class MutantError(Exception):
    """A mutant that cannot be planted, or whose tests cannot be run."""


@dataclass(frozen=True)
class Mutant:
    """A fault of one place.

    Parameters
    ----------
    file : str
        Below the package.
    old, new : str
        What stands there once, and what replaces it.
    tests : str
        Words of pytest's command line: the tests that are to see it, in seconds.
    survives : str, default=""
        Why no test can see it.
    """

    file: str
    old: str
    new: str
    tests: str
    survives: str = ""


MUTANTS: tuple[Mutant, ...] = ()


def planted(mutant: Mutant, source: str) -> str:
    """Return a file's text with the fault in it."""
    n_places = source.count(mutant.old)
    if n_places != 1:
        msg = f"{mutant.file} must hold {mutant.old!r} once, got it {n_places} times."
        raise MutantError(msg)
    return source.replace(mutant.old, mutant.new)


def fails(root: Path, tests: Sequence[str]) -> bool:
    """Return whether the tests of a tree see a fault in it."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(root / "pipeline"), str(root)]),
        # A file may change without a change of its size within a second.
        "PYTHONDONTWRITEBYTECODE": "1",
        "SCIPY_ARRAY_API": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode not in {0, TESTS_FAILED}:
        msg = f"pytest {' '.join(tests)} must run, got:\n{done.stdout}"
        raise MutantError(msg)
    return done.returncode == TESTS_FAILED


def outcomes(
    root: Path, mutants: Sequence[Mutant], package: Path | str = PACKAGE
) -> Iterator[tuple[Mutant, bool, float]]:
    """Yield every mutant, whether it is killed, and after how many seconds.

    Raises
    ------
    MutantError
        If a mutant cannot be planted, or the tests fail without one.
    """
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(root, copy, ignore=LEFT_OUT)
        files = {mutant.file for mutant in mutants}
        sources = {name: (copy / package / name).read_text() for name in files}
        changed = [planted(mutant, sources[mutant.file]) for mutant in mutants]
        for tests in dict.fromkeys(mutant.tests for mutant in mutants):
            if fails(copy, tests.split()):
                msg = f"pytest {tests} must pass without a mutant, got a failure."
                raise MutantError(msg)
        for mutant, text in zip(mutants, changed, strict=True):
            path = copy / package / mutant.file
            path.write_text(text)
            start = time.perf_counter()
            killed = fails(copy, mutant.tests.split())
            path.write_text(sources[mutant.file])
            yield mutant, killed, time.perf_counter() - start


def row(mutant: Mutant, killed: bool, seconds: float) -> str:
    """Return a line of the table."""
    became = "killed" if killed else "survived"
    line = mutant.new.strip().partition("\n")[0]
    return f"{became:<9}{seconds:5.1f} s  {mutant.file:<34} {line or '(removed)'}"


def main() -> int:
    """Print the table; return 1 if it is not as expected."""
    n_unexpected = 0
    for mutant, killed, seconds in outcomes(ROOT, MUTANTS):
        print(row(mutant, killed, seconds), flush=True)
        if not killed and mutant.survives:
            print(f"         because {mutant.survives}")
        n_unexpected += killed == bool(mutant.survives)
    print(f"{len(MUTANTS)} mutants, {n_unexpected} of them not as expected")
    return int(n_unexpected > 0)


if __name__ == "__main__":
    sys.exit(main())
