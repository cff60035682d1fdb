import gc
import math
import random
import weakref
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch
import torch.nn.functional as F  # noqa: N812
from tests.builders import make_table

from torch_binary_classifier.interface.settings import Hyperparameters
from torch_binary_classifier.training import device, engine
from torch_binary_classifier.training.block import Block
from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.dropout import DropoutLayer
from torch_binary_classifier.training.engine import block_size, fit_many
from torch_binary_classifier.training.evaluation import (
    Evaluation,
    Scorer,
)
from torch_binary_classifier.training.initialisation import initial_parameters
from torch_binary_classifier.training.layout import Architecture
from torch_binary_classifier.training.members import Member
from torch_binary_classifier.training.rows import DenseRows, SparseRows
from torch_binary_classifier.training.state import BlockState

N_FEATURES = 5


def some_rows(table, index):
    return replace(table, index=torch.as_tensor(index))


def make_member(table, validation=None, state=None, **given):
    given = {"seed": 0, "max_iter": 5, "n_iter_no_change": 1000, **given}
    return Member(table, Hyperparameters(**given), validation, state)


def with_epochs(member, max_iter):
    given = replace(member.hyperparameters, max_iter=max_iter)
    return replace(member, hyperparameters=given)


def make_architecture(sizes=(7,), activation="tanh", norm=None, dtype=torch.float64):
    return Architecture(N_FEATURES, sizes, activation, norm, dtype)


def fit(architecture, members, solver="adam", batch_size=16, **options):
    return fit_many(architecture, solver, members, batch_size=batch_size, **options)


def same_state(first, second):
    """Return whether two states are the same bits, moments and statistics included."""
    pairs = [
        *zip(first.coefs, second.coefs, strict=True),
        *zip(first.intercepts, second.intercepts, strict=True),
        *((first.moments[name], second.moments[name]) for name in first.moments),
    ]
    if first.input_mean is not None:
        pairs.append((first.input_mean, second.input_mean))
        pairs.append((first.input_variance, second.input_variance))
    counts = (first.n_steps, first.n_epochs) == (second.n_steps, second.n_epochs)
    return counts and all(torch.equal(one, other) for one, other in pairs)


def autograd_gradients(architecture, table, alpha, seed):
    """Return the gradients of MLPClassifier's weighted objective over all rows."""
    generator = torch.Generator().manual_seed(seed)
    coefs, intercepts = initial_parameters(architecture, generator, 0.0)
    leaves = [one.clone().requires_grad_() for one in [*coefs, *intercepts]]
    values = table.features.values
    n_layers = len(coefs)
    for layer in range(n_layers - 1):
        values = torch.tanh(values @ leaves[layer] + leaves[n_layers + layer])
    logits = (values @ leaves[n_layers - 1])[:, 0] + leaves[-1]
    losses = F.binary_cross_entropy_with_logits(logits, table.targets, reduction="none")
    total = table.weights.sum()
    loss = (losses * table.weights).sum() / total
    squares = sum((leaf**2).sum() for leaf in leaves[:n_layers])
    loss = loss + alpha / (2 * total) * squares
    loss.backward()
    return float(loss.detach()), [*coefs, *intercepts], [leaf.grad for leaf in leaves]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sizes", [(), (7,), (6, 3)], ids=str)
