"""What the displays draw, read from the artists; and what they refuse to draw."""

import os
import subprocess
import sys
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from matplotlib import style
from matplotlib.figure import Figure
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from builders import pipe
from torch_binary_classifier import (
    InputScaleDisplay,
    LossCurveDisplay,
    SearchDisplay,
)
from torch_binary_classifier.interface.fitted import mean_curve
from torch_binary_classifier.pictures.candidates import Candidates, candidates_of
from torch_binary_classifier.pictures.drawing import label_of
from torch_binary_classifier.pictures.steps import before_last, last_of

mpl.use("Agg")


@pytest.fixture
def ax():
    """Return axes of a figure that pyplot does not know, hence need not close."""
    return Figure(figsize=(4, 3), layout="constrained").add_subplot()


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(80, 3))
    return X, (X[:, 0] + generator.normal(size=80) > 0).astype(int)


@pytest.fixture(scope="module")
def fitted(table):
    return pipe(early_stopping=True, max_iter=6).fit(*table)


@pytest.fixture(scope="module")
def grid_search(table):
    grid = {"C": [0.01, 1.0, 100.0], "tol": [0.1, 0.001]}
    search = GridSearchCV(LogisticRegression(), grid, scoring="neg_log_loss", cv=2)
    return search.fit(*table)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def texts_of(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def crowded(figure):
    """Return pairs of level texts of a figure that overlap, and those beyond it."""
    figure.draw_without_rendering()
    (ax,) = figure.axes
    ticks = [
        tick.label1
        for axis in (ax.xaxis, ax.yaxis)
        for tick in axis.get_major_ticks()
        if min(axis.get_view_interval())
        <= tick.get_loc()
        <= max(axis.get_view_interval())
    ]
    texts = [
        *ticks,
        *ax.texts,
        ax.xaxis.label,
        ax.yaxis.label,
        ax.title,
    ]
    boxes = {
        text.get_text(): text.get_window_extent()
        for text in texts
        if text.get_text() and text.get_rotation() in (0, 90)
    }
    edge = figure.bbox
    pairs = [(a, b) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    return pairs + [
        name
        for name, box in boxes.items()
        if box.x0 < -1 or box.y0 < -1 or box.x1 > edge.x1 + 1 or box.y1 > edge.y1 + 1
    ]


def test_losses_are_drawn_with_the_best_epoch_and_the_last(fitted, ax):
    display = LossCurveDisplay.from_estimator(fitted, ax=ax, name="a network")
    clf = fitted[-1]
    train, validation = display.lines_
    np.testing.assert_array_equal(train.get_xdata(), range(1, 7))
    assert train.get_ydata().tolist() == clf.loss_curve_
    assert validation.get_ydata().tolist() == clf.validation_loss_curve_
    best = int(np.argmin(clf.validation_loss_curve_))
    dot, stop = ax.lines[-2:]
    assert dot.get_xdata() == best + 1 == display.best_epoch
    assert dot.get_ydata() == clf.validation_loss_curve_[best]
    assert stop.get_xdata() == [6, 6]
    assert labels(ax) == [
        "training",
        "validation",
        f"lowest in epoch {best + 1}",
        "stopped after 6",
    ]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Epoch", "Log-loss (nats)")
    assert ax.get_title() == "a network"
    assert (display.ax_, display.figure_) == (ax, ax.figure)


def test_without_validation_the_training_loss_is_watched(ax):
    display = LossCurveDisplay(loss_curves=[[0.5, 0.2, 0.3]]).plot(ax)
    assert (display.best_epoch, display.n_epochs) == (2, 3)
    assert labels(ax) == ["training", "lowest in epoch 2", "stopped after 3"]


def test_losses_are_found_inside_searches_and_thresholds(table, fitted, ax):
    search = GridSearchCV(pipe(max_iter=2), {"clf__alpha": [1.0]}, cv=2).fit(*table)
    for model in (search, FixedThresholdClassifier(search, threshold=0.4).fit(*table)):
        curve = LossCurveDisplay.from_estimator(model, ax=ax).lines_[0].get_ydata()
        assert curve.tolist() == search.best_estimator_[-1].loss_curve_
    assert curve.tolist() != fitted[-1].loss_curve_


def test_the_pattern_of_an_ensemble_is_not_what_predicts(table):
    forest = RandomForestClassifier(2, random_state=0).fit(*table)
    bagging = BaggingClassifier(pipe(), n_estimators=2).fit(*table)
    for model in (forest, bagging):
        assert last_of(model) is model
        assert before_last(model) == []


def test_folds_are_thin_and_their_mean_is_strong(table, ax):
    results = cross_validate(pipe(), *table, cv=3, return_estimator=True)
    display = LossCurveDisplay.from_cv_results(results, ax=ax, line_kw={"color": "k"})
    curves = [one[-1].loss_curve_ for one in results["estimator"]]
    assert [one.get_ydata().tolist() for one in display.member_lines_] == curves
    (mean,) = display.lines_
    assert mean.get_ydata().tolist() == mean_curve(curves)
    assert mean.get_color() == "k"
    assert mean.get_linewidth() > display.member_lines_[0].get_linewidth()
    assert labels(ax)[0] == "training, mean of 3"


def test_an_estimator_without_losses_is_refused(table):
    clf = LogisticRegression().fit(*table)
    with pytest.raises(
        ValueError,
        match=r"^estimator must end in a fitted classifier with a loss_curve_, got "
        r"LogisticRegression without one\.$",
    ):
        LossCurveDisplay.from_estimator(clf)
    with pytest.raises(
        ValueError, match=r"^cv_results must end in a fitted classifier"
    ):
        LossCurveDisplay.from_cv_results({"estimator": [clf]})


def test_results_without_estimators_are_refused():
    with pytest.raises(
        ValueError,
        match=r"^cv_results must hold 'estimator', got \['fit_time'\]\. Call "
        r"cross_validate with return_estimator=True\.$",
    ):
        LossCurveDisplay.from_cv_results({"fit_time": [1.0]})


def test_the_worst_columns_come_first_with_their_names(rng, ax):
    X = rng.normal(size=(50, 4)) * [1, 10_000, 1, 20]
    frame = pd.DataFrame(X, columns=["a", "$big$", "b", "more"])
    display = InputScaleDisplay.from_data(frame, ax=ax)
    assert [frame.columns[n] for n in display.worst[:2]] == ["$big$", "more"]
    assert texts_of(ax.yaxis)[:2] == [r"\$big\$", "more"]
    assert set(display.lines_) == {"fine", "too large"}
    points = display.lines_["too large"].lines[0]
    np.testing.assert_allclose(points.get_xdata(), X[:, 1].mean())
    assert points.get_ydata().tolist() == [0]
    (bar,) = display.lines_["too large"].lines[2]
    ends = bar.get_segments()[0][:, 0]
    np.testing.assert_allclose(np.diff(ends), 2 * X[:, 1].std())
    assert {"too large (1)", "fine (3)"} <= set(labels(ax))


def test_columns_that_all_vary_too_little_are_told(rng, ax):
    display = InputScaleDisplay.from_data(rng.normal(size=(50, 2)) * 0.01, ax=ax)
    assert set(display.lines_) == {"too small"}
    assert "too small (2)" in labels(ax)


@pytest.mark.parametrize(("size", "limit"), [(1, 3000), (100, 50)])
def test_the_limit_is_the_one_that_holds_for_all_columns(rng, ax, size, limit):
    InputScaleDisplay.from_data(rng.normal(size=(50, 3)) * size, ax=ax)
    assert f"limit ±{limit}" in labels(ax)
    edges = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"}
    assert edges == {-limit, limit}


def test_standardised_columns_are_fine(fitted, table, ax):
    display = InputScaleDisplay.from_estimator(fitted, table[0] * 1000, ax=ax)
    assert set(display.lines_) == {"too large"}  # of other rows than the scaler's
    display = InputScaleDisplay.from_estimator(fitted, table[0])
    mpl.pyplot.close(display.figure_)
    assert set(display.lines_) == {"fine"}
    assert display.feature_names == ["x0", "x1", "x2"]


def test_names_are_those_of_the_last_step(ax):
    table = pd.DataFrame({"age": np.arange(20.0), "city": ["Oslo", "Rome"] * 10})
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["city"])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, [0, 1] * 10)
    display = InputScaleDisplay.from_estimator(model, table, ax=ax)
    assert display.feature_names == ["n__age", "c__city_Oslo", "c__city_Rome"]


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, np.asarray, list])
def test_tables_of_many_kinds_are_measured_alike(table, ax, kind):
    display = InputScaleDisplay.from_data(kind(table[0]), ax=ax)
    np.testing.assert_allclose(display.scale.mean, table[0].mean(axis=0))


