import itertools
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from torch_binary_classifier.inference import forward
from torch_binary_classifier.inference.activations import ACTIVATIONS
from torch_binary_classifier.inference.ensemble import ensemble_logit
from torch_binary_classifier.inference.forward import (
    BLOCK_ROWS,
    FittedNetwork,
    LogitOverflowError,
    UnscorableError,
    class_probabilities,
    member_logits,
    network_logits,
)
from torch_binary_classifier.training.device import CPU
from torch_binary_classifier.training.evaluation import Scorer
from torch_binary_classifier.training.layout import Architecture, ParameterLayout
from torch_binary_classifier.training.normalisation import (
    BATCH_NORM_EPSILON,
    InputStatistics,
)
from torch_binary_classifier.training.state import BlockState
from torch_binary_classifier.training.threads import one_thread_per_kernel

N_FEATURES = 5
SHAPES = [(), (1,), (7,), (32,), (33, 5)]


@pytest.fixture(autouse=True)
def one_thread():
    """Barriers of a thread pool would cost more than these small tensors."""
    with one_thread_per_kernel():
        yield


def make_network(
    activation, sizes, dtype=np.float32, norm=False, seed=0, n_features=N_FEATURES
):
    rng = np.random.default_rng(seed)
    widths = [n_features, *sizes, 1]
    coefs = [
        (rng.normal(size=shape) / np.sqrt(shape[0])).astype(dtype)
        for shape in itertools.pairwise(widths)
    ]
    intercepts = [rng.normal(size=width).astype(dtype) for width in widths[1:]]
    mean, deviation = None, None
    if norm:
        mean = rng.normal(size=n_features)
        deviation = np.sqrt(rng.random(n_features) + 0.5)
    return FittedNetwork(coefs, intercepts, activation, mean, deviation)


def torch_logits(network, X):
    """Return the logits of the trainer's network with the same weights."""
    coefs = [torch.from_numpy(coef) for coef in network.coefs]
    intercepts = [torch.from_numpy(intercept) for intercept in network.intercepts]
    sizes = tuple(coef.shape[1] for coef in coefs[:-1])
    norm = None if network.input_mean is None else "batch"
    dtype = coefs[0].dtype
    architecture = Architecture(N_FEATURES, sizes, network.activation, norm, dtype)
    layout = ParameterLayout(architecture, 1)
    statistics = InputStatistics.initial(architecture, 1, torch.device("cpu"))
    if norm is not None:
        statistics.mean[0, 0] = torch.from_numpy(network.input_mean)
        variance = network.input_deviation**2 - BATCH_NORM_EPSILON
        statistics.variance[0, 0] = torch.from_numpy(variance)
    vector = layout.member_vector_of(coefs, intercepts)
    rows = torch.from_numpy(X).to(dtype).unsqueeze(0)
    state = BlockState(layout, vector, statistics)
    return Scorer(state, CPU.product).logits(rows)[0].numpy()


@pytest.fixture
def X(rng):  # noqa: N802
    return rng.normal(size=(1100, N_FEATURES))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_member_logits_equal_the_trainers_network(activation, sizes, norm, X):
    exact = make_network(activation, sizes, np.float64, norm)
    np.testing.assert_allclose(
        member_logits(X, [exact])[0], torch_logits(exact, X), rtol=1e-11, atol=1e-12
    )
    single = make_network(activation, sizes, np.float32, norm)
    found = member_logits(X, [single])[0]
    np.testing.assert_allclose(found, torch_logits(single, X), rtol=1e-4, atol=1e-5)
    exact.intercepts[-1][0] += 1e-6
    assert not np.allclose(
        member_logits(X, [exact])[0], found.astype(np.float64), rtol=1e-11, atol=1e-12
    )


