"""What "auto" becomes, and that a value given takes its place."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator.automatic import plan_of

TABLE = Path(__file__).parents[1] / "docs" / "defaults.md"
ROWS = re.compile(r"^\| `(\w+)` \|(.*)\|$", re.MULTILINE)
STARTS = [300, 4000, 10_000, 50_000, 200_000]


def plan(n_rows=300, *, rare=None, watched=False, stream=False, **given):
    """Return the plan of a fit of so many rows, of which so many are of one class."""
    targets = np.arange(n_rows) < (n_rows // 2 if rare is None else rare)
    model = TorchBinaryClassifier(**given)
    return plan_of(
        model, targets.astype(float), max_iter=200, watched=watched, stream=stream
    )


def documented():
    """Return the cells of the table in the documentation, by parameter and kind."""
    return {
        name: [cell.strip().replace("`", "") for cell in cells.split("|")]
        for name, cells in ROWS.findall(TABLE.read_text())
    }


def written(value):
    """Return a value as the table has it."""
    return str(value)


@pytest.mark.parametrize("place", range(len(STARTS)))
def test_the_documentation_says_what_auto_becomes(place):
    cells = documented()
    assert len(cells) >= 11
    found = plan(STARTS[place])
    *_, piecewise = found.kinds
    names = [kind.encoding for kind in found.kinds]
    encoding = "mixed" if len(names) == 2 else names[0]
    own = {
        "encoding": encoding,
        "n_members": found.n_members,
        "n_bins": piecewise.n_bins,
    }
    for name, by_rows in cells.items():
        value = own.get(name, getattr(piecewise.settings, name, None))
        assert by_rows[1 + place] == written(value), name


def test_the_documentation_says_what_plain_networks_get():
    sizes = (300, 5_000, 100_000)
    plain = [plan(n_rows, encoding=None).kinds[0].settings for n_rows in sizes]
    for name, cells in documented().items():
        if name in {"encoding", "n_members", "n_bins"}:
            continue
        told = {written(getattr(one, name)) for one in plain}
        assert set(re.split(", | or ", cells[0])) == told, name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_layer_sizes", (7,)),
        ("activation", "tanh"),
        ("alpha", 0.7),
        ("batch_size", 33),
        ("learning_rate_init", 0.07),
        ("n_iter_no_change", 3),
        ("dropout", 0.3),
        ("input_factors", False),
        ("input_factors", True),
        ("weight_average", 0.5),
        ("weight_average", 0.0),
        ("dropout", 0.0),
    ],
)
def test_a_value_that_is_given_holds_for_all_kinds(name, value):
    found = plan(**{name: value})
    assert len(found.kinds) == 2
    assert {getattr(kind.settings, name) for kind in found.kinds} == {value}


def test_members_are_no_more_than_rows_of_the_rarer_class():
    assert plan(100, rare=20).n_members == 8
    assert plan(100, rare=3).n_members == 3
    assert plan(100, rare=2).n_members == 2


@pytest.mark.parametrize(
    ("rare", "n_members", "holds_out"), [(1, 8, False), (2, 2, True)]
)
def test_rows_are_held_out_where_there_are_enough(rare, n_members, holds_out):
    found = plan(30, rare=rare)
    assert (found.n_members, found.early_stopping) == (n_members, holds_out)


def test_nothing_is_held_out_beside_a_validation_set():
    assert not plan(watched=True).early_stopping
    assert plan(watched=True, rare=3).n_members == 8


def test_few_rows_have_few_bins():
    assert [plan(n).kinds[1].n_bins for n in (20, 60, 150, 1000)] == [2, 4, 10, 16]


def test_a_stream_is_one_plain_network():
    found = plan(stream=True)
    assert (found.n_members, found.early_stopping) == (1, False)
    assert [kind.encoding for kind in found.kinds] == [None]


@pytest.mark.parametrize("given", [{"input_norm": "batch"}, {"solver": "lbfgs"}])
def test_what_bins_do_not_go_with_is_plain(given):
    found = plan(**given)
    assert [kind.encoding for kind in found.kinds] == [None]
    settings = found.kinds[0].settings
    assert (settings.dropout, settings.weight_average) == (0, 0)
    assert not settings.input_factors


def test_all_kinds_have_one_precision():
    assert {kind.settings.dtype for kind in plan(60).kinds} == {"float64"}
    assert {kind.settings.dtype for kind in plan(100).kinds} == {"float32"}
    assert {kind.settings.dtype for kind in plan(100, batch_size=100).kinds} == {
        "float64"
    }


def test_batches_are_no_larger_than_the_table():
    assert [kind.settings.batch_size for kind in plan(50).kinds] == [50, 50]