def test_fit_many_follows_the_penalised_gradient(sizes, weighted):
    architecture = make_architecture(sizes)
    table = make_table(weighted=weighted)
    settings = {"learning_rate_init": 1.0, "momentum": 0.0, "max_iter": 1}
    members = [
        make_member(table, seed=seed, alpha=alpha, **settings)
        for seed, alpha in enumerate([0.0, 3.0, 50.0])
    ]
    results = fit(architecture, members, "sgd", batch_size=60)
    for seed, (member, result) in enumerate(zip(members, results, strict=True)):
        alpha = member.hyperparameters.alpha
        loss, start, slopes = autograd_gradients(architecture, table, alpha, seed)
        ends = [*result.state.coefs, *result.state.intercepts]
        for before, slope, after in zip(start, slopes, ends, strict=True):
            error = ((before - after) - slope).norm() / slope.norm()
            assert float(error) < 1e-9
        assert result.loss_curve == [pytest.approx(loss, rel=1e-12)]
        _, _, other = autograd_gradients(architecture, table, alpha + 1, seed)
        assert not torch.allclose(start[0] - ends[0], other[0], rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize(
    ("norm", "learning_rate"), [(None, "invscaling"), ("batch", "constant")]
)
def test_fit_many_going_on_equals_one_run(solver, norm, learning_rate):
    architecture = make_architecture((9, 4), "gelu", norm, torch.float32)
    table = make_table(61, dtype=torch.float32, weighted=True)
    given = {"dropout": 0.3, "alpha": 0.1, "weight_decay": 0.1}
    given |= {"learning_rate": learning_rate}
    members = [
        make_member(table, seed=seed, max_iter=10, learning_rate_init=rate, **given)
        for seed, rate in enumerate([1e-3, 1e-2, 1e-3])
    ]
    whole = fit(architecture, members, solver)
    halves = [with_epochs(member, 5) for member in members]
    first = fit(architecture, halves, solver)
    going_on = [
        replace(member, state=result.state)
        for member, result in zip(halves, first, strict=True)
    ]
    second = fit(architecture, going_on, solver)
    for one, early, late in zip(whole, first, second, strict=True):
        assert same_state(one.state, late.state)
        assert one.loss_curve == early.loss_curve + late.loss_curve
        assert late.state.n_epochs == 10
        assert late.state.n_steps == 40
        assert not same_state(one.state, early.state)
    forgetful = [
        replace(member, state=replace(member.state, moments={})) for member in going_on
    ]
    for one, late in zip(whole, fit(architecture, forgetful, solver), strict=True):
        assert not same_state(one.state, late.state)


def test_fit_many_going_on_does_not_change_the_given_state():
    architecture = make_architecture(norm="batch")
    (first,) = fit(architecture, [make_member(make_table())])
    kept = [one.clone() for one in [*first.state.coefs, first.state.input_mean]]
    fit(architecture, [make_member(make_table(), state=first.state)])
    now = [*first.state.coefs, first.state.input_mean]
    assert all(map(torch.equal, kept, now))


@pytest.mark.parametrize("going_on_first", [True, False])
def test_fit_many_trains_beginners_beside_those_who_go_on(going_on_first):
    architecture = make_architecture(dtype=torch.float32)
    table = make_table(dtype=torch.float32)
    (begun,) = fit(architecture, [make_member(table)])
    members = [make_member(table, state=begun.state), make_member(table, seed=1)]
    if not going_on_first:
        members.reverse()
    for member, together in zip(members, fit(architecture, members), strict=True):
        (alone,) = fit(architecture, [member])
        assert same_state(alone.state, together.state)


def global_state():
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    numpy_state = (kind, keys.tobytes(), *rest)
    threads = (torch.get_num_threads(), torch.get_num_interop_threads())
    return (
        random.getstate(),
        numpy_state,
        torch.get_rng_state().numpy().tobytes(),
        (threads),
    )


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def many_members(table, **given):
    return [make_member(table, seed=seed, dropout=0.5, **given) for seed in range(70)]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("n_members", [1, 70])
def test_fit_many_leaves_global_state_alone(n_members):
    members = many_members(make_table())[:n_members]
    before = global_state()
    fit(make_architecture(), members)
    assert global_state() == before
    torch.rand(1)
    assert global_state() != before


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("n_members", [1, 70])
def test_fit_many_leaves_global_state_alone_after_an_exception(n_members):
    members = many_members(make_table())[:n_members]
    before = global_state()

    def interrupt(*_):
        raise KeyboardInterrupt(7)

    with pytest.raises(KeyboardInterrupt, match="7"):
        fit(make_architecture(), members, report=interrupt)
    assert global_state() == before


@pytest.fixture
def no_collection():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("n_members", [1, 70])
@pytest.mark.parametrize("held_out", [0, 10])
def test_fit_many_lets_go_of_its_tables_at_once(n_members, held_out):
    table = make_table()
    validation = some_rows(table, range(held_out)) if held_out else None
    members = [
        make_member(table, validation, seed=seed, max_iter=1 + seed % 3)
        for seed in range(n_members)
    ]
    features = weakref.ref(table.features)
    results = fit(make_architecture(), members)
    assert features() is not None
    del table, validation, members
    assert features() is None
    assert len(results) == n_members


@pytest.fixture
def fill_new_memory():
    """Return a switch for torch's filling of uninitialised tensors with nan."""
    yield torch.use_deterministic_algorithms
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("norm", [None, "batch"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("sizes", [(), (7,), (7, 3), (700, 700)], ids=str)
def test_fit_many_reads_no_memory_that_it_has_not_written(
    fill_new_memory, sizes, dropout, norm
):
    # The steps of the largest network are cut into slices.
    table = make_table(60, dtype=torch.float32)
    members = [make_member(table, table, alpha=0.1, dropout=dropout)]
    architecture = make_architecture(sizes, "relu", norm, torch.float32)
    fill_new_memory(True)
    assert torch.empty(3).isnan().all()
    (filled,) = fit(architecture, members)
    fill_new_memory(False)
    (fresh,) = fit(architecture, members)
    assert same_state(filled.state, fresh.state)
    assert filled.loss_curve == fresh.loss_curve
    assert filled.validation_loss_curve == fresh.validation_loss_curve


def test_fit_many_reports_every_epoch_of_every_member():
    table = make_table()
    validation = some_rows(table, range(40, 60))
    members = [
        make_member(some_rows(table, range(40)), validation, seed=seed, max_iter=epochs)
        for seed, epochs in enumerate([3, 6, 1])
    ]
    reports = []
    results = fit(
        make_architecture(), members, report=lambda *given: reports.append(given)
    )
    for number, result in enumerate(results):
        assert [given[1:] for given in reports if given[0] == number] == [
            (epoch, loss, watched)
            for epoch, (loss, watched) in enumerate(
                zip(result.loss_curve, result.validation_loss_curve, strict=True), 1
            )
        ]
    assert [len(result.loss_curve) for result in results] == [3, 6, 1]


def test_fit_many_restores_the_best_validation_weights():
    table = make_table(80, weighted=True)
    table = replace(table, targets=table.targets.roll(1))
    validation = some_rows(table, range(40, 80))
    architecture = make_architecture((30,), norm="batch")
    members = [
        make_member(
            some_rows(table, range(40)),
            validation,
            seed=seed,
            max_iter=60,
            learning_rate_init=0.03,
        )
        for seed in range(3)
    ]
    for result in fit(architecture, members, batch_size=8):
        curve = result.validation_loss_curve
        assert curve[-1] > min(curve)
        state = BlockState.of(architecture, [result.state], CPU.where)
        held = Evaluation.of([validation], state.parameters)
        (loss,) = Scorer(state, CPU.product).losses(held)
        assert loss == pytest.approx(min(curve), rel=1e-12)


def test_best_weights_outlive_those_who_leave():
    table = make_table(80, weighted=True)
    table = replace(table, targets=table.targets.roll(1))
    train, validation = some_rows(table, range(40)), some_rows(table, range(40, 80))
    given = {"learning_rate_init": 0.03, "max_iter": 30}
    member = make_member(train, validation, **given)
    alone, together = (
        fit(make_architecture((30,)), [member, *others], batch_size=8)[0]
        for others in ([], [make_member(train, validation, seed=1, max_iter=20)])
    )
    best = int(np.argmin(alone.validation_loss_curve))
    assert best < 19 < 29  # the other one leaves in between
    assert same_state(alone.state, together.state)


def test_fit_many_of_sparse_rows_equals_dense():
    table = make_table(dtype=torch.float32)
    values = table.features.values.clone()
    values[values.abs() < 0.7] = 0
    dense = replace(table, features=DenseRows(values))
    matrix = scipy.sparse.csr_array(values.numpy())
    sparse = replace(table, features=SparseRows(matrix))
    architecture = make_architecture(norm="batch", dtype=torch.float32)
    results = [
        fit(architecture, [make_member(rows)])[0] for rows in (dense, sparse, table)
    ]
    assert same_state(results[0].state, results[1].state)
    assert not same_state(results[0].state, results[2].state)


def test_fit_many_weights_equal_repeated_rows():
    table = make_table(30)
    counts = torch.arange(30) % 3 + 1
    weighted = replace(table, weights=counts.double())
    repeated = some_rows(table, torch.arange(30).repeat_interleave(counts))
    architecture = make_architecture(norm="batch")
    settings = {"alpha": 5.0, "max_iter": 20}
    first, second, third = (
        fit(architecture, [make_member(rows, **settings)], batch_size=len(rows))[0]
        for rows in (weighted, repeated, table)
    )
    for one, other in zip(first.state.coefs, second.state.coefs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(first.state.input_variance, second.state.input_variance)
    np.testing.assert_allclose(first.loss_curve, second.loss_curve, rtol=1e-9)
    assert not np.allclose(first.loss_curve, third.loss_curve, rtol=1e-3)


def test_fit_many_scale_of_the_weights_does_not_matter():
    table = make_table(weighted=True)
    scaled = replace(table, weights=table.weights * 1024)
    architecture = make_architecture()
    losses = [
        fit(architecture, [make_member(rows, alpha=0.0)])[0].loss_curve
        for rows in (table, scaled, make_table())
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)
    assert not np.allclose(losses[0], losses[2], rtol=1e-3)


def test_fit_many_says_when_a_member_diverged():
    table = make_table(dtype=torch.float32)
    wild = make_member(table, learning_rate_init=1e30, max_iter=30)
    tame = make_member(table, max_iter=30)
    architecture = make_architecture((7, 7), "relu", dtype=torch.float32)
    first, second = fit(architecture, [wild, tame], "sgd")
    assert 1 <= first.diverged_epoch == len(first.loss_curve) < 30
    assert second.diverged_epoch is None
    (alone,) = fit(architecture, [tame], "sgd")
    assert same_state(alone.state, second.state)


def test_fit_many_never_normalises_a_batch_of_one_row():
    architecture = make_architecture(norm="batch", dtype=torch.float32)
    table = make_table(17, dtype=torch.float32)
    (result,) = fit(architecture, [make_member(table)])
    assert result.state.n_steps == 5
    assert all(map(math.isfinite, result.loss_curve))
    (plain,) = fit(make_architecture(), [make_member(make_table(17))])
    assert plain.state.n_steps == 10


def test_fit_many_without_shuffling_does_not_depend_on_the_seed():
    architecture = make_architecture()
    (begun,) = fit(architecture, [make_member(make_table(), max_iter=1)])
    found = {
        (shuffle, seed): fit(
            architecture,
            [make_member(make_table(), state=begun.state, seed=seed, shuffle=shuffle)],
        )[0].state
        for shuffle in (True, False)
        for seed in (0, 1)
    }
    assert same_state(found[False, 0], found[False, 1])
    assert not same_state(found[True, 0], found[True, 1])


def test_block_size_falls_with_the_size_of_the_members():
    sizes = [
        block_size(make_architecture(widths), batch_size)
        for widths, batch_size in [((8,), 16), ((64,), 200), ((512, 512), 200)]
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 64
    assert sizes[-1] == 1


def test_normalised_batches_are_never_cut(monkeypatch):
    large = make_architecture((256, 128), "relu", dtype=torch.float32)
    assert len(CPU.slices(large, 4096)) == 8
    assert CPU.slices(replace(large, input_norm="batch"), 4096) == [(0, 4096)]
    architecture = make_architecture(norm="batch")
    (expected,) = fit(architecture, [make_member(make_table())])
    monkeypatch.setattr(device, "SLICED_FLOPS", 1)
    (found,) = fit(architecture, [make_member(make_table())])
    assert same_state(found.state, expected.state)


def test_slices_of_a_batch_leave_out_different_units(monkeypatch):
    drawn = []
    draw = DropoutLayer.draw

    def noted(layer, words):
        drawn.append(words.copy())
        draw(layer, words)

    monkeypatch.setattr(device, "SLICED_FLOPS", 1)
    monkeypatch.setattr(DropoutLayer, "draw", noted)
    member = make_member(make_table(32), dropout=0.5, max_iter=3)
    fit(make_architecture(), [member], batch_size=32)
    assert len(drawn) == 2 * 3
    kinds = {words.tobytes() for words in drawn}
    assert len(kinds) == len(drawn)


@pytest.mark.parametrize("shared", ["index", "features", "both"])
def test_members_are_scored_on_their_own_validation_rows(shared):
    table, other = make_table(60), make_table(60, seed=1)
    rows = some_rows(table, range(40, 60))
    validations = {
        "index": replace(other, index=rows.index),
        "features": some_rows(table, range(30, 50)),
        "both": replace(rows, weights=rows.weights.flip(0)),
    }
    train = some_rows(table, range(30))
    members = [make_member(train, rows), make_member(train, validations[shared])]
    together = fit(make_architecture(), members)
    alone = [fit(make_architecture(), [member])[0] for member in members]
    for found, expected in zip(together, alone, strict=True):
        assert found.validation_loss_curve == expected.validation_loss_curve
    if shared != "both":  # equal weights, in another order
        first, second = together
        assert first.validation_loss_curve != second.validation_loss_curve


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_moments_do_not_stay_denormal(dtype):
    # A step far beyond the margin: no row has a slope left, and the moments decay
    # below the least normal number.
    table = make_table(16, dtype=dtype)
    table = replace(table, targets=(table.features.values[:, 0] > 0).to(dtype))
    table.features.values[:, 0] += table.targets * 2 - 1
    decay = 0.5 if dtype == torch.float32 else 0.004
    given = {"alpha": 0.0, "beta_1": decay, "beta_2": decay, "max_iter": 128}
    member = make_member(table, learning_rate_init=1e4, **given)
    (result,) = fit(make_architecture((), dtype=dtype), [member], batch_size=16)
    least = torch.finfo(dtype).tiny
    for moment in result.state.moments.values():
        assert not ((moment != 0) & (moment.abs() < least)).any()


@pytest.mark.parametrize("n_asked", [2, 5])
def test_fit_many_stops_when_asked_to(n_asked):
    table = make_table()
    members = [make_member(table, seed=seed, max_iter=50) for seed in (0, 1)]
    answers = iter([False] * (n_asked - 1) + [True])
    stopped = fit(make_architecture(), members, stop=lambda: next(answers))
    shorter = [with_epochs(member, n_asked - 1) for member in members]
    expected = fit(make_architecture(), shorter)
    for found, wanted in zip(stopped, expected, strict=True):
        assert same_state(found.state, wanted.state)
        assert found.loss_curve == wanted.loss_curve
        assert not found.converged


def test_one_batch_of_all_rows_is_not_shuffled():
    architecture = make_architecture(dtype=torch.float32)
    table = make_table(dtype=torch.float32)
    (begun,) = fit(architecture, [make_member(table, max_iter=1)])
    members = [make_member(table, state=begun.state, seed=seed) for seed in (0, 1)]
    first, second = fit(architecture, members, batch_size=60)
    assert same_state(first.state, second.state)
    first, second = fit(architecture, members, batch_size=59)
    assert not same_state(first.state, second.state)


def test_a_member_has_results_at_its_stops_before_its_end():
    table = make_table()
    member = replace(make_member(table, max_iter=4), stops=frozenset({2, 3, 4, 9}))
    given = replace(member.hyperparameters, tol=1e9, n_iter_no_change=1)
    stalled = replace(member, hyperparameters=given)
    result, converged = fit(make_architecture(), [member, stalled])
    assert sorted(result.earlier) == [2, 3]
    assert len(converged.loss_curve) == 3
    assert sorted(converged.earlier) == [2]
    (shorter,) = fit(make_architecture(), [with_epochs(member, 2)])
    assert same_state(result.earlier[2].state, shorter.state)
    assert result.earlier[2].loss_curve == shorter.loss_curve


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("flops", "n_blocks"), [(1, 2), (1 << 60, 1)])
def test_threads_share_out_members_of_large_steps_only(flops, n_blocks, monkeypatch):
    sizes = []
    run = Block.run

    def noted(block, *given):
        sizes.append(len(block.courses))
        return run(block, *given)

    monkeypatch.setattr(Block, "run", noted)
    monkeypatch.setattr(engine, "THREADED_FLOPS", flops)
    fit(make_architecture(), [make_member(make_table(), seed=seed) for seed in (0, 1)])
    assert len(sizes) == n_blocks
    assert sum(sizes) == 2
