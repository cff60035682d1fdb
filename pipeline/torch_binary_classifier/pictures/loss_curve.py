"""The losses of a training, epoch by epoch, as a picture; knows their lists only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from torch_binary_classifier.interface.fitted import mean_curve
from torch_binary_classifier.pictures.drawing import axes_for, label_of
from torch_binary_classifier.pictures.steps import last_of

__all__ = ["LossCurveDisplay"]

THIN = {"linewidth": 0.7, "alpha": 0.45}


class LossCurveDisplay:
    """Training and validation loss per epoch.

    Use `from_estimator` or `from_cv_results` to make one.

    Parameters
    ----------
    loss_curves : sequence of (sequence of float)
        Training loss per epoch of each training, in nats. Several are drawn thin, and
        their mean strong; one that has ended keeps its last value in the mean.
    validation_loss_curves : sequence of (sequence of float), default=()
        The losses on rows held out, of trainings that had some.
    estimator_name : str, default=None
        The title of the picture; None for none.

    Attributes
    ----------
    best_epoch : int
        Epoch, from 1, in which the mean of the watched losses is lowest: of the
        validation losses where there are some.
    n_epochs : int
        Epochs of the longest training, after which it stopped.
    ax_ : Axes
        The axes, once drawn.
    figure_ : Figure
        Their figure.
    lines_ : list of Line2D
        The mean training loss and, if there is one, the mean validation loss.
    member_lines_ : list of Line2D
        The single trainings, if there are several.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of rows.

    Examples
    --------
    >>> display = LossCurveDisplay(
    ...     loss_curves=[[0.6, 0.4, 0.3]], validation_loss_curves=[[0.6, 0.5, 0.55]]
    ... )
    >>> display.best_epoch, display.n_epochs
    (2, 3)
    """

    ax_: Any
    figure_: Any
    lines_: list[Any]
    member_lines_: list[Any]

    def __init__(
        self,
        *,
        loss_curves: Sequence[Sequence[float]],
        validation_loss_curves: Sequence[Sequence[float]] = (),
        estimator_name: str | None = None,
    ) -> None:
        self.loss_curves = [list(curve) for curve in loss_curves]
        self.validation_loss_curves = [list(one) for one in validation_loss_curves]
        self.estimator_name = estimator_name

    @property
    def best_epoch(self) -> int:
        """Return the epoch, from 1, of the lowest mean of the watched losses."""
        watched = self.validation_loss_curves or self.loss_curves
        return int(np.argmin(mean_curve(watched))) + 1

    @property
    def n_epochs(self) -> int:
        """Return the epochs of the longest training."""
        return max(map(len, self.loss_curves))

    @classmethod
    def of(
        cls, *estimators: Any, given: str = "estimator", name: str | None = None
    ) -> LossCurveDisplay:
        """Return the picture of one training or several, not drawn yet.

        Parameters
        ----------
        *estimators : estimator
            Fitted ones, as `from_estimator` takes them.
        given : str, default="estimator"
            What an error calls them.
        name : str, default=None
            The title of the picture; None for none.

        Returns
        -------
        LossCurveDisplay
            The picture.

        Raises
        ------
        ValueError
            If one of them has no losses.
        """
        fitted = [last_of(one) for one in estimators]
        for one in fitted:
            if not getattr(one, "loss_curve_", None):
                msg = (
                    f"{given} must end in a fitted classifier with a loss_curve_, got "
                    f"{type(one).__name__} without one."
                )
                raise ValueError(msg)
        watched = [getattr(one, "validation_loss_curve_", None) for one in fitted]
        return cls(
            loss_curves=[one.loss_curve_ for one in fitted],
            validation_loss_curves=[curve for curve in watched if curve],
            estimator_name=name,
        )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Any = None,
        name: str | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> LossCurveDisplay:
        """Draw the losses of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted `TorchBinaryClassifier`, or any with a ``loss_curve_``, also at the
            end of a pipeline or as the best one of a search. The curves of an ensemble
            are the means of its members.
        ax : Axes, default=None
            Where to draw; None for a new figure.
        name : str, default=None
            The title of the picture; None for none.
        line_kw : dict, default=None
            What is passed to ``Axes.plot`` for the means.

        Returns
        -------
        LossCurveDisplay
            The picture.

        Raises
        ------
        ValueError
            If the estimator has no losses.
        ImportError
            If matplotlib is not installed.
        """
        return cls.of(estimator, name=name).plot(ax, line_kw=line_kw)

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        *,
        ax: Any = None,
        name: str | None = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> LossCurveDisplay:
        """Draw the losses of the fits of all folds, thin, and their mean.

        Parameters
        ----------
        cv_results : dict
            What `sklearn.model_selection.cross_validate` returned with
            ``return_estimator=True``.
        ax : Axes, default=None
            Where to draw; None for a new figure.
        name : str, default=None
            The title of the picture; None for none.
        line_kw : dict, default=None
            What is passed to ``Axes.plot`` for the means.

        Returns
        -------
        LossCurveDisplay
            The picture.

        Raises
        ------
        ValueError
            If there are no estimators in it, or one has no losses.
        ImportError
            If matplotlib is not installed.
        """
        if "estimator" not in cv_results:
            msg = (
                "cv_results must hold 'estimator', got "
                f"{sorted(cv_results)}. Call cross_validate with return_estimator=True."
            )
            raise ValueError(msg)
        fitted = list(cv_results["estimator"])
        return cls.of(*fitted, given="cv_results", name=name).plot(ax, line_kw=line_kw)

    def plot(
        self, ax: Any = None, *, line_kw: Mapping[str, Any] | None = None
    ) -> LossCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw; None for a new figure.
        line_kw : dict, default=None
            What is passed to ``Axes.plot`` for the means.

        Returns
        -------
        LossCurveDisplay
            This picture.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = axes_for(ax, "LossCurveDisplay")
        self.figure_ = self.ax_.figure
        self.lines_, self.member_lines_ = [], []
        kinds = {
            "training": self.loss_curves,
            "validation": self.validation_loss_curves,
        }
        for color, (label, curves) in zip(("C0", "C1"), kinds.items(), strict=True):
            if curves:
                self._draw(label, curves, {"color": color, **(line_kw or {})})
        self._mark()
        self.ax_.set(xlabel="Epoch", ylabel="Log-loss (nats)")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        if self.estimator_name is not None:
            self.ax_.set_title(label_of(self.estimator_name, 40))
        self.ax_.legend(fontsize="small")
        return self

    def _draw(
        self, label: str, curves: list[list[float]], line_kw: Mapping[str, Any]
    ) -> None:
        """Draw curves of one kind, and their mean."""
        color = line_kw["color"]
        for curve in curves if len(curves) > 1 else []:
            self.member_lines_ += self.ax_.plot(
                _epochs(curve), curve, color=color, **THIN
            )
        mean = mean_curve(curves)
        shown = f"{label}, mean of {len(curves)}" if len(curves) > 1 else label
        self.lines_ += self.ax_.plot(_epochs(mean), mean, label=shown, **line_kw)

    def _mark(self) -> None:
        """Mark the lowest watched loss, and where training stopped."""
        epochs, losses = self.lines_[-1].get_data()
        place = self.best_epoch - 1
        dot = {"linestyle": "none", "color": self.lines_[-1].get_color(), "zorder": 4}
        best = f"lowest in epoch {self.best_epoch}"
        self.ax_.plot(epochs[place], losses[place], marker="o", label=best, **dot)
        self.ax_.axvline(
            self.n_epochs,
            color="0.5",
            linestyle="--",
            linewidth=1,
            label=f"stopped after {self.n_epochs}",
        )


def _epochs(curve: Sequence[float]) -> Any:
    """Return the numbers of a curve's epochs, from 1."""
    return np.arange(1, len(curve) + 1)
