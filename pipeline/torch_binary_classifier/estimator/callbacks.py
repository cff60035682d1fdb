"""scikit-learn's callbacks: who is told of a fit and of each of its epochs.

Imports ``sklearn.callback``, which scikit-learn has since 1.9, once it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from sklearn.utils.metaestimators import available_if

from torch_binary_classifier.interface.fitted import FittedMembers
from torch_binary_classifier.interface.watching import EpochEnd, Watcher

ARE_KNOWN = find_spec("sklearn.callback") is not None


def has_callbacks(estimator: Any) -> bool:
    """Return whether somebody is to be told of an estimator's fit."""
    return "_skl_callbacks" in vars(estimator)


class CallbackSupport:
    """The methods by which scikit-learn gives an estimator callbacks."""

    @available_if(lambda _: ARE_KNOWN)  # type: ignore[untyped-decorator]
    def set_callbacks(self, *callbacks: Any) -> Any:
        """Set who is told of ``fit`` and of each of its epochs.

        A callback's ``on_fit_task_end`` may return True to end the training with the
        epoch. All members are trained side by side: an epoch is one epoch of all, and
        ``fitted_estimator`` is what the fit would leave if it ended there. Within
        ``batched_fits`` such a fit trains alone. ``partial_fit`` tells nobody.

        Parameters
        ----------
        *callbacks : callback instances
            Objects with the hooks of ``sklearn.callback.FitCallback``, such as
            ``sklearn.callback.ScoringMonitor``; none to remove all.

        Returns
        -------
        TorchBinaryClassifier
            This estimator.
        """
        from sklearn.callback import CallbackSupportMixin

        return CallbackSupportMixin.set_callbacks(self, *callbacks)

    @available_if(lambda _: ARE_KNOWN)  # type: ignore[untyped-decorator]
    def _init_callback_context(self, **given: Any) -> Any:
        """Return the context of a fit, its callbacks set up."""
        from sklearn.callback import CallbackSupportMixin

        return CallbackSupportMixin._init_callback_context(self, **given)


@dataclass(frozen=True)
class Audience:
    """An estimator whose callbacks are to be told of its fit, and what it was given."""

    estimator: Any
    X: Any
    y: Any
    sample_weight: Any

    @property
    def told(self) -> dict[str, Any]:
        """What each hook is told of."""
        weights = self.sample_weight
        metadata = None if weights is None else {"sample_weight": weights}
        return {
            "estimator": self.estimator,
            "X": self.X,
            "y": self.y,
            "metadata": metadata,
        }


class FitTask:
    """A fit, and the epoch that it is at, told to callbacks."""

    def __init__(self, audience: Audience) -> None:
        self.told = audience.told
        self.n_begun = 0
        estimator = audience.estimator
        self.task = estimator._init_callback_context(max_subtasks=estimator.max_iter)
        self.epoch: Any = None
        self.task.call_on_fit_task_begin(**self.told)

    def begin(self) -> None:
        """Tell that an epoch begins."""
        self.epoch = self.task.subcontext(task_name=f"epoch {self.n_begun}")
        self.n_begun += 1
        self.epoch.call_on_fit_task_begin(**self.told)

    def end(self, attributes: Callable[[], dict[str, Any]]) -> bool:
        """Tell that the epoch has ended; return whether the fit is to end with it."""
        return bool(
            self.epoch.call_on_fit_task_end(
                **self.told, reconstruction_attributes=lambda: whole(attributes())
            )
        )

    def close(self, attributes: dict[str, Any]) -> None:
        """Tell that the fit has ended, and what it leaves."""
        self.task.call_on_fit_task_end(
            **self.told, reconstruction_attributes=lambda: whole(attributes)
        )


def whole(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return what replaces all of a copy's attributes, those of a fit before too."""
    return {"__dict__": attributes}


@contextmanager
def fit_task(audience: Audience | None) -> Iterator[FitTask | None]:
    """Set callbacks up and, whatever happens in the block, tear them down.

    Yields
    ------
    FitTask or None
        Who is to be told; None where there is nobody.
    """
    if audience is None:
        yield None
        return
    from sklearn.callback import with_callbacks

    try:
        yield FitTask(audience)
    finally:  # they are torn down behind what is decorated
        with_callbacks(lambda _: None)(audience.estimator)


class Watchers:
    """Those who are told of a fit's epochs: its callbacks, and others.

    Parameters
    ----------
    task : FitTask or None
    others : sequence of Watcher
    state : callable
        Returns the attributes of the estimator that fitted members make.
    """

    def __init__(
        self,
        task: FitTask | None,
        others: Sequence[Watcher],
        state: Callable[[list[FittedMembers]], dict[str, Any]],
    ) -> None:
        self.task = task
        self.others = others
        self.state = state

    def begin(self) -> None:
        """Tell that an epoch begins."""
        for one in self.others:
            one.begin()
        if self.task is not None:
            self.task.begin()

    def end(self, epoch: EpochEnd) -> bool:
        """Tell that it has ended; return whether the fit is to end with it."""
        has_enough = [one.end(epoch) for one in self.others]
        if self.task is not None:
            has_enough.append(self.task.end(lambda: self.state(epoch.fitted())))
        return any(has_enough)

    def is_out_of_time(self) -> bool:
        """Return whether one of them wants the fit to end as it is."""
        return any(one.is_out_of_time() for one in self.others)
