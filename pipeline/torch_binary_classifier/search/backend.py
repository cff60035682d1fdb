"""``batched_fits``: the fits of a search, trained as members of few tensor programs.

Knows which backend joblib is to use; nothing of how that works.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import joblib

from torch_binary_classifier.registration import register_backend
from torch_binary_classifier.search.gathering import Gathering
from torch_binary_classifier.search.joblib_backend import Backend, BatchedBackend
from torch_binary_classifier.search.memory import checked_limit
from torch_binary_classifier.search.progress import Telling, shown, untold
from torch_binary_classifier.search.shares import SharingBackend

register_backend()


@contextmanager
def batched_fits(
    *, backend: str | None = None, memory_limit: int | None = None, verbose: int = 0
) -> Iterator[None]:
    """Train all fits of a search together, with scikit-learn's tools unchanged.

    Inside the context every ``TorchBinaryClassifier`` that is fitted by a search or
    another tool of scikit-learn with an ``n_jobs`` waits until the others have come
    to their training too; then all are trained as members of few tensor programs.

    Parameters
    ----------
    backend : str, default=None
        Name of a joblib backend, such as "loky" or "dask", whose processes get one
        share of the tasks each, and train what is in it together. With None, and with
        a backend of threads, all happens in this process. "dask" needs a
        ``dask.distributed.Client``.
    memory_limit : int, default=None
        Bytes that the tables of waiting fits may take, in all processes together. When
        they do, what is there is trained before further fits begin. None for a quarter
        of the memory that is free here.
    verbose : int, default=0
        With 1 and more, the standard error tells how many members and epochs are
        trained and the time left: a terminal by one line that is drawn anew, a notebook
        or a log by a line every ten seconds. Other processes on this machine tell as
        they go; of those on other machines the tasks are counted that have come back.

    Yields
    ------
    None

    Raises
    ------
    ValueError
        If a parameter is unfit or the backend is unknown.

    Notes
    -----
    ``n_jobs`` of the search says how many of its tasks may compute side by side until
    they come to their training, and from there on: one with ``n_jobs=None``, which
    is fastest for small tables, where the work is Python's. Training uses all cores.
    Processes of a ``backend`` run one task each.

    A score is the one that the search finds without this context, bit for bit, because
    members do not depend on each other. Tasks begin in the order of the plain search.

    ``mean_fit_time`` does not count the time a fit waited. Training counts with the
    time of its program divided by the members that the program served.

    Candidates that differ in ``max_iter`` only are one training, to the longest of
    them, unless every step depends on it, as with ``learning_rate="cosine"``.

    An estimator of another kind is fitted as ever, and an estimator that is fitted
    outside of joblib, as for ``refit=True``, is trained alone.

    ``joblib.parallel_config(backend="batched")`` does the same.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.model_selection import GridSearchCV
    >>> from torch_binary_classifier import TorchBinaryClassifier, batched_fits
    >>> X, y = make_classification(random_state=0)
    >>> model = TorchBinaryClassifier(learning_rate="cosine", max_iter=20)
    >>> with batched_fits():
    ...     search = GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=5).fit(X, y)
    >>> len(search.cv_results_["mean_test_score"])
    2
    """
    batched = make_backend(
        memory_limit=memory_limit, verbose=verbose, worker_backend=backend
    )
    with joblib.parallel_config(backend=batched):
        yield


def make_backend(
    *,
    memory_limit: int | None = None,
    verbose: int = 0,
    worker_backend: str | None = None,
) -> Backend:
    """Return what ``joblib.parallel_config(backend="batched")`` stands for.

    Parameters
    ----------
    memory_limit, verbose
        As of ``batched_fits``.
    worker_backend : str or None
        ``backend`` of ``batched_fits``.
    """
    limit = checked_limit(memory_limit)
    if worker_backend == "batched":
        msg = "backend must be a backend other than 'batched', got 'batched'."
        raise ValueError(msg)
    if worker_backend is not None:
        with joblib.parallel_config(backend=worker_backend) as config:
            workers = config["backend"]
        if not getattr(workers, "supports_sharedmem", False):
            return SharingBackend(workers, limit, verbose)
    return BatchedBackend(Gathering(limit, shown if verbose else untold))


@contextmanager
def told_fits(telling: Telling) -> Iterator[None]:
    """Train all fits of a search together, and tell of them in a way of one's own.

    Parameters
    ----------
    telling : callable
        As of `Gathering`. Where it raises `OutOfTime`, the search ends with that.
    """
    gathering = Gathering(checked_limit(None), telling)
    with joblib.parallel_config(backend=BatchedBackend(gathering)):
        yield
