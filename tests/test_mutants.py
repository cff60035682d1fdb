"""Planted faults that tests see are told from those that they miss."""

import pytest
from tests.mutants import (
    MUTANTS,
    PACKAGE,
    ROOT,
    Mutant,
    MutantError,
    main,
    outcomes,
    planted,
)


@pytest.fixture
def tree(tmp_path):
    """Return a project whose one test looks at one of two functions."""
    (tmp_path / "sums.py").write_text(
        "def add(a, b):\n    return a + b\n\n\ndef twice(a):\n    return 2 * a\n"
    )
    (tmp_path / "test_sums.py").write_text(
        "import sums\n\n\ndef test_add():\n    assert sums.add(2, 3) == 5\n"
    )
    return tmp_path


def became(tree, *mutants):
    found = outcomes(tree, mutants, package=".")
    return [killed for _, killed, _ in found]


def test_seen_and_missed_faults(tree):
    seen = Mutant("sums.py", "a + b", "a - b", "test_sums.py")
    missed = Mutant("sums.py", "2 * a", "3 * a", "test_sums.py")
    assert became(tree, seen, missed, seen) == [True, False, True]
    assert "a + b" in (tree / "sums.py").read_text()


def test_faults_without_their_place_are_refused(tree):
    for old in ("a * b", "return"):
        mutant = Mutant("sums.py", old, "", "test_sums.py")
        with pytest.raises(MutantError, match=r"sums.py must hold .* once, got it"):
            became(tree, mutant)


def test_tests_that_fail_anyway_are_refused(tree):
    (tree / "test_red.py").write_text("def test_red():\n    assert False\n")
    mutant = Mutant("sums.py", "a + b", "a - b", "test_red.py")
    with pytest.raises(MutantError, match=r"test_red.py must pass without a mutant"):
        became(tree, mutant)


def test_tests_that_cannot_run_are_refused(tree):
    mutant = Mutant("sums.py", "a + b", "a - b", "test_absent.py")
    with pytest.raises(MutantError, match=r"test_absent.py must run, got:"):
        became(tree, mutant)


@pytest.mark.parametrize(
    ("killed", "survives", "code"),
    [(True, "", 0), (False, "", 1), (False, "no one looks", 0), (True, "stale", 1)],
)
def test_what_is_expected_ends_well(monkeypatch, capsys, killed, survives, code):
    mutant = Mutant("sums.py", "a + b", "a - b", "test_sums.py", survives)
    monkeypatch.setattr("tests.mutants.MUTANTS", (mutant,))
    monkeypatch.setattr("tests.mutants.outcomes", lambda *_: [(mutant, killed, 1.0)])
    assert main() == code
    assert f"1 mutants, {code} of them not as expected" in capsys.readouterr().out


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.file)
def test_mutant_still_has_its_place_and_its_tests(mutant):
    planted(mutant, (ROOT / PACKAGE / mutant.file).read_text())
    names = [word.partition("::")[0] for word in mutant.tests.split()]
    assert all((ROOT / name).exists() for name in names if name.endswith(".py"))
