"""Many fits as few programs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from builders import make_table
from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.search import programs
from torch_binary_classifier.search.interning import InternedTables
from torch_binary_classifier.search.programs import plan_programs, train_together
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.run import Training, run

ARCHITECTURE = Architecture(3, (4,), "relu", None, torch.float32)


def rows(n_rows=20, seed=0):
    return make_table(n_rows, 3, dtype=torch.float32, seed=seed)


def training(n_rows=20, batch_size=5, seeds=(0,), solver="adam"):
    """Return a training with one member per seed."""
    given = [Hyperparameters(seed=seed, max_iter=2) for seed in seeds]
    members = [Member(rows(n_rows), one) for one in given]
    return Training(ARCHITECTURE, solver, members, batch_size, "cpu", False)


def interned(*trainings):
    tables = InternedTables()
    for one in trainings:
        tables.intern(one)
    return list(trainings)


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.loss_curve, other.loss_curve)
        np.testing.assert_array_equal(
            one.validation_loss_curve, other.validation_loss_curve
        )
        for coef, wanted in zip(one.state.coefs, other.state.coefs, strict=True):
            torch.testing.assert_close(coef, wanted, rtol=0, atol=0, equal_nan=True)


class TestPrograms:
    @pytest.mark.parametrize(
        ("other", "n_programs"),
        [
            ({}, 1),
            ({"n_rows": 21}, 1),
            ({"batch_size": 4}, 2),
            ({"solver": "sgd"}, 2),
            ({"batch_size": 20}, 2),
        ],
    )
    def test_are_of_what_fits_have_in_common(self, other, n_programs):
        assert len(plan_programs(interned(training(), training(**other)))) == n_programs

    def test_are_of_one_device(self):
        there = replace(training(), device="cuda")
        assert len(plan_programs(interned(training(), there))) == 2

    def test_twins_watch_the_same_rows(self):
        fits = [
            replace(one, members=[replace(one.members[0], validation=rows(9, seed))])
            for one, seed in [(training(), 1), (training(), 2), (training(), 1)]
        ]
        (program,) = plan_programs(interned(*fits, training()))
        assert program.places == [[(0, 0), (2, 0)], [(1, 0)], [(3, 0)]]
        for found, fit in zip(train_together(fits), fits, strict=True):
            assert_equal(found.results, run(fit))

    def test_full_batches_of_any_size_are_one(self):
        fits = interned(training(20, 20), training(30, 30), training(29, 29))
        (program,) = plan_programs(fits)
        assert [len(one.train) for one in program.training.members] == [20, 30, 29]
        for found, fit in zip(train_together(fits), fits, strict=True):
            assert_equal(found.results, run(fit))

    def test_twins_are_one_member_with_two_places(self):
        (program,) = plan_programs(
            interned(training(seeds=(0, 1)), training(seeds=(1,)))
        )
        assert program.places == [[(0, 0)], [(0, 1), (1, 0)]]
        assert len(program.training.members) == 2


def of_lengths(*lengths, validation=None, solver="adam", **given):
    """Return trainings that differ in ``max_iter`` only."""
    return interned(
        *(
            Training(
                ARCHITECTURE,
                solver,
                [
                    Member(
                        rows(),
                        Hyperparameters(seed=0, max_iter=length, **given),
                        validation,
                    )
                ],
                5,
                "cpu",
                False,
            )
            for length in lengths
        )
    )


class TestRunsOfOtherLengths:
    @pytest.mark.parametrize(
        "given",
        [
            {"tol": 0.0},
            {"tol": 1e-2, "n_iter_no_change": 2},
            {"tol": 1.0, "n_iter_no_change": 1, "learning_rate": "adaptive"},
            {"learning_rate": "invscaling", "learning_rate_init": 0.1},
            {"learning_rate_init": 1e30},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("validated", [False, True])
    def test_are_beginnings_of_the_longest(self, given, validated):
        validation = rows(9, seed=1) if validated else None
        fits = of_lengths(3, 40, 1, 12, 40, 12, validation=validation, **given)
        (program,) = plan_programs(fits)
        (member,) = program.training.members
        assert member.hyperparameters.max_iter == 40
        assert member.stops == {1, 3, 12}
        reports = []
        outcomes = train_together(fits, lambda *told: reports.append(told[:3]))
        for number, (found, fit) in enumerate(zip(outcomes, fits, strict=True)):
            expected = run(fit)
            assert_equal(found.results, expected)
            (one,), (other,) = found.results, expected
            assert one.converged == other.converged
            assert one.diverged_epoch == other.diverged_epoch
            assert one.state.n_epochs == other.state.n_epochs
            epochs = [epoch for fit, _, epoch in reports if fit == number]
            assert epochs == list(range(1, len(other.loss_curve) + 1))

    def test_share_nothing_that_could_be_written_to(self):
        outcomes = train_together(of_lengths(2, 5, 5))
        coefs = [found.results[0].state.coefs[0] for found in outcomes]
        assert not torch.equal(coefs[0], coefs[1])
        assert torch.equal(coefs[1], coefs[2])
        assert len({coef.data_ptr() for coef in coefs}) == 3

    @pytest.mark.parametrize(
        "given", [{"learning_rate": "cosine"}, {"solver": "lbfgs"}], ids=str
    )
    def test_are_not_where_the_length_decides_the_steps(self, given):
        fits = of_lengths(3, 9, **given)
        (program,) = plan_programs(fits)
        assert len(program.training.members) == 2
        for found, fit in zip(train_together(fits), fits, strict=True):
            assert_equal(found.results, run(fit))


def test_every_fit_gets_its_own_results():
    fits = interned(
        training(seeds=(0, 1)), training(batch_size=4), training(23), training()
    )
    outcomes = train_together(fits)
    for found, fit in zip(outcomes, fits, strict=True):
        assert found.error is None
        assert found.seconds > 0
        assert_equal(found.results, run(fit))


def test_a_programs_time_is_not_anothers(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    clock.perf_counter = lambda: clock.now

    def timed_run(training, report=None):
        clock.now += 4.0 if training.batch_size == 4 else 1.0
        return run(training, report)

    monkeypatch.setattr(programs, "run", timed_run)
    monkeypatch.setattr(programs, "time", clock)
    quick, slow = train_together(interned(training(), training(batch_size=4)))
    assert (quick.seconds, slow.seconds) == (1.0, 4.0)
