"""``TorchBinaryClassifier``: scikit-learn's contract, and nothing else.

NumPy in, NumPy out: hands a problem of plain numbers to the trainer, which it imports
on the first fit, so that scoring never imports torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if

from torch_binary_classifier.estimator import kinship, parameters
from torch_binary_classifier.estimator.automatic import Plan, plan_of
from torch_binary_classifier.estimator.callbacks import (
    Audience,
    CallbackSupport,
    FitTask,
    Watchers,
    fit_task,
    has_callbacks,
)
from torch_binary_classifier.estimator.checked_rows import checked_rows, two_classes
from torch_binary_classifier.estimator.endings import warn_of_ending, warn_of_findings
from torch_binary_classifier.estimator.epoch_lines import EpochLines
from torch_binary_classifier.estimator.fit_report import Ended, report_of
from torch_binary_classifier.estimator.fitted_state import keep
from torch_binary_classifier.estimator.gap_report import report_gaps
from torch_binary_classifier.estimator.going_on import check_classes, classes_of_stream
from torch_binary_classifier.estimator.holdout import HeldOut
from torch_binary_classifier.estimator.html import CourseHtml
from torch_binary_classifier.estimator.kinds import forget_training, gaps_to_go_by
from torch_binary_classifier.estimator.logit_scores import LogitScores
from torch_binary_classifier.estimator.mlp_attributes import MlpAttributes
from torch_binary_classifier.estimator.posing import problems_of
from torch_binary_classifier.estimator.scale_report import report_scale, report_stream
from torch_binary_classifier.estimator.tooltips import Tooltips
from torch_binary_classifier.estimator.training_data import (
    TrainingData,
    training_data,
    watched_rows,
)
from torch_binary_classifier.interface.fitted import Course, FittedMembers
from torch_binary_classifier.interface.problem import Problem, WeightedRows
from torch_binary_classifier.interface.watching import Watcher, present_watcher
from torch_binary_classifier.registration import register_backend

if TYPE_CHECKING:
    from torch_binary_classifier.training.trainer import Trainer

register_backend()


@cache
def _parameter_names() -> list[str]:
    """Return the names of the estimator's parameters, sorted."""
    return sorted(inspect.signature(TorchBinaryClassifier).parameters)