def copied(model):
    return FittedNetwork(model.coefs_, model.intercepts_, model.activation)


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("activation", ["identity", "logistic", "relu", "tanh"])
def test_member_logits_equal_mlp_classifier_with_copied_weights(activation, sizes, X):
    y = X[:, 0] * X[:, 1] > 0
    model = MLPClassifier(sizes, activation=activation, max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    network = copied(model)
    found = expit(member_logits(X, [network])[0])
    expected = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    network.coefs[0][0, 0] += 1e-6
    moved = expit(member_logits(X, [network])[0])
    assert not np.allclose(moved, found, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_member_logits_do_not_depend_on_the_rows_beside(activation, sizes, dtype, X):
    X = X[:600]
    networks = [make_network(activation, sizes, dtype, True, seed) for seed in (0, 1)]
    whole = member_logits(X, networks)
    assert np.unique(whole[0]).size > 500
    for size in (7, 64, 1000):
        parts = [
            member_logits(X[start : start + size], networks)
            for start in range(0, len(X), size)
        ]
        assert np.array_equal(np.hstack(parts), whole)
    for row in range(0, len(X), 23):
        alone = member_logits(X[row : row + 1], networks)[:, 0]
        assert np.array_equal(alone, whole[:, row])
    order = np.random.default_rng(1).permutation(len(X))
    assert np.array_equal(member_logits(X[order], networks), whole[:, order])
    alone = member_logits(X, networks[1:])
    assert np.array_equal(alone[0], whole[1])
    assert not np.array_equal(alone[0], whole[0])


# Shapes of which some kernels round a row by its place in a product of more rows.
WIDE = [
    (20, (100,)),
    (30, (100,)),
    (8, (41,)),
    (128, (64, 33)),
    (300, (129,)),
    (89, ()),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_features", "sizes"), WIDE, ids=str)
def test_member_logits_do_not_depend_on_the_place_in_a_product(
    n_features, sizes, dtype, rng
):
    network = make_network("relu", sizes, dtype, n_features=n_features)
    X = rng.normal(size=(530, n_features))
    whole = member_logits(X, [network])[0]
    assert np.unique(whole).size > 500
    order = rng.permutation(len(X))
    assert np.array_equal(member_logits(X[order], [network])[0], whole[order])
    alone = [member_logits(X[row : row + 1], [network])[0, 0] for row in range(99)]
    assert np.array_equal(alone, whole[:99])
    same = member_logits(np.repeat(X[:1], 300, axis=0), [network])[0]
    assert np.unique(same).size == 1


@pytest.fixture
def many_small_tasks(monkeypatch):
    """Let a few hundred rows be scored in chunks of a block, by all threads."""
    monkeypatch.setattr(forward, "CHUNK_BYTES", 1)
    monkeypatch.setattr(forward, "TASK_WORK", 1)


@pytest.mark.usefixtures("many_small_tasks")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_features", "sizes"), [*WIDE, (20, (300, 300))], ids=str)
def test_scores_do_not_depend_on_the_number_of_threads(n_features, sizes, dtype, rng):
    networks = [
        make_network("tanh", sizes, dtype, True, seed, n_features) for seed in (0, 1)
    ]
    X = rng.normal(size=(530, n_features))
    found = []
    for n_threads in (1, 2, 4):
        with threadpool_limits(n_threads, user_api="blas"):
            found.append(class_probabilities(X, networks))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.usefixtures("many_small_tasks")
def test_many_rows_are_scored_on_as_many_threads_as_blas_may_use(monkeypatch, X):
    seen = []

    class Pool(forward.ThreadPoolExecutor):
        def __init__(self, n_threads):
            seen.append(n_threads)
            super().__init__(n_threads)

    monkeypatch.setattr(forward, "ThreadPoolExecutor", Pool)
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, user_api="blas"):
            member_logits(X, [make_network("relu", (3,))])
            member_logits(X[:BLOCK_ROWS], [make_network("relu", (3,))])
    assert seen == [2, 3]


@pytest.mark.parametrize("n_members", [1, 3, 8, 20])
def test_network_logits_of_an_ensemble_do_not_depend_on_the_rows_beside(n_members, X):
    networks = [make_network("relu", (7,), seed=seed) for seed in range(n_members)]
    whole = network_logits(X, networks)
    alone = [network_logits(X[row : row + 1], networks)[0] for row in range(300)]
    assert np.array_equal(alone, whole[:300])
    expected = ensemble_logit(member_logits(X, networks))
    assert np.array_equal(whole, expected)


@pytest.mark.usefixtures("many_small_tasks")
def test_scoring_leaves_the_threads_of_blas_as_they_were(X):
    network = make_network("relu", (3,))
    bad = np.where(np.arange(len(X)) == 500, np.inf, X[:, 0])
    with threadpool_limits(3, user_api="blas"):
        before = threadpool_info()
        class_probabilities(X, [network])
        assert threadpool_info() == before
        with pytest.raises(UnscorableError):
            class_probabilities(np.column_stack([bad, X[:, 1:]]), [network])
        assert threadpool_info() == before


def test_scores_of_callers_in_many_threads_are_those_of_one(X):
    networks = [make_network("relu", (33, 5), seed=seed) for seed in range(3)]
    expected = class_probabilities(X, networks)
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(class_probabilities, X, networks) for _ in range(40)]
        assert all(np.array_equal(task.result(), expected) for task in tasks)


def test_class_probabilities_keep_their_digits_in_both_tails(X):
    network = make_network("identity", ())
    network.coefs[0][:] *= 150
    logits = network_logits(X, [network])
    assert logits.min() < -100
    assert logits.max() > 100
    found = class_probabilities(X, [network])
    assert np.array_equal(found, np.column_stack([expit(-logits), expit(logits)]))
    odds = np.log(found[:, 0]) - np.log(found[:, 1])
    np.testing.assert_allclose(odds, -logits, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("many_small_tasks")
@pytest.mark.parametrize("score", [network_logits, class_probabilities])
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("rows", [[3], [41, 700]], ids=str)
def test_the_first_row_of_an_overflow_is_named(rows, n_threads, score, X):
    networks = [make_network("identity", (3,), seed=seed) for seed in (0, 1)]
    networks[1].coefs[0][:] = 1e5
    X[rows] = 1e35
    with (
        threadpool_limits(n_threads, user_api="blas"),
        pytest.raises(LogitOverflowError, match=f"row {rows[0]} overflows") as caught,
    ):
        score(X, networks)
    assert caught.value.row == rows[0]


@pytest.mark.usefixtures("many_small_tasks")
def test_the_first_unscorable_row_is_named_by_many_threads(X):
    X[[1000, 200, 201], [1, 3, 0]] = [np.nan, np.inf, -np.inf]
    with (
        threadpool_limits(4, user_api="blas"),
        pytest.raises(UnscorableError, match=r"^row 200, column 3 is beyond float32$"),
    ):
        member_logits(X, [make_network("relu", (3,))])


def test_large_finite_values_are_scored(X):
    X[5] = 1e20  # finite in float32, their squares are not
    assert np.isfinite(member_logits(X, [make_network("relu", (3,))])).all()


@pytest.mark.parametrize("container", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_member_logits_of_sparse_rows_equal_dense(container, X):
    X[X < 0.5] = 0
    network = make_network("relu", (9,))
    dense = member_logits(X, [network])
    assert np.array_equal(member_logits(container(X), [network]), dense)
    assert np.array_equal(member_logits(np.asfortranarray(X), [network]), dense)
    X[0, 0] += 1
    assert not np.array_equal(member_logits(container(X), [network]), dense)


def test_member_logits_leave_the_input_as_it_was(X):
    before = X.copy()
    member_logits(X, [make_network("relu", (), np.float64)])
    member_logits(X, [make_network("identity", (3,), np.float64, True)])
    assert np.array_equal(X, before)


def test_member_logits_of_no_rows_are_empty():
    found = member_logits(np.empty((0, N_FEATURES)), [make_network("relu", (3,))] * 2)
    assert found.shape == (2, 0)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("row", [0, BLOCK_ROWS + 3, 1097])
def test_member_logits_refuse_a_value_beyond_float32(row, sparse, X):
    X[row, 2] = 1e39
    given = scipy.sparse.csr_array(X) if sparse else X
    sentence = f"^row {row}, column 2 is beyond float32$"
    with pytest.raises(UnscorableError, match=sentence) as caught:
        member_logits(given, [make_network("relu", (3,))])
    assert (caught.value.row, caught.value.column) == (row, 2)
    exact = make_network("relu", (3,), np.float64)
    assert np.isfinite(member_logits(given, [exact])).all()
