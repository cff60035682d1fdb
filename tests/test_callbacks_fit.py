"""scikit-learn's callbacks are told of a fit and of each epoch, and may end it."""

import copy
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import mlp
from torch_binary_classifier import TorchBinaryClassifier, batched_fits
from torch_binary_classifier.estimator import callbacks
from torch_binary_classifier.training import in_step

sklearn_callback = pytest.importorskip("sklearn.callback")
X, Y = make_classification(n_samples=120, n_features=6, random_state=0)
X = StandardScaler().fit_transform(X)
FEW = {"max_iter": 5, "random_state": 0, "learning_rate": "cosine"}
MODELS = {
    "one": mlp(**FEW, hidden_layer_sizes=(8,)),
    "stopped early": mlp(**FEW, early_stopping=True),
    "ensemble": mlp(**FEW, n_members=3, early_stopping=True),
    "two kinds": TorchBinaryClassifier(**FEW, hidden_layer_sizes=(8,), n_members=2),
    "lbfgs": mlp(solver="lbfgs", **FEW),
    "lbfgs ensemble": mlp(solver="lbfgs", **FEW, n_members=3, early_stopping=True),
    "normed": mlp(input_norm="batch", **FEW),
    "bins": TorchBinaryClassifier(**FEW, encoding="piecewise"),
}


@pytest.fixture(autouse=True)
def _few_epochs():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "max_iter=")
        yield


class Diary:
    """Remembers what it is told; may want the end at the end of an epoch."""

    def __init__(self, last=None, error=None):
        self.last, self.error = last, error
        self.told, self.found = [], []

    def setup(self, estimator, context):  # noqa: ARG002
        self.told.append(("setup", context.max_subtasks))

    def teardown(self, estimator, context):  # noqa: ARG002
        self.told.append(("teardown", None))

    def on_fit_task_begin(self, estimator, context, *, X=None):  # noqa: ARG002
        self.told.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):  # noqa: ARG002
        self.told.append(("end", context.task_name))
        self.found.append(fitted_estimator)
        if self.error is not None:
            raise self.error
        return context.task_name == f"epoch {self.last}"


class Silent(Diary):
    """Asks for no fitted estimator."""

    def on_fit_task_end(self, estimator, context):  # noqa: ARG002
        self.told.append(("end", context.task_name))


def fitted(name, *given, **parameters):
    model = copy.deepcopy(MODELS[name]).set_params(**parameters)
    if given:
        model.set_callbacks(*given)
    return model.fit(X, Y)


@pytest.mark.parametrize("name", MODELS)
def test_who_is_watched_trains_the_same_networks(name):
    plain, watched = fitted(name), fitted(name, Silent())
    np.testing.assert_array_equal(plain.predict_proba(X), watched.predict_proba(X))
    assert watched.loss_curve_ == plain.loss_curve_
    assert watched.validation_loss_curve_ == plain.validation_loss_curve_
    names = set(vars(watched)) - {"_skl_callbacks"}
    assert names == set(vars(plain))


@pytest.mark.parametrize("name", MODELS)
def test_each_epoch_is_told_once_and_the_end_is_obeyed(name):
    diary = Diary(last=2)
    model = fitted(name, diary)
    epochs = [
        (what, f"epoch {number}") for number in range(3) for what in ("begin", "end")
    ]
    begun = [("setup", 5), ("begin", "fit")]
    assert diary.told == [*begun, *epochs, ("end", "fit"), ("teardown", None)]
    assert (model.n_iter_, len(model.loss_curve_)) == (3, 3)
    np.testing.assert_array_equal(
        diary.found[-1].predict_proba(X), model.predict_proba(X)
    )


@pytest.mark.parametrize("name", [name for name in MODELS if name != "lbfgs ensemble"])
def test_the_estimator_of_an_epoch_is_a_fit_that_ends_there(name):
    steady = {"learning_rate": "constant"}
    diary = Diary()
    fitted(name, diary, **steady)
    for n_epochs in (1, 3):
        found = diary.found[n_epochs - 1]
        short = fitted(name, **steady, max_iter=n_epochs)
        np.testing.assert_array_equal(found.predict_proba(X), short.predict_proba(X))
        assert found.loss_curve_ == short.loss_curve_
    scores = [one.predict_proba(X)[:, 1] for one in diary.found[:3]]
    assert not np.array_equal(scores[0], scores[2])  # they are copies