@pytest.mark.parametrize("cell", [1e308, -1e308, np.nan])
def test_any_numbers_can_be_drawn(rng, ax, cell):
    X = rng.normal(size=(40, 20))
    X[:30, 0] = cell
    display = InputScaleDisplay.from_data(X, ax=ax)
    ax.figure.draw_without_rendering()
    assert (display.worst[0] == 0) == np.isfinite(cell)
    assert ax.get_xlabel() == "Mean and deviation\n(worst 12 of 20)"


@pytest.mark.parametrize("X", [[["a"], ["b"]], [[np.inf], [1.0]], [1.0, 2.0]])
def test_other_things_than_numbers_are_refused(X):
    with pytest.raises(
        ValueError,
        match=r"^X must be a table of finite numbers and gaps, got [^\n]*\.$",
    ):
        InputScaleDisplay.from_data(X)


def test_names_must_be_as_many_as_columns():
    with pytest.raises(
        ValueError,
        match=r"^feature_names must be 2 names, one per column of X, got 1\.$",
    ):
        InputScaleDisplay.from_data([[1.0, 2.0]], feature_names=["a"])


def test_a_grid_of_two_parameters_is_a_heat_map(grid_search, ax):
    display = SearchDisplay.from_search(grid_search, ax=ax)
    losses = -grid_search.cv_results_["mean_test_score"].reshape(3, 2).T[::-1]
    assert display.kind == "heat map"
    np.testing.assert_array_equal(display.image_.get_array(), losses)
    assert (texts_of(ax.xaxis), texts_of(ax.yaxis)) == (
        ["0.01", "1", "1e+02"],
        ["0.001", "0.1"],
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("C", "tol")
    assert ax.get_title() == f"lowest log loss of 6: {losses.min():.4f}"
    written = np.vectorize(lambda text: float(text.get_text()))(display.text_)
    np.testing.assert_allclose(written, losses, atol=5e-5)
    bold = [text for text in display.text_.ravel() if text.get_weight() == "bold"]
    assert [float(text.get_text()) for text in bold] == [round(losses.min(), 4)]
    lightest, darkest = (
        display.text_[losses == end] for end in (losses.max(), losses.min())
    )
    assert {text.get_color() for text in lightest} == {"0.05"}
    assert {text.get_color() for text in darkest} == {"white"}


def test_other_searches_are_parallel_coordinates(ax):
    candidates = Candidates(
        {"rate": [0.001, 0.1, 0.01], "kind": ["a", "b", None], "n": [1, 2, 3]},
        np.array([0.5, 0.9, 0.6]),
        "accuracy",
        is_loss=False,
    )
    display = SearchDisplay(candidates=candidates).plot(ax)
    assert display.kind == "parallel coordinates"
    *_, best = display.lines_
    np.testing.assert_allclose(best.get_ydata(), [1, 0.5, 0.5, 1])
    np.testing.assert_allclose(display.lines_[0].get_ydata(), [0, 0, 0, 0])
    np.testing.assert_allclose(display.lines_[1].get_ydata(), [0.5, 1, 1, 0.25])
    assert texts_of(ax.xaxis) == ["rate", "kind", "n", "accuracy"]
    assert best.get_linewidth() > display.lines_[0].get_linewidth()
    assert ax.get_title() == "highest accuracy of 3: 0.9000"
    written = {text.get_text() for text in ax.texts}
    assert {"0.001", "0.1", "a", "b", "None", "1", "3", "0.5000", "0.9000"} <= written


def test_the_lowest_loss_is_on_top(ax):
    candidates = Candidates({"n": [1, 2, 3]}, np.array([0.2, 0.4, 0.6]), "loss", True)
    lines = SearchDisplay(candidates=candidates).plot(ax).lines_
    ends = [line.get_ydata()[-1] for line in lines]
    np.testing.assert_allclose(ends, [0, 0.5, 1])
    assert lines[-1].get_ydata()[0] == 0


def test_candidates_that_failed_have_no_line(ax):
    candidates = Candidates({"n": [1, 2]}, np.array([np.nan, 0.2]), "loss", True)
    (line,) = SearchDisplay(candidates=candidates).plot(ax).lines_
    np.testing.assert_array_equal(line.get_ydata(), [1, 1])
    values = {"n": [1, 1, 2, 2], "m": [1, 2, 1, 2]}
    scores = np.array([np.nan, 0.2, 0.3, 0.4])
    map_ax = Figure().add_subplot()
    display = SearchDisplay(candidates=Candidates(values, scores, "loss", True))
    assert display.plot(map_ax).text_[0, 0].get_text() == "failed"


def test_a_halving_search_has_each_candidate_once(table):
    search = HalvingGridSearchCV(
        LogisticRegression(), {"C": [0.01, 0.1, 1.0]}, cv=2, min_resources=20
    ).fit(*table)
    assert len(search.cv_results_["params"]) > 3
    found = candidates_of(search)
    last = {p["C"]: n for n, p in enumerate(search.cv_results_["params"])}
    scores = search.cv_results_["mean_test_score"]
    expected = [scores[last[one]] for one in found.values["C"]]
    assert found.scores.tolist() == expected


def test_of_several_scores_the_one_of_the_refit_is_drawn(table):
    search = GridSearchCV(
        LogisticRegression(),
        {"C": [0.1, 1.0]},
        scoring=["accuracy", "neg_log_loss"],
        refit="neg_log_loss",
        cv=2,
    ).fit(*table)
    found = candidates_of(search)
    assert (found.score_name, found.is_loss) == ("log loss", True)
    assert (found.scores == -search.cv_results_["mean_test_neg_log_loss"]).all()
    search.refit = False
    with pytest.raises(
        ValueError,
        match=r"^search must have one score, or its name as refit, got "
        r"\['mean_test_accuracy', 'mean_test_neg_log_loss'\]\.$",
    ):
        SearchDisplay.from_search(search)


def test_what_is_no_search_of_anything_is_refused(table):
    with pytest.raises(
        ValueError, match=r"^search must be a fitted search, got LogisticRegression\.$"
    ):
        SearchDisplay.from_search(LogisticRegression())
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(*table)
    with pytest.raises(
        ValueError,
        match=r"^search must have tried two values of a parameter, got 1 candidates "
        r"that differ in \[\], 0 of them without a score\.$",
    ):
        SearchDisplay.from_search(search)


def many_candidates():
    generator = np.random.default_rng(0)
    values = {
        "clf__alpha": (10.0 ** generator.uniform(-4, 1, 30)).tolist(),
        "clf__hidden_layer_sizes": [(8,), (16, 8), (100,)] * 10,
        "clf__activation": ["relu", "tanh"] * 15,
        "clf__dropout": [0.0, 0.1, 0.2, 0.3, 0.4] * 6,
        "clf__learning_rate_init": (10.0 ** generator.uniform(-4, 0, 30)).tolist(),
    }
    return Candidates(values, generator.uniform(0.1, 1, 30), "log loss", is_loss=True)


PICTURES = {
    "losses": lambda ax: LossCurveDisplay(
        loss_curves=[[0.9 / n for n in range(1, 75)]],
        validation_loss_curves=[[0.5 / n + n / 1000 for n in range(1, 75)]],
    ).plot(ax),
    "scale": lambda ax: InputScaleDisplay.from_data(
        np.random.default_rng(0).normal(size=(50, 30)) * np.geomspace(1e-5, 1e7, 30),
        feature_names=[f"a column of a long name {n}" for n in range(30)],
        ax=ax,
    ),
    "unit scale": lambda ax: InputScaleDisplay.from_data(
        np.random.default_rng(0).normal(size=(50, 5)), ax=ax
    ),
    "map": lambda ax: SearchDisplay(
        candidates=Candidates(
            {"alpha": [*range(8)] * 4, "rate": np.repeat([0.1, 1, 2, 3], 8).tolist()},
            np.linspace(0, 1, 32),
            "accuracy",
            is_loss=False,
        )
    ).plot(ax),
    "lines": lambda ax: SearchDisplay(candidates=many_candidates()).plot(ax),
}


@pytest.mark.parametrize("width", [4, 12])
@pytest.mark.parametrize("name", PICTURES)
def test_no_text_overlaps_another_in_narrow_and_wide_pictures(name, width):
    figure = Figure(figsize=(width, 3), layout="constrained", dpi=100)
    PICTURES[name](figure.add_subplot())
    assert crowded(figure) == []


def test_overlapping_texts_are_found():
    figure = Figure(figsize=(4, 3), layout="constrained")
    ax = figure.add_subplot()
    ax.set_xticks([0, 0.01, 1], ["first", "second", "third"])
    assert crowded(figure) == [("first", "second")]


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_take_the_colours_of_the_style(name):
    with style.context("dark_background"):
        figure = Figure(layout="constrained")
        ax = figure.add_subplot()
        PICTURES[name](ax)
    assert ax.get_facecolor() == (0, 0, 0, 1)
    assert all(line.get_color() not in ("k", "black", "#000000") for line in ax.lines)
    outside = [ax.xaxis.label, ax.title, *ax.get_xticklabels()]
    assert {text.get_color() for text in outside} == {"white"}


def test_names_are_shown_as_they_are():
    assert label_of("a\nb $x$") == r"a\nb \$x\$"
    assert label_of("x" * 30) == "x" * 23 + "…"


def test_without_matplotlib_the_advice_is_to_install_it(fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ImportError,
        match=r"^LossCurveDisplay must have matplotlib, got none\. Run "
        r"`pip install matplotlib`\.$",
    ):
        LossCurveDisplay.from_estimator(fitted)


def test_matplotlib_is_imported_when_something_is_drawn():
    source = (
        "import sys; from torch_binary_classifier import LossCurveDisplay; "
        "d = LossCurveDisplay(loss_curves=[[1.0]]); "
        "print('matplotlib' in sys.modules); d.plot(); "
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    assert done.stdout.split() == ["False", "True"]
