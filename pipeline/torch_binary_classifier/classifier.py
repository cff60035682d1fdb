"""``TorchBinaryClassifier``: labels, weights and scikit-learn's contract.

NumPy in, NumPy out: knows estimators and labels, and hands plain numbers to the
trainer, which it imports on the first fit, so that scoring never imports torch.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from torch_binary_classifier.estimator import input_scale, validation_scale
from torch_binary_classifier.estimator.checked_rows import (
    Rows,
    check_labels,
    checked_features,
    checked_rows,
    named_as_validation,
    two_classes,
)
from torch_binary_classifier.estimator.holdout import (
    HeldOutRows,
    Splits,
    draw_holders,
    held_out_again,
    splits,
    table_digest,
)
from torch_binary_classifier.estimator.rules import (
    AnyOf,
    Flag,
    LayerSizes,
    Number,
    OneOf,
    Rule,
    check_parameters,
    layer_sizes,
)
from torch_binary_classifier.estimator.weights import (
    check_class_weight,
    check_sum,
    class_weights,
)
from torch_binary_classifier.exceptions import UnscaledInputWarning
from torch_binary_classifier.inference.forward import (
    FittedNetwork,
    LogitOverflowError,
    UnscorableError,
    class_probabilities,
    member_logits,
    network_logits,
)
from torch_binary_classifier.registration import register_backend
from torch_binary_classifier.wording import shown

if TYPE_CHECKING:
    from torch_binary_classifier.training.fitting import FitData, FittedMembers

register_backend()

AUTO_BATCH_SIZE = 200

# Above this multiple of the prior's loss, and so many nats, a training has diverged.
# Trainings of few epochs end at up to 1.7 times the prior's loss, and the best epoch
# on a small validation set of noise at 1.6 times one of 0.2 nats.
LARGEST_LOSS_RATIO = 2.0
LOSS_SLACK = 0.1

RULES: dict[str, Rule] = {
    "hidden_layer_sizes": LayerSizes(),
    "activation": OneOf(
        {"gelu", "identity", "logistic", "relu", "selu", "silu", "tanh"}
    ),
    "solver": OneOf({"adam", "adamw", "lbfgs", "sgd"}),
    "alpha": Number(low=0),
    "batch_size": AnyOf([OneOf({"auto"}), Number(low=1, whole=True)]),
    "learning_rate": OneOf({"adaptive", "constant", "cosine", "invscaling"}),
    "learning_rate_init": Number(low=0, open_low=True),
    "power_t": Number(low=0),
    "max_iter": Number(low=1, whole=True),
    "shuffle": Flag(),
    "tol": Number(low=0),
    "verbose": AnyOf([Flag(), Number(low=0, whole=True)]),
    "warm_start": Flag(),
    "momentum": Number(low=0, high=1),
    "nesterovs_momentum": Flag(),
    "early_stopping": Flag(),
    "validation_fraction": Number(low=0, high=1, open_high=True),
    "beta_1": Number(low=0, high=1, open_high=True),
    "beta_2": Number(low=0, high=1, open_high=True),
    "epsilon": Number(low=0, open_low=True),
    "n_iter_no_change": AnyOf([Number(low=1, whole=True), OneOf({math.inf})]),
    "max_fun": Number(low=1, whole=True),
    "dropout": Number(low=0, high=1, open_high=True),
    "weight_decay": Number(low=0),
    "input_norm": OneOf({None, "batch"}),
    "n_members": Number(low=1, whole=True),
    "dtype": OneOf({"auto", "float32", "float64"}),
    "unscaled_input": OneOf({"ignore", "raise", "warn"}),
}


def _learns_in_steps(estimator: TorchBinaryClassifier) -> bool:
    """Return whether the solver can learn from one batch after another."""
    if estimator.solver == "lbfgs":
        msg = "partial_fit is available with solver 'adam', 'adamw' or 'sgd' only."
        raise AttributeError(msg)
    return True


@cache
def _parameter_names() -> list[str]:
    """Return the names of the estimator's parameters, sorted."""
    return sorted(inspect.signature(TorchBinaryClassifier).parameters)