def test_nothing_is_copied_for_who_does_not_ask(monkeypatch):
    asked = []
    monkeypatch.setattr(
        in_step.StepRunner, "so_far", counted(in_step.StepRunner.so_far, asked)
    )
    fitted("one", Silent())
    assert len(asked) == 1  # at the end
    fitted("one", Diary())
    assert len(asked) == 1 + 5 + 1


def counted(function, calls):
    def wrapper(*given):
        calls.append(1)
        return function(*given)

    return wrapper


def test_nobody_watches_by_default(monkeypatch):
    monkeypatch.setattr(callbacks, "FitTask", pytest.fail)
    monkeypatch.setattr(in_step, "train_in_step", pytest.fail)
    fitted("one")


def test_a_fit_of_another_shape_leaves_no_trace_of_the_one_before():
    diary = Diary()
    model = fitted("two kinds", diary).set_params(encoding="piecewise")
    model.fit(X, Y)
    assert "kinds_" not in vars(diary.found[-1])
    np.testing.assert_array_equal(
        diary.found[-1].predict_proba(X), model.predict_proba(X)
    )


def test_a_fit_that_goes_on_is_watched_too():
    diary = Silent()
    model = fitted("one", diary, warm_start=True)
    model.fit(X, Y)
    assert diary.told.count(("end", "fit")) == 2
    assert len(model.loss_curve_) == 10


@pytest.mark.parametrize("name", ["one", "lbfgs"])
def test_an_error_of_a_callback_leaves_the_estimator_as_it_was(name):
    diary = Diary(error=RuntimeError("no more"))
    model = copy.deepcopy(MODELS[name]).set_callbacks(diary)
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(X, Y)
    assert vars(model) == before
    assert diary.told[-1] == ("teardown", None)


def test_a_training_that_diverges_ends_the_task():
    diary = Silent()
    with pytest.raises(ValueError, match=r"^Training diverged"):
        fitted("one", diary, solver="sgd", alpha=1e30, max_iter=60)
    assert diary.told[-1] == ("teardown", None)


def monitor():
    return sklearn_callback.ScoringMonitor(scoring="neg_log_loss")


def test_scoring_monitor_in_a_pipeline():
    watcher = monitor()
    model = copy.deepcopy(MODELS["ensemble"]).set_callbacks(watcher)
    pipe = make_pipeline(StandardScaler(), model).fit(
        X, Y, torchbinaryclassifier__sample_weight=np.ones(len(Y))
    )
    rows = watcher.get_logs().data
    assert len(rows) == 6
    assert rows[-1]["neg_log_loss"] > rows[1]["neg_log_loss"]
    assert pipe[-1].n_iter_ == 5


GRID = {"torchbinaryclassifier__alpha": [1e-4, 1e-2]}


@pytest.mark.parametrize(("kept", "n_jobs"), [("alone", 1), ("batched", 1), ("", 2)])
def test_scoring_monitor_in_a_search(kept, n_jobs):
    watcher = monitor()
    model = copy.deepcopy(MODELS["one"]).set_callbacks(watcher)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model), GRID, cv=2, n_jobs=n_jobs
    )
    if kept == "batched":
        with batched_fits():
            search.fit(X, Y)
    else:
        search.fit(X, Y)
    plain = GridSearchCV(
        make_pipeline(StandardScaler(), copy.deepcopy(MODELS["one"])), GRID, cv=2
    ).fit(X, Y)
    assert len(watcher.get_logs().data) == 5 * 6
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


def test_progress_bar_of_a_search_counts_epochs(capsys):
    pytest.importorskip("rich")
    bar = sklearn_callback.ProgressBar(max_propagation_depth=None)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), copy.deepcopy(MODELS["one"])), GRID, cv=2
    )
    search.set_callbacks(bar).fit(X, Y)
    assert "TorchBinaryClassifier" in capsys.readouterr()[0]


def test_what_is_no_callback_is_refused():
    with pytest.raises(TypeError, match="FitCallback protocol"):
        mlp().set_callbacks(7)


def test_older_releases_have_no_such_method(monkeypatch):
    monkeypatch.setattr(callbacks, "ARE_KNOWN", False)
    assert not hasattr(mlp(), "set_callbacks")
    fitted("one")


def test_the_package_does_not_import_them():
    source = (
        "import sys; from sklearn.base import BaseEstimator\n"
        "from torch_binary_classifier.estimator import callbacks\n"
        "assert callbacks.ARE_KNOWN\n"
        "print('sklearn.callback' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