class TorchBinaryClassifier(
    LogitScores,
    MlpAttributes,
    CallbackSupport,
    CourseHtml,
    Tooltips,
    ClassifierMixin,
    BaseEstimator,
):
    r"""A multilayer perceptron for two classes, trained on logits with PyTorch.

    Expects standardised features: put a ``StandardScaler`` in front, or set
    ``input_norm="batch"``. Parameters have the names and formulas of
    ``sklearn.neural_network.MLPClassifier`` wherever the idea is the same. Those that
    are "auto" follow from the number of rows; docs/defaults.md says how. By default a
    fit trains several networks, which stop early on different rows, and averages them.

    A gap (nan) stands for its column's weighted median in training, and a column that
    has gaps there gets one more input, which is 1 for a gap. Gaps elsewhere are filled
    alike, with a warning. ``input_norm`` and ``partial_fit`` take no gaps.

    Parameters
    ----------
    hidden_layer_sizes : int, sequence of int or "auto", default="auto"
        Units of every hidden layer, each >= 1; empty for logistic regression. More
        units fit more, at a cost proportional to the number of weights.
    activation : str, default="auto"
        Activation of the hidden units: "relu", "identity", "logistic", "tanh",
        "silu", "gelu" or "selu"; "auto" is "silu" behind bins, else "relu".
    solver : {"adam", "adamw", "sgd", "lbfgs"}, default="adam"
        "lbfgs" uses all rows at once and suits small tables; "adamw" is Adam with
        ``weight_decay``.
    alpha : float or "auto", default="auto"
        Strength of the L2 penalty, >= 0: ``alpha / (2 n)`` times the squared weights
        (not biases), where n is the sum of the row weights of a batch.
    batch_size : int or "auto", default="auto"
        Rows per step, all rows at most. Ignored by "lbfgs".
    learning_rate : str, default="constant"
        Schedule of the learning rate, for all solvers but "lbfgs": "constant",
        "invscaling" (divided by ``(t + 1) ** power_t`` after t rows), "adaptive"
        (divided by 5 whenever the loss stalls) or "cosine" (falling to 0 over
        ``max_iter`` epochs).
    learning_rate_init : float or "auto", default="auto"
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
        1 prints a line per tenth of the run: losses averaged over the networks,
        learning rate and time left. From 2 on, the losses of every epoch and network.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit's weights and optimizer. Such a fit
        must be given the same network, solver and ``dtype``, where "auto" is that of
        the last fit, and with ``early_stopping`` the same table.
    momentum : float, default=0.9
        Momentum of "sgd", in 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's momentum.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out rows, stop when the weighted log-loss on them stalls, and
        keep the weights that were best on them; "auto" wherever there are enough. Of
        a small table equal rows are held out together, as one row of their weight.
        With ``warm_start`` the first fit draws the rows, and those that go on hold
        out the same ones, whatever ``random_state`` and ``validation_fraction``. They
        refuse another table, and any table after a fit without such rows: a row to be
        held out could be one that was trained on.
    validation_fraction : float, default=0.1
        Share of the rows to hold out for one member, stratified, >= 0 and < 1.
    beta_1 : float, default=0.9
        Decay of Adam's first moment, in 0 to 1.
    beta_2 : float, default=0.999
        Decay of Adam's second moment, in 0 to 1.
    epsilon : float, default=1e-08
        Adam's term against division by 0, > 0.
    n_iter_no_change : int, inf or "auto", default="auto"
        Epochs without improvement after which training stops.
    max_fun : int, default=15000
        Evaluations of the loss at most, "lbfgs" only.
    dropout : float or "auto", default="auto"
        Share of hidden units left out of each step, in 0 to 1; higher for less
        overfitting. Not for "lbfgs".
    weight_decay : float, default=0.01
        Decoupled decay of the weights per unit of learning rate, "adamw" only.
    input_norm : {None, "batch"}, default=None
        "batch" puts a batch normalisation before the first layer: for input whose
        mean and deviation cannot be known in advance.
    encoding : {None, "piecewise", "mixed", "auto"}, default="auto"
        "piecewise" shows the networks each column as it is and, beside it, cut into
        bins [3]_: what a tree sees at a glance. "mixed" trains as many networks of
        either kind. "auto" is "mixed" up to 4,000 rows, then "piecewise". Bins are not
        for ``input_norm``; ``partial_fit`` knows only those that a ``fit`` with "auto"
        has made.
    n_bins : int or "auto", default="auto"
        Bins of a column, about, with ``encoding``; they lie at quantiles. More for
        many rows; a column has no more than it has values.
    input_factors : bool or "auto", default="auto"
        Whether each input has a trained factor, by which the network learns which of
        them matter; its learning rate is 6 times that of the weights [4]_. Not for
        "lbfgs".
    weight_average : float or "auto", default="auto"
        Decay per step of a moving average of the weights, in 0 to 1, which is watched
        and kept instead of the last weights; 0 for none, 0.95 to 0.99 for smoother
        networks. Not for "lbfgs".
    class_weight : dict, "balanced" or None, default=None
        Weight of each class, multiplied into the row weights, also in validation; 1
        for a label that a dict leaves out. "balanced" makes both classes weigh the
        same, as the weights of the training rows add up; not for ``partial_fit``.
    prior_correction : bool, default=False
        Whether to take ``class_weight``, but no ``sample_weight``, back out of the
        scores: ``log(w1 / w0)`` is subtracted from each network's logit [5]_ [6]_, so
        that the probabilities are those of the data's own frequencies and ``predict``
        follows them.
    calibrate : bool, default=False
        Whether to divide logits by ``temperature_``, of the least weighted log-loss on
        rows that were held out, or on ``X_val`` [7]_; few rows leave it near 1. It
        keeps the order of rows, and needs ``early_stopping`` or ``X_val``; not for
        ``partial_fit``. The loss is that of the scores that come out: with
        ``prior_correction`` without ``class_weight``, else with it.
    n_members : int or "auto", default="auto"
        Networks of a kind, trained side by side from different seeds, their
        probabilities averaged. With ``early_stopping``, each holds out one of
        ``n_members`` stratified folds, so that no row is lost.
    device : str, default="auto"
        "cpu", "cuda" or "auto". Fitted models are the same everywhere.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Precision of the network; "auto" is float64 while all rows fit one batch,
        else float32.
    unscaled_input : {"warn", "raise", "ignore"}, default="warn"
        What to do about features that are not on the scale a network learns from, and
        about an ``X_val`` that is not on the scale of ``X``; a search tells it once.
        Unless it is "ignore", short trainings measure what features far from unit scale
        cost networks that see the columns as they are, and the first 30 or more rows to
        score that are far from the scale of training are told too, by a warning.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The labels, sorted.
    member_weights_ : ndarray of shape (n_networks,)
        How much each network's probability counts, >= 0, sum 1. Those of a kind count
        the same; kinds by what they predict for rows held out, or for ``X_val``.
    kinds_ : list of dict
        With networks of two kinds, ``coefs_``, ``intercepts_``, ``activation_`` and
        ``encoding_`` of each kind, which the estimator then has not.
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
    loss_ : float
        Last of ``loss_curve_``.
    validation_scores_ : list of float or None
        Accuracy on the held-out rows per epoch, by weight, averaged over the members.
    best_validation_score_ : float or None
        Highest of these. The weights kept are those of the lowest loss, though.
    t_ : int
        Training rows that the steps of one network have seen, epochs times rows; 0
        with "lbfgs".
    n_layers_, n_outputs_ : int
        Layers of a network, input and output included, and its outputs: 1.
    out_activation_ : str
        "logistic".
    encoding_ : dict of str to ndarray or None
        The inputs that the columns become: fields of
        ``torch_binary_classifier.inference.encoding.Encoding``.
    logit_shift_ : float
        What is added to the networks' logits, in nats; only with ``prior_correction``.
    temperature_ : float
        What logits, without ``logit_shift_``, are divided by; only with ``calibrate``.
        It is 1 where a class has too few rows for any to be held out.
    oof_decision_function_ : ndarray of shape (n_rows,)
        Logit of every training row by the networks that held it out, corrected and
        tempered like any other, nan for rows of weight 0; only with ``n_members > 1``
        and ``early_stopping``.
    fit_report_ : list of dict
        What is to be said of the last ``fit``: ``what`` ("still_falling",
        "diverging", "plateau", "constant", "worse_than_prior", "dead_units", "gap" or
        "interrupted"), a ``message`` with the next step, and the ``figures``. Empty
        where all is well. All but "gap" are warned of where there is no doubt.
    medians_ : ndarray of shape (n_features_in_,)
        What stands for a gap of each column; 0 for a column of gaps only.
    input_scale_ : dict of str to ndarray
        The ``mean`` and ``deviation`` of each column in training, of ``n_rows``, and
        the values ``low`` and ``high`` beyond which one to score is far from them.

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

    Scores are :math:`s + (z - s) / T`, with s the ``logit_shift_``, T the
    ``temperature_`` and z the logit of the mean probability of the networks, each
    shifted by s. So s, the odds of 1 before the prior is corrected, is what no
    temperature moves.

    The temperature of several networks is found on rows each of which one network has
    held out. Their mean is less sure of itself than one of them, so that it may come
    out a little too high.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers", 2015,
       section 2.2.
    .. [2] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", 2010.
    .. [3] Y. Gorishniy, I. Rubachev, A. Babenko, "On Embeddings for Numerical Features
       in Tabular Deep Learning", NeurIPS 2022, section 3.2.
    .. [4] D. Holzmueller, L. Grinsztajn, I. Steinwart, "Better by Default", NeurIPS
       2024, section 3.
    .. [5] C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001,
       theorem 2.
    .. [6] G. King, L. Zeng, "Logistic Regression in Rare Events Data", Political
       Analysis 9, 2001, section 4.1.
    .. [7] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017, section 4.2.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = make_classification(random_state=0)
    >>> model = TorchBinaryClassifier(random_state=0)
    >>> model = make_pipeline(StandardScaler(), model).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 2)
    """

    # What is annotated here is fitted state, which a fit that starts anew forgets.
    classes_: Any
    kinds_: list[dict[str, Any]]
    member_weights_: Any
    coefs_: list[Any]
    intercepts_: list[Any]
    activation_: str
    n_iter_: int
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    best_loss_: float
    validation_scores_: list[float] | None
    t_: int
    oof_decision_function_: Any
    logit_shift_: float
    temperature_: float
    input_mean_: Any
    input_deviation_: Any
    encoding_: dict[str, Any] | None
    fit_report_: list[dict[str, Any]]
    medians_: Any
    input_scale_: dict[str, Any]
    _scale_told: bool
    _solver: str
    _encoding_name: str | None
    _standardisation: Any
    _member_seeds: list[int]
    _training_state: list[dict[str, Any]]
    _held_out: HeldOut

    def __init__(
        self,
        hidden_layer_sizes: Any = "auto",
        activation: str = "auto",
        *,
        solver: str = "adam",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float | str = "auto",
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float | str = "auto",
        max_fun: int = 15000,
        dropout: float | str = "auto",
        weight_decay: float = 0.01,
        input_norm: str | None = None,
        encoding: str | None = "auto",
        n_bins: int | str = "auto",
        input_factors: bool | str = "auto",
        weight_average: float | str = "auto",
        class_weight: Any = None,
        prior_correction: bool = False,
        calibrate: bool = False,
        n_members: int | str = "auto",
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
        self.encoding = encoding
        self.n_bins = n_bins
        self.input_factors = input_factors
        self.weight_average = weight_average
        self.class_weight = class_weight
        self.prior_correction = prior_correction
        self.calibrate = calibrate
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
        tags.input_tags.allow_nan = self.input_norm is None
        return tags

    def __sklearn_clone__(self) -> Any:
        """Return a clone that knows its siblings: a search tells a thing once."""
        return kinship.adopt(self, super().__sklearn_clone__())

    def __getstate__(self) -> dict[str, Any]:
        """Return what is saved and sent to other processes."""
        return kinship.plain_state(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read a saved model; the first of them had fewer parameters and attributes."""
        state = {"prior_correction": False, "calibrate": False} | state
        if "coefs_" in state:
            state = {"_solver": state["solver"]} | state
        super().__setstate__(state)

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
            Standardised features; a DataFrame's column names are remembered. nan is a
            gap, but refused with ``input_norm``.
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
            If a parameter or the data is unfit, or if a weight or a loss becomes
            non-finite: there is no roll-back, and the estimator stays as it was.
        """
        parameters.check(self)
        going_on = self.warm_start and hasattr(self, "classes_")
        fitted = self._copy(going_on=going_on)
        given = checked_rows(fitted, X, y, sample_weight, reset=not going_on)
        data = training_data(fitted, given, two_classes(given[1], None))
        if self.early_stopping and X_val is None:
            data = data.canonical()
        if going_on:
            check_classes(self, data.classes)
        watched = watched_rows(fitted, data, X_val, y_val, sample_weight_val)
        plan = plan_of(
            fitted,
            data.rows.targets,
            max_iter=self.max_iter,
            watched=watched is not None,
            going_on=going_on,
        )
        probe = None if going_on else _probe
        told = report_scale(fitted, data.rows, plan, watched, probe)
        gaps = gaps_to_go_by(fitted, data.gaps)
        report_gaps(fitted, gaps, data.rows, watched)
        audience = Audience(self, X, y, sample_weight) if has_callbacks(self) else None
        course = fitted._train(data, watched, plan, audience, going_on=going_on)
        ended = fitted._look_back(course, data, watched, plan)
        warn_of_ending(self, ended, fitted.fit_report_)
        if not told:
            warn_of_findings(ended, fitted.fit_report_)
        # All at once, or nothing if an error came before.
        self.__dict__ = fitted.__dict__
        return self

    @available_if(parameters.learns_in_steps)  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> TorchBinaryClassifier:
        """Train for one epoch on the given rows, from where the last call ended.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Features, without gaps.
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
        parameters.check(self)
        going_on = hasattr(self, "classes_")
        parameters.check_for_stream(self)
        known = classes_of_stream(self, classes)
        fitted = self._copy(going_on=going_on)
        given = checked_rows(fitted, X, y, sample_weight, reset=not going_on)
        two_classes(given[1], known)
        data = training_data(fitted, given, known, stream=True)
        plan = plan_of(
            fitted, data.rows.targets, max_iter=1, stream=True, going_on=going_on
        )
        report_stream(fitted, data.rows, plan, going_on=going_on)
        fitted._train(data, None, plan, None, going_on=going_on)
        fitted.__dict__.pop("fit_report_", None)  # it was of the fit before
        # All at once, or nothing if an error came before.
        self.__dict__ = fitted.__dict__
        return self

    def _copy(self, *, going_on: bool) -> TorchBinaryClassifier:
        """Return a copy to fit; what another fit has left stays only for going on."""
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        if not going_on:
            for name in TorchBinaryClassifier.__annotations__:
                copied.__dict__.pop(name, None)
        return copied

    def _train(
        self,
        data: TrainingData,
        watched: WeightedRows | None,
        plan: Plan,
        audience: Audience | None,
        *,
        going_on: bool,
    ) -> Course:
        """Hand each kind's problem to who trains; keep what comes back."""
        from torch_binary_classifier.training.trainer import thread_trainer

        problems = problems_of(self, data, watched, plan, going_on=going_on)
        # Here a batched search takes over: its trainer has the fit wait and trains it
        # together with others. A run that goes on has no company, nor has one with
        # callbacks, which could end it.
        trainer = None if going_on or audience is not None else thread_trainer()
        others = self._watchers() if trainer is None else []
        if audience is None and not others:
            return keep(self, data, problems, _trained(problems, trainer))
        with fit_task(audience) as task:
            found = self._train_watched(data, problems, task, others, going_on=going_on)
            course = keep(self, data, problems, found)
            if task is not None:
                task.close(dict(vars(self)))
        return course

    def _look_back(
        self,
        course: Course,
        data: TrainingData,
        watched: WeightedRows | None,
        plan: Plan,
    ) -> Ended:
        """Keep what is to be said of the training, and not what it needed."""
        if not self.warm_start:
            forget_training(self)
        has_watched = plan.early_stopping or watched is not None
        n_rows = len(data.rows.targets if watched is None else watched.targets)
        if plan.early_stopping and plan.n_members == 1:
            n_rows = round(self.validation_fraction * n_rows)
        ended = Ended(course, has_watched, plan.largest_rate, n_rows)
        self.fit_report_ = report_of(self, data.rows.features, ended)
        return ended

    def _train_watched(
        self,
        data: TrainingData,
        problems: Sequence[Problem],
        task: FitTask | None,
        others: Sequence[Watcher],
        *,
        going_on: bool,
    ) -> list[FittedMembers]:
        """Train all kinds side by side; tell of every epoch."""
        from torch_binary_classifier.training.fitting import train_watched

        def state_of(found: Sequence[FittedMembers]) -> dict[str, Any]:
            copied = self._copy(going_on=going_on)
            keep(copied, data, problems, found)
            return copied.__dict__

        found = train_watched(problems, Watchers(task, others, state_of))
        for one in others:
            if isinstance(one, EpochLines):
                one.finish()
        return found

    def _watchers(self) -> list[Watcher]:
        """Return who is told of epochs, beside callbacks."""
        watcher = present_watcher()
        others: list[Watcher] = [] if watcher is None else [watcher]
        return [EpochLines(), *others] if self.verbose == 1 else others


def _probe(problem: Problem) -> list[list[float]]:
    """Return the losses of trainings that find out something and are forgotten."""
    from torch_binary_classifier.training.probing import held_out_losses

    return held_out_losses(problem)


def _trained(
    problems: Sequence[Problem], trainer: Trainer | None
) -> list[FittedMembers]:
    """Train the kinds one after the other, until the user has had enough."""
    from torch_binary_classifier.training.fitting import train_members

    found = []
    for problem in problems:
        found.append(train_members(problem, trainer))
        if found[-1].course.interrupted:
            break
    return found
