"""Small faults, planted one at a time, that the tests must see.

``make mutants`` plants each of `MUTANTS` in a copy of the tree, runs the tests that
are to see it, and prints what became of it. A fault that no test sees survives: add
the test, or say in `Mutant.survives` why there is none. ``python tests/mutants.py
cli/main.py`` does so with the faults of one file.
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


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "training/stopping.py",
        "self.n_stalled > self.n_iter_no_change",
        "self.n_stalled >= self.n_iter_no_change",
        "tests/test_stopping.py",
    ),
    Mutant(
        "training/schedule.py",
        "ADAPTIVE_FLOOR = 1e-6",
        "ADAPTIVE_FLOOR = 1e-5",
        "tests/test_schedule.py tests/test_equivalence.py",
    ),
    Mutant(
        "training/seeding.py",
        "SHUFFLE, DROPOUT = 1, 2",
        "SHUFFLE, DROPOUT = 1, 1",
        "tests/test_seeding.py tests/test_dropout.py",
    ),
    Mutant(
        "training/penalty.py",
        "        self.strengths.mul_(layout.weight_mask(where))\n",
        "",
        "tests/test_penalty.py tests/test_network.py",
    ),
    Mutant(
        "training/penalty.py",
        "over([n - n_before for n in row_counts])",
        "over([stop - start] * len(members))",
        "tests/test_penalty.py tests/test_engine.py tests/test_equivalence.py",
    ),
    Mutant(
        "training/epochs.py",
        "        totals = torch.maximum(totals, counts)\n",
        "",
        "tests/test_epochs.py tests/test_normalisation.py tests/test_weights.py",
    ),
    Mutant(
        "training/optimizer.py",
        "self.keep.mul_(self.mask).neg_()",
        "self.keep.neg_()",
        "tests/test_optimizer.py",
    ),
    Mutant(
        "training/dropout.py",
        "self.scales = 2**16 / counts",
        "self.scales = torch.ones_like(counts)",
        "tests/test_dropout.py",
    ),
    Mutant(
        "training/initialisation.py",
        'factor = 2.0 if architecture.activation == "logistic" else 6.0',
        "factor = 6.0",
        "tests/test_initialisation.py",
    ),
    Mutant(
        "training/block.py",
        "self.best = self.best.compact(staying)",
        "self.best = self.state.copy()",
        "tests/test_engine.py",
    ),
    Mutant(
        "training/lbfgs.py",
        "converged=found.status in {0, 99}",
        "converged=found.status in {0}",
        "tests/test_lbfgs.py",
    ),
    Mutant(
        "training/start.py",
        "        share = 0.5\n",
        "        share = 0.9\n",
        "tests/test_classifier.py -k no_prior",
    ),
    Mutant(
        "training/normalisation.py",
        "BATCH_NORM_MOMENTUM = 0.1",
        "BATCH_NORM_MOMENTUM = 0.2",
        "tests/test_normalisation.py tests/test_network.py",
    ),
    Mutant(
        "estimator/holdout.py",
        "    found.update(positions.astype(np.int64).tobytes())\n",
        "",
        "tests/test_holdout.py",
    ),
    Mutant(
        "estimator/weights.py",
        "0.5 * (weights.sum() / by_class)",
        "0.5 * (len(weights) / by_class)",
        "tests/test_weights.py",
    ),
    Mutant(
        "estimator/unscaled_columns.py",
        "(still == varies).all()",
        "still.any()",
        "tests/test_unscaled_columns.py",
    ),
    Mutant(
        "estimator/endings.py",
        "elif not (ended.is_watched or course.converged):",
        "elif not course.converged:",
        "tests/test_endings.py tests/test_classifier.py",
    ),
    Mutant(
        "estimator/going_on.py",
        "        if given != value and not is_auto(given):",
        '        if given != value and name != "dtype":',
        "tests/test_whole_state.py tests/test_classifier.py",
    ),
    Mutant(
        "inference/ensemble.py",
        "    if extreme.any():\n",
        "    if extreme.all():\n",
        "tests/test_ensemble.py",
    ),
    Mutant(
        "inference/network_kinds.py",
        "by_member[:, :, member]",
        "by_member[:, :, 0]",
        "tests/test_network_kinds.py",
    ),
    Mutant(
        "inference/piecewise.py",
        "pieces <= n_knots // 2",
        "pieces <= n_knots - 1",
        "tests/test_piecewise.py",
    ),
    Mutant(
        "inference/forward.py",
        "UnscorableError(start + int(row)",
        "UnscorableError(int(row)",
        "tests/test_forward.py tests/test_bad_input.py",
    ),
    Mutant(
        "blas_threads.py",
        "default=1)",
        "default=2)",
        "tests/test_blas_threads.py",
    ),
    Mutant(
        "forks.py",
        "            self._holders.clear()\n",
        "",
        "tests/test_forks.py",
    ),
    Mutant(
        "search/programs.py",
        "size = None if training.batch_size >= largest else training.batch_size",
        "size = training.batch_size",
        "tests/search/test_programs.py",
    ),
    Mutant(
        "search/programs.py",
        "own if number == 0 else copy.deepcopy(own)",
        "own",
        "tests/search/test_programs.py",
    ),
    Mutant(
        "search/memory.py",
        "(n_unarrived + 1) * self._largest",
        "n_unarrived * self._largest",
        "tests/search/test_memory.py tests/search/test_gathering.py",
    ),
    Mutant(
        "search/patience.py",
        "PATIENCE_FACTOR * self._longest_gap",
        "self._longest_gap",
        "tests/search/test_patience.py tests/search/test_gathering.py",
    ),
    Mutant(
        "search/tasks.py",
        'result["fit_time"] - self.away_seconds + self.charged_seconds',
        'result["fit_time"] - self.away_seconds',
        "tests/search/test_gathering.py tests/search/test_batched_fits.py",
    ),
    Mutant(
        "search/interning.py",
        'f"{array.dtype.str}{array.shape}"',
        'f"{array.dtype.str}"',
        "tests/search/test_interning.py",
    ),
    Mutant(
        "search/shares.py",
        "limit = self.memory_limit / n_workers",
        "limit = self.memory_limit",
        "tests/search/test_shares.py",
    ),
    Mutant(
        "search/gathering.py",
        "if owner is not None and owner.is_abandoned:",
        "if False:",
        "tests/search/test_gathering.py",
    ),
    Mutant(
        "persistence/replacement.py",
        "if error.errno == errno.EINVAL:",
        "if error.errno != errno.EINVAL:",
        "tests/test_replacement.py",
    ),
    Mutant(
        "persistence/artefact.py",
        '    b"\\x78",\n',
        "",
        "tests/test_persistence.py",
    ),
    Mutant(
        "tables/csv_rows.py",
        "            n_rows += 1 + n_skipped\n",
        "            n_rows += n_skipped\n",
        "tests/test_csv_rows.py",
    ),
    Mutant(
        "tables/csv_records.py",
        "    return is_whole or not is_last_return\n",
        "    return True\n",
        "tests/test_csv_parts.py",
    ),
    Mutant(
        "tables/csv_cells.py",
        '        is_hex = b"0x" in content or b"0X" in content\n',
        "        is_hex = False\n",
        "tests/test_csv_parts.py",
    ),
    Mutant(
        "tables/parquet_parts.py",
        "            self._check_footer()\n",
        "            pass\n",
        "tests/test_parquet_parts.py",
    ),
    Mutant(
        "tables/times.py",
        'clock += np.where(parts.is_minus("ahead"), offset, -offset)',
        'clock += np.where(parts.is_minus("ahead"), -offset, offset)',
        "tests/test_times.py",
    ),
    Mutant(
        "scoring/vocabulary.py",
        "            if len(writings) == 1\n",
        "",
        "tests/test_vocabulary.py",
    ),
    Mutant(
        "scoring/drift.py",
        "self.had_gaps is False",
        "not self.had_gaps",
        "tests/test_scoring_columns.py tests/test_cli_score.py",
    ),
    Mutant(
        "cli/holdout.py",
        "parts = X[:-n_last], y[:-n_last], X[-n_last:], y[-n_last:]",
        "parts = X[n_last:], y[n_last:], X[:n_last], y[:n_last]",
        "tests/test_cli_measuring.py -k last_rows",
    ),
    Mutant(
        "cli/holdout.py",
        "    if len(found) < len(labels):\n",
        "    if False:\n",
        "tests/test_cli_measuring.py -k last_rows",
    ),
    Mutant(
        "cli/holdout.py",
        "    if known != found:\n",
        "    if known < found:\n",
        "tests/test_cli_measuring.py -k another_table",
    ),
    Mutant(
        "cli/measuring.py",
        "math.nan, *each)",
        "math.nan, *each[::-1])",
        "tests/test_cli_measuring.py -k threshold",
    ),
    Mutant(
        "cli/deciding.py",
        "signed = logits if place else -logits",
        "signed = logits",
        "tests/test_cli_measuring.py -k unseen_probabilities",
    ),
    Mutant(
        "cli/training.py",
        "        X, y = task.rows\n",
        "",
        "tests/test_cli_measuring.py -k fitted_anew",
    ),
    Mutant(
        "cli/record.py",
        "parts.labels_held_out == positive",
        "parts.labels_held_out != positive",
        "tests/test_cli_measuring.py -k json",
    ),
    Mutant(
        "cli/record.py",
        "if name != OURS",
        "",
        "tests/test_cli_measuring.py -k json",
    ),
    Mutant(
        "cli/numerals.py",
        "NEARLY = 2 / 3",
        "NEARLY = 0.5",
        "tests/test_numerals.py",
    ),
    Mutant(
        "cli/signals.py",
        "            signal.signal(one, signal.SIG_IGN)\n",
        "            pass\n",
        "tests/test_signals.py",
    ),
    Mutant(
        "blas_threads.py",
        "return 1 if _depth.entered > 1 else",
        "return",
        "tests/test_blas_threads.py",
    ),
    Mutant(
        "jobs/engines.py",
        "pool.submit(_scored, scorer, task)",
        "pool.submit(scorer, task)",
        "tests/jobs/test_score_table.py -k threads_of_a_job",
    ),
    Mutant(
        "inference/piecewise.py",
        "*itertools.chain(*layers)]",
        "*layers[0]]",
        "tests/test_piecewise.py",
    ),
    Mutant(
        "assembly.py",
        "MIN_ROWS_PER_CATEGORY = 2",
        "MIN_ROWS_PER_CATEGORY = 1",
        "tests/test_assembly.py",
    ),
    Mutant(
        "positive.py",
        "self._order = [1 - place, place]",
        "self._order = [place, 1 - place]",
        "tests/test_positive.py",
    ),
    Mutant(
        "preparation.py",
        "tuple(all(map(_is_number, values)) for",
        "tuple(any(map(_is_number, values)) for",
        "tests/test_preparation.py",
    ),
)


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


def main(files: Sequence[str] = ()) -> int:
    """Print the table, of some files only; return 1 if it is not as expected."""
    chosen = [one for one in MUTANTS if not files or one.file in files]
    n_unexpected = 0
    for mutant, killed, seconds in outcomes(ROOT, chosen):
        print(row(mutant, killed, seconds), flush=True)
        if not killed and mutant.survives:
            print(f"         because {mutant.survives}")
        n_unexpected += killed == bool(mutant.survives)
    print(f"{len(chosen)} mutants, {n_unexpected} of them not as expected")
    return int(n_unexpected > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