class TorchBinaryClassifier(ClassifierMixin, BaseEstimator):
    r"""A multilayer perceptron for two classes, trained on logits with PyTorch.

    Expects standardised features: put a ``StandardScaler`` in front, or set
    ``input_norm="batch"``. Parameters have the names, formulas and defaults of
    ``sklearn.neural_network.MLPClassifier`` wherever the idea is the same.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of every hidden layer, each >= 1; empty for logistic regression. More
        units fit more, at a cost proportional to the number of weights.
    activation : str, default="relu"
        Activation of the hidden units: "relu", "identity", "logistic", "tanh",
        "silu", "gelu" or "selu".
    solver : {"adam", "adamw", "sgd", "lbfgs"}, default="adam"
        "lbfgs" uses all rows at once and suits small tables; "adamw" is Adam with
        ``weight_decay``.
    alpha : float, default=0.0001
        Strength of the L2 penalty, >= 0: ``alpha / (2 n)`` times the squared weights
        (not biases), where n is the sum of the row weights of a batch.
    batch_size : int or "auto", default="auto"
        Rows per step; "auto" is ``min(200, n_rows)``. Ignored by "lbfgs".
    learning_rate : str, default="constant"
        Schedule of the learning rate, for all solvers but "lbfgs": "constant",
        "invscaling" (divided by ``(t + 1) ** power_t`` after t rows), "adaptive"
        (divided by 5 whenever the loss stalls) or "cosine" (falling to 0 over
        ``max_iter`` epochs).
    learning_rate_init : float, default=0.001
        First learning rate, > 0. Full-batch training wants about 0.01.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Epochs, or iterations of "lbfgs", at most.
    shuffle : bool, default=True
        Whether rows are put in a new order for every epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, row orders, dropout and the validation split. The
        same seed gives the same bits, on one machine.
    tol : float, default=0.0001
        Least fall of the loss that counts as an improvement, in nats; for "lbfgs"
        the largest component of the gradient at which to stop.
    verbose : bool or int, default=False
        Whether to print the losses of every epoch.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit's weights and optimizer. Such a fit
        must be given the same network, solver and ``dtype``, where "auto" is that of
        the last fit, and with ``early_stopping`` the same table.
    momentum : float, default=0.9
        Momentum of "sgd", in 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when the weighted log-loss on them stalls, and
        keep the weights that were best on them. With ``warm_start`` the first fit
        draws the rows, and those that go on hold out the same ones, whatever
        ``random_state`` and ``validation_fraction``. They refuse another table, and
        any table after a fit without such rows: a row to be held out could be one
        that was trained on.
    validation_fraction : float, default=0.1
        Share of the rows to hold out for one member, stratified, >= 0 and < 1.
    beta_1 : float, default=0.9
        Decay of Adam's first moment, in 0 to 1.
    beta_2 : float, default=0.999
        Decay of Adam's second moment, in 0 to 1.
    epsilon : float, default=1e-08
        Adam's term against division by 0, > 0.
    n_iter_no_change : int or inf, default=10
        Epochs without improvement after which training stops.
    max_fun : int, default=15000
        Evaluations of the loss at most, "lbfgs" only.
    dropout : float, default=0.0
        Share of hidden units left out of each step, in 0 to 1; higher for less
        overfitting. Not for "lbfgs".
    weight_decay : float, default=0.01
        Decoupled decay of the weights per unit of learning rate, "adamw" only.
    input_norm : {None, "batch"}, default=None
        "batch" puts a batch normalisation before the first layer: for input whose
        mean and deviation cannot be known in advance.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, multiplied into the row weights, also in validation; 1
        for a label that a dict leaves out. "balanced" makes both classes weigh the
        same, as the weights of the training rows add up; not for ``partial_fit``.
    n_members : int, default=1
        Networks trained side by side from different seeds, their probabilities
        averaged. With ``early_stopping``, each holds out one of ``n_members``
        stratified folds, so that no row is lost.
    device : str, default="auto"
        "cpu", "cuda" or "auto". Fitted models are the same everywhere.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Precision of the network; "auto" is float64 while all rows fit one batch,
        else float32.
    unscaled_input : {"warn", "raise", "ignore"}, default="warn"
        What to do about features that are not on the scale a network learns from, and
        about an ``X_val`` that is not on the scale of ``X``.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, sorted.
    coefs_ : list of ndarray of shape (in, out)
        Weights; with ``n_members > 1`` each has a leading member axis.
    intercepts_ : list of ndarray of shape (out,)
        Biases; with ``n_members > 1`` each has a leading member axis.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had any.
    activation_ : str
        The activation that the weights were trained with.
    n_iter_ : int
        Epochs of the last call, of the member that it trained longest.
    loss_curve_ : list of float
        Training loss per epoch, in nats, averaged over the members; of all calls
        that went on from each other.
    validation_loss_curve_ : list of float or None
        Loss on the held-out rows per epoch, averaged over the members.
    best_loss_ : float
        Lowest watched loss: validation loss where there is one.
    oof_decision_function_ : ndarray of shape (n_rows,)
        Logit of every training row by the member that held it out, nan for rows of
        weight 0; only with ``n_members > 1`` and ``early_stopping``.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : The same idea on NumPy.
    sklearn.preprocessing.StandardScaler : What to put in front.

    Notes
    -----
    The output bias starts at the logit of the weighted class frequencies. Weights are
    drawn for unit-variance input, after He et al. for the relu family and after Glorot
    and Bengio for saturating activations [1]_ [2]_.

    A row weight counts rows, as in MLPClassifier: a row of weight 2 is that row twice
    in one batch. Weights twice as large thus halve the penalty, like twice as many
    rows; with ``alpha=0`` their unit has no effect. Weights that sum to 1 make the
    penalty as strong as for a table of one row.

    A call of ``fit`` or ``partial_fit`` that fails leaves the estimator as it was.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers", 2015,
       section 2.2.
    .. [2] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", 2010.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = make_classification(random_state=0)
    >>> model = TorchBinaryClassifier(max_iter=50, tol=0.01, random_state=0)
    >>> model = make_pipeline(StandardScaler(), model).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    """

    # What is annotated here is fitted state, which a fit that starts anew forgets.
    classes_: Any
    coefs_: list[Any]
    intercepts_: list[Any]
    activation_: str
    n_iter_: int
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    best_loss_: float
    oof_decision_function_: Any
    input_mean_: Any
    input_deviation_: Any
    _solver: str
    _standardisation: Any
    _member_seeds: list[int]
    _training_state: list[dict[str, Any]]
    _held_out: HeldOutRows

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        weight_decay: float = 0.01,
        input_norm: str | None = None,
        class_weight: Any = None,
        n_members: int = 1,
        device: str = "auto",
        dtype: str = "auto",
        unscaled_input: str = "warn",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.input_norm = input_norm
        self.class_weight = class_weight
        self.n_members = n_members
        self.device = device
        self.dtype = dtype
        self.unscaled_input = unscaled_input

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        A search asks four times per fit; scikit-learn inspects the signature each
        time, which took 0.6 ms of a fit in a search.

        Parameters
        ----------
        deep : bool, default=True
            Without effect: no parameter is an estimator.

        Returns
        -------
        dict of str to object
            Values by name.
        """
        if type(self) is not TorchBinaryClassifier:  # which may have more
            return dict(super().get_params(deep=deep))
        return {name: getattr(self, name) for name in _parameter_names()}

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: two classes only, sparse input welcome."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> TorchBinaryClassifier:
        """Train the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Standardised features; a DataFrame's column names are remembered.
        y : array-like of shape (n_rows,)
            Labels of two kinds.
        sample_weight : array-like of shape (n_rows,), default=None
            How many rows each row counts for, >= 0. One of weight 0 is left out.
        X_val : array-like or sparse matrix of shape (n_val, n_features), default=None
            Rows to watch instead of a held-out part of X; switches early stopping on.
            On the scale of X: a Pipeline transforms X only.
        y_val : array-like of shape (n_val,), default=None
            Their labels.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        TorchBinaryClassifier
            This estimator.

        Raises
        ------
        ValueError
            If a parameter or the data is unfit, or if the training diverges.
        """
        self._check_parameters()
        going_on = self.warm_start and hasattr(self, "coefs_")
        fitted = self._copy(going_on=going_on)
        given = checked_rows(fitted, X, y, sample_weight, reset=not going_on)
        data, by_class = fitted._training_data(given, two_classes(given.labels, None))
        if going_on:
            self._check_known_classes(data.classes)
        held_out = fitted._given_validation(
            data.classes, by_class, X_val, y_val, sample_weight_val
        )
        told = fitted._report_scale(data.features)
        if held_out is not None:
            told |= fitted._report_other_scale(data, held_out)
        ending = fitted._train(
            data, held_out, going_on=going_on, max_iter=self.max_iter
        )
        if not self.warm_start:
            del fitted._training_state
        watched = self.early_stopping or held_out is not None
        fitted._warn_of_ending(ending, watched=watched)
        if not told:
            fitted._warn_if_diverged(ending)
        # All at once, or nothing if an error came before.
        self.__dict__ = fitted.__dict__
        return self

    @available_if(_learns_in_steps)  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> TorchBinaryClassifier:
        """Train for one epoch on the given rows, from where the last call ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features.
        y : array-like of shape (n_rows,)
            Labels.
        classes : array-like of shape (2,), default=None
            Both labels; required by the first call.
        sample_weight : array-like of shape (n_rows,), default=None
            Row weights >= 0.

        Returns
        -------
        TorchBinaryClassifier
            This estimator.

        Raises
        ------
        ValueError
            If the first call has no ``classes``, or the data is unfit.
        """
        self._check_parameters()
        if self.early_stopping:
            msg = "early_stopping must be False for partial_fit, got True."
            raise ValueError(msg)
        if isinstance(self.class_weight, str):
            msg = (
                f"class_weight must be None or a dict for partial_fit, got "
                f"{shown(self.class_weight)}: one batch does not tell how frequent the "
                "classes are. Pass a dict, or sample_weight."
            )
            raise ValueError(msg)
        going_on = hasattr(self, "coefs_")
        if not going_on and classes is None:
            msg = "classes must be passed on the first call to partial_fit."
            raise ValueError(msg)
        known = self.classes_ if going_on else np.unique(np.asarray(classes))
        if classes is not None and not np.array_equal(known, np.unique(classes)):
            msg = (
                f"classes must be those of the first call, {known}, got "
                f"{shown(list(classes))}."
            )
            raise ValueError(msg)
        fitted = self._copy(going_on=going_on)
        given = checked_rows(fitted, X, y, sample_weight, reset=not going_on)
        two_classes(given.labels, known)
        data, _ = fitted._training_data(given, known, stream=True)
        if not going_on:
            fitted._report_scale(data.features)
        fitted._train(data, None, going_on=going_on, max_iter=1)
        # All at once, or nothing if an error came before.
        self.__dict__ = fitted.__dict__
        return self

    def decision_function(self, X: Any) -> Any:
        """Return the log-odds of the second class, in nats.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``.

        Returns
        -------
        ndarray of shape (n_rows,)
            Logits; for an ensemble the logit of the mean probability.
        """
        return self._score(X, network_logits)

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of both classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``.

        Returns
        -------
        ndarray of shape (n_rows, 2)
            Columns in the order of ``classes_``.
        """
        return self._score(X, class_probabilities)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of the probabilities, finite for every logit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``.

        Returns
        -------
        ndarray of shape (n_rows, 2)
            Columns in the order of ``classes_``.
        """
        logits = self.decision_function(X)
        return np.column_stack([log_expit(-logits), log_expit(logits)])

    def predict(self, X: Any) -> Any:
        """Return the more probable label of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features as in ``fit``.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels from ``classes_``.
        """
        positive = self.decision_function(X) > 0
        return self.classes_[positive.astype(np.intp)]

    def _check_parameters(self) -> None:
        """Refuse unfit parameters before any work."""
        check_parameters({name: getattr(self, name) for name in RULES}, RULES)
        if self.solver == "lbfgs" and self.dropout > 0:
            msg = f"dropout must be 0 with solver='lbfgs', got {shown(self.dropout)}."
            raise ValueError(msg)
        if self.input_norm and self.solver != "lbfgs" and self.batch_size == 1:
            msg = "batch_size must be >= 2 with input_norm='batch', got 1."
            raise ValueError(msg)
        check_class_weight(self.class_weight)

    def _copy(self, *, going_on: bool) -> TorchBinaryClassifier:
        """Return a copy to fit; what another fit has left stays only for going on."""
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        if not going_on:
            for name in TorchBinaryClassifier.__annotations__:
                copied.__dict__.pop(name, None)
        return copied

    def _training_data(
        self, given: Rows, classes: Any, *, stream: bool = False
    ) -> tuple[FitData, Any]:
        """Return the rows of positive weight as numbers, and the class weights."""
        targets = (given.labels == classes[1]).astype(np.float64)
        counted = np.unique(targets[given.weights > 0]).astype(np.intp)
        wanted = "a class" if stream else "2 classes"
        if len(counted) < 2 and not stream:
            msg = (
                f"{type(self).__name__} needs rows of {wanted} with positive weight, "
                "but the data contains only one class."
            )
            raise ValueError(msg)
        by_class = class_weights(self.class_weight, classes, targets, given.weights)
        without = counted[by_class[counted] == 0]
        if len(without) == len(counted) or (len(without) and not stream):
            msg = (
                f"{type(self).__name__} needs rows of {wanted} with positive weight, "
                f"but class_weight gives {shown(classes[without[0]])} none."
            )
            raise ValueError(msg)
        return _weighted(given, targets, classes, by_class), by_class

    def _check_known_classes(self, classes: Any) -> None:
        """Refuse to go on with other labels."""
        if not np.array_equal(classes, self.classes_):
            msg = (
                f"y must have the classes of the previous fit, {self.classes_}, with "
                f"warm_start=True, got {classes}."
            )
            raise ValueError(msg)

    def _given_validation(
        self,
        classes: Any,
        by_class: Any,
        X_val: Any,
        y_val: Any,
        sample_weight_val: Any,
    ) -> FitData | None:
        """Check the user's validation set; weigh its classes as in training."""
        if X_val is None:
            if y_val is not None or sample_weight_val is not None:
                msg = "X_val must be given with y_val and sample_weight_val, got None."
                raise ValueError(msg)
            return None
        if y_val is None:
            msg = "y_val must be given with X_val, got None."
            raise ValueError(msg)
        with named_as_validation():
            given = checked_rows(self, X_val, y_val, sample_weight_val, reset=False)
            check_labels(given.labels, classes)
            targets = (given.labels == classes[1]).astype(np.float64)
            return _weighted(given, targets, classes, by_class)

    def _report_scale(self, features: Any) -> bool:
        """Warn or raise when the features are not on a network's scale."""
        if self.unscaled_input == "ignore" or self.input_norm is not None:
            return False
        message = input_scale.describe(features, self._column_names())
        if message:
            self._tell(message)
        return bool(message)

    def _report_other_scale(self, data: FitData, held_out: FitData) -> bool:
        """Warn or raise when validation rows are on another scale than the rest."""
        if self.unscaled_input == "ignore":
            return False
        features, classes = data.features, np.unique(held_out.targets)
        if len(classes) == 1:  # which may well be at one end of a column
            features = features[np.flatnonzero(data.targets == classes[0])]
        message = validation_scale.describe(
            features, held_out.features, self._column_names()
        )
        if message:
            self._tell(message)
        return bool(message)

    def _tell(self, message: str) -> None:
        """Warn or raise, as ``unscaled_input`` says."""
        if self.unscaled_input == "raise":
            raise ValueError(message)
        warnings.warn(message, UnscaledInputWarning, stacklevel=4)

    def _column_names(self) -> list[str]:
        """Return the names of the columns, or their numbers."""
        if hasattr(self, "feature_names_in_"):
            return [repr(str(name)) for name in self.feature_names_in_]
        return [f"column {number}" for number in range(self.n_features_in_)]

    def _splits(
        self, data: FitData, seed: int, *, going_on: bool, given: bool
    ) -> Splits | None:
        """Return each member's (training rows, held-out rows), None without any.

        A fit that goes on holds out what the fits before it have held out.
        """
        before: HeldOutRows | None = self.__dict__.pop("_held_out", None)
        if given or not self.early_stopping:
            return None
        table = (data.features, data.targets, data.positions)
        if going_on:
            self._held_out = held_out_again(before, *table)
            return splits(self._held_out.holders, self.n_members)
        holders = draw_holders(
            data.targets,
            n_members=self.n_members,
            validation_fraction=self.validation_fraction,
            seed=seed,
        )
        if self.warm_start:
            self._held_out = HeldOutRows(holders, table_digest(*table))
        return splits(holders, self.n_members)

    def _train(
        self, data: FitData, held_out: FitData | None, *, going_on: bool, max_iter: int
    ) -> FittedMembers:
        """Hand the numbers to the trainer; keep and return what it returns."""
        from torch_binary_classifier.training.fitting import train_members

        draws = check_random_state(self.random_state).randint(
            np.iinfo(np.int32).max, size=self.n_members + 1
        )
        seeds = self._member_seeds if going_on else [int(seed) for seed in draws[1:]]
        past = self._past() if going_on else None
        chosen = self._splits(
            data, int(draws[0]), going_on=going_on, given=held_out is not None
        )
        fitted = train_members(
            data,
            self._settings(len(data.targets), max_iter),
            seeds=seeds,
            splits=chosen,
            held_out=held_out,
            past=past,
            column_names=self._column_names(),
        )
        self.classes_ = data.classes
        self._member_seeds = seeds
        self._keep(fitted, going_on=going_on)
        self._training_state = fitted.optimizer_state
        self.__dict__.pop("oof_decision_function_", None)
        if chosen is not None and self.n_members > 1:
            self.oof_decision_function_ = self._out_of_fold(data, chosen)
        return fitted

    def _settings(self, n_rows: int, max_iter: int) -> dict[str, Any]:
        """Return the parameters with everything automatic decided."""
        settings = {name: _plain(getattr(self, name)) for name in (*RULES, "device")}
        size = self.batch_size
        if size == "auto":
            size = AUTO_BATCH_SIZE
        if self.solver == "lbfgs":
            size = n_rows
        settings["batch_size"] = min(int(size), n_rows)
        settings["hidden_layer_sizes"] = layer_sizes(self.hidden_layer_sizes)
        settings["max_iter"] = max_iter
        if self.dtype == "auto":
            whole = settings["batch_size"] >= n_rows
            settings["dtype"] = "float64" if whole else "float32"
        return settings

    def _past(self) -> dict[str, Any]:
        """Return what a member needs to go on: weights and optimizer state."""
        widths = tuple(coef.shape[-1] for coef in self.coefs_[:-1])
        wanted = layer_sizes(self.hidden_layer_sizes)
        if widths != wanted or len(self._member_seeds) != self.n_members:
            msg = (
                "hidden_layer_sizes and n_members must be those of the previous fit, "
                f"{widths} and {len(self._member_seeds)}, got "
                f"{shown(wanted)} and {self.n_members}. "
                "Set warm_start=False to start anew."
            )
            raise ValueError(msg)
        before = {
            "activation": self.activation_,
            "solver": self._solver,
            "input_norm": "batch" if hasattr(self, "input_mean_") else None,
            "dtype": str(self.coefs_[0].dtype),
        }
        for name, value in before.items():
            given = getattr(self, name)
            if given != value and (name, given) != ("dtype", "auto"):
                msg = (
                    f"{name} must be that of the previous fit, {value!r}, got "
                    f"{shown(given)}. Set warm_start=False to start anew."
                )
                raise ValueError(msg)
        return {
            "networks": self._networks(),
            "standardisation": getattr(self, "_standardisation", None),
            "optimizer": getattr(self, "_training_state", None),
            "n_epochs": len(self.loss_curve_),
            "dtype": before["dtype"],
        }

    def _keep(self, fitted: FittedMembers, *, going_on: bool) -> None:
        """Store the trainer's result as plain numbers."""
        single = self.n_members == 1
        self.coefs_ = [
            layer[0] if single else np.stack(layer) for layer in fitted.coefs
        ]
        self.intercepts_ = [
            layer[0] if single else np.stack(layer) for layer in fitted.intercepts
        ]
        self.activation_, self._solver = str(self.activation), str(self.solver)
        mean, deviation = fitted.input_mean, fitted.input_deviation
        if mean is not None and deviation is not None:
            self.input_mean_ = mean[0] if single else np.stack(mean)
            self.input_deviation_ = deviation[0] if single else np.stack(deviation)
            found = fitted.standardisation
            self._standardisation = found and (found.shift, found.scale)
        before = self.loss_curve_ if going_on else []
        held_before = (going_on and self.validation_loss_curve_) or []
        self.loss_curve_ = before + fitted.loss_curve
        curve = held_before + fitted.validation_loss_curve
        self.validation_loss_curve_ = curve or None
        self.best_loss_ = float(fitted.best_loss)
        self.n_iter_ = fitted.n_iter

    def _warn_of_ending(self, ending: FittedMembers, *, watched: bool) -> None:
        """Warn when a training ended too early."""
        if ending.interrupted:
            warnings.warn(
                f"Training was interrupted by the user after {self.n_iter_} epochs. "
                "The weights that it had by then are kept.",
                UserWarning,
                stacklevel=3,
            )
        elif not (watched or ending.converged):
            self._warn_if_still_falling()

    def _warn_if_diverged(self, ending: FittedMembers) -> None:
        """Warn when a training without any overflow ended far above its beginning."""
        if ending.worst_loss > LARGEST_LOSS_RATIO * ending.prior_loss + LOSS_SLACK:
            warnings.warn(
                f"Training ended at a loss of {ending.worst_loss:.4g} nats, where the "
                f"class frequencies alone have {ending.prior_loss:.4g}. The likely "
                f"cause is learning_rate_init={shown(self.learning_rate_init)}: lower "
                "it, or put a StandardScaler in front.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _warn_if_still_falling(self) -> None:
        """Warn when ``max_iter`` ended a training that still got better."""
        if self.learning_rate == "cosine" and self.solver != "lbfgs":
            return
        advice = "Raise max_iter or learning_rate_init, or set learning_rate='cosine'."
        if self.solver == "lbfgs":
            advice = "Raise max_iter, max_fun or tol."
        warnings.warn(
            f"max_iter={self.max_iter} was reached before the training loss "
            f"({self.loss_curve_[-1]:.4g} now) settled within tol={self.tol:g}. "
            f"{advice}",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _networks(self) -> list[FittedNetwork]:
        """Return the members' networks."""
        mean = getattr(self, "input_mean_", None)
        deviation = getattr(self, "input_deviation_", None)
        if self.coefs_[0].ndim == 2:
            return [
                FittedNetwork(
                    self.coefs_, self.intercepts_, self.activation_, mean, deviation
                )
            ]
        return [
            FittedNetwork(
                [coef[member] for coef in self.coefs_],
                [intercept[member] for intercept in self.intercepts_],
                self.activation_,
                None if mean is None else mean[member],
                None if deviation is None else deviation[member],
            )
            for member in range(len(self.coefs_[0]))
        ]

    def _score(self, X: Any, score: Callable[[Any, list[FittedNetwork]], Any]) -> Any:
        """Return what ``score`` makes of the rows and the members' networks."""
        if not hasattr(self, "coefs_"):  # the check reads the tags: 8 us of a row's 200
            check_is_fitted(self, "coefs_")
        # The forward pass looks for nan and inf in rows that are in the cache already;
        # a look at the whole table before is a tenth of the time for many rows.
        features = checked_features(self, X, ensure_all_finite=False)
        try:
            return score(features, self._networks())
        except (UnscorableError, LogitOverflowError) as error:
            checked_features(self, X, ensure_all_finite=True)
            raise ValueError(self._blame(features, error)) from error

    def _blame(self, features: Any, error: UnscorableError | LogitOverflowError) -> str:
        """Return the sentence for the user about a row that has no score."""
        dtype = self.coefs_[0].dtype
        if isinstance(error, LogitOverflowError):
            return (
                f"X must hold values whose logits {dtype} can represent, got an "
                f"overflow in row {error.row}. Put a StandardScaler in front."
            )
        name = self._column_names()[error.column]
        return (
            f"{name} must hold values that {dtype} can represent, "
            f"got {_cell(features, error.row, error.column)!r} in row {error.row}."
        )

    def _out_of_fold(self, data: FitData, chosen: Splits) -> Any:
        """Return each row's logit by the member that held it out."""
        logits = np.full(data.n_given, np.nan)
        for network, (_, held_out) in zip(self._networks(), chosen, strict=True):
            rows = data.features[held_out]
            logits[data.positions[held_out]] = member_logits(rows, [network])[0]
        return logits


def _cell(features: Any, row: int, column: int) -> float:
    """Return one value of a table."""
    return float(features[row, column])


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as the number, text or truth value that it is."""
    return value.item() if isinstance(value, np.generic) else value


def _weighted(given: Rows, targets: Any, classes: Any, by_class: Any) -> FitData:
    """Return the rows of positive weight, class weights included."""
    from torch_binary_classifier.training.fitting import FitData

    with np.errstate(over="ignore"):
        weights = given.weights * by_class[targets.astype(np.intp)]
    check_sum(weights)
    features, n_given = given.features, len(weights)
    kept = np.flatnonzero(weights > 0)
    if len(kept) < n_given:
        features, targets, weights = features[kept], targets[kept], weights[kept]
    return FitData(features, targets, weights, classes, kept, n_given)
