"""The examples of CONTRIBUTING.md work as they stand there, and its links lead on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.test_readme import find_blocks

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "pipeline" / "torch_binary_classifier"
EXAMPLES = [block for block in find_blocks(TEXT) if block.language == "python"]
# What an example names as a new file.
NEW = {"training/conjugate_gradients.py"}


def run(code):
    """Run code in a process of its own, since it changes tables; return its errors."""
    path = os.pathsep.join([str(ROOT / "pipeline"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    return done.stderr


def test_there_are_three_examples():
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("block", EXAMPLES, ids=["activation", "optimizer", "solver"])
def test_example_runs(block):
    assert run(block.body) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (0, ("upstream, kept, 1, 20", "upstream, kept, 2, 20")),
        (0, ("np.logaddexp", "np.maximum")),
        (1, ("alpha=size.learning_rate", "alpha=2 * size.learning_rate")),
        (2, ('{"maxiter": given.max_iter, "gtol": given.tol}', '{"maxiter": 1}')),
    ],
)
def test_example_fails_with_a_fault(number, fault):
    code = EXAMPLES[number].body
    assert code.count(fault[0]) == 1
    assert re.search("AssertionError|ConvergenceWarning", run(code.replace(*fault)))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"[a-z_/]+\.py\b", TEXT)) - NEW))
def test_file_is_there(name):
    assert (ROOT / name).exists() or (PACKAGE / name).exists()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEXT))))
def test_link_leads_somewhere(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", re.findall(r"^make ([a-z]+)", TEXT, re.MULTILINE))
def test_target_is_in_the_makefile(target):
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_hooks_are_the_checks_of_make_lint():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    found = re.findall(r"entry: \.venv/bin/(\w+ ?\w*)", hooks)
    makefile = (ROOT / "Makefile").read_text()
    (lint,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert found == re.findall(r"\$\(BIN\)/(\w+ ?\w*)", lint)
