"""Makes joblib know the backend "batched"; knows that backend by its name only.

Every module that brings joblib in and leads to a training calls it, so that it does not
matter which is imported first. Those that lie below the backend could not import it,
and need not: joblib asks for it on its first use, which loads torch.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

BACKEND = "torch_binary_classifier.search.backend"


@cache
def register_backend() -> None:
    """Tell joblib of the backend, once.

    joblib brings NumPy in, which the command line's help can do without.
    """
    import_module("joblib").register_parallel_backend("batched", _batched_backend)


def _batched_backend(**parameters: Any) -> Any:
    """Return what ``joblib.parallel_config(backend="batched")`` stands for."""
    return import_module(BACKEND).make_backend(**parameters)
