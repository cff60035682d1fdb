"""What MLPClassifier's users read of a fitted estimator, and follows from the rest."""

from __future__ import annotations

from typing import Any

from torch_binary_classifier.estimator.kinds import kinds_of


class MlpAttributes:
    """MLPClassifier's attributes; an ``AttributeError`` before ``fit``."""

    loss_curve_: list[float]
    validation_scores_: list[float] | None

    @property
    def loss_(self) -> float:
        """Training loss of the last epoch, averaged over the networks."""
        return self.loss_curve_[-1]

    @property
    def best_validation_score_(self) -> float | None:
        """Highest of ``validation_scores_``; None where no rows were held out."""
        scores = self.validation_scores_
        return None if scores is None else max(scores)

    @property
    def n_layers_(self) -> int:
        """Layers of a network, input and output included; of the deepest kind."""
        return 1 + max(len(kind["coefs_"]) for kind in self._fitted_kinds)

    @property
    def n_outputs_(self) -> int:
        """Outputs of a network: one logit."""
        return int(self._fitted_kinds[0]["coefs_"][-1].shape[-1])

    @property
    def out_activation_(self) -> str:
        """What makes a probability of the logit."""
        return "logistic" if self._fitted_kinds else ""

    @property
    def _fitted_kinds(self) -> Any:
        """State of each kind of network; an ``AttributeError`` before ``fit``."""
        if "classes_" not in vars(self):
            msg = f"{type(self).__name__} must be fitted before it has this attribute."
            raise AttributeError(msg)
        return kinds_of(self)
