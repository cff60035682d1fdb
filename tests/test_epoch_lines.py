"""The lines of verbose=1, and those of more."""

import re

import pytest

from builders import network
from torch_binary_classifier import TorchBinaryClassifier

LINE = re.compile(r"epoch \d+ of \d+, loss \d\.\d{4}(, [a-z ]+ [\d.e-]+)*, .*")


@pytest.mark.parametrize(
    ("n_epochs", "numbers"),
    [(3, [1, 2, 3]), (10, [*range(1, 11)]), (40, [*range(4, 41, 4)])],
)
def test_a_line_per_tenth_of_the_run(n_epochs, numbers, tiny_data, capsys):
    network(max_iter=n_epochs, verbose=1, tol=0).fit(*tiny_data)
    lines = capsys.readouterr()[0].splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert [int(line.split()[1]) for line in lines] == numbers
    assert "learning rate " in lines[0]
    assert lines[-1].endswith(", at most 0 s left")


def test_the_line_of_an_ensemble_that_ends_early(tiny_data, capsys):
    model = TorchBinaryClassifier(
        verbose=True, random_state=0, max_iter=1000, hidden_layer_sizes=(8,)
    ).fit(*tiny_data)
    lines = capsys.readouterr()[0].splitlines()
    assert lines[-1].startswith(f"epoch {model.n_iter_} of 1000, loss ")
    assert lines[-1].endswith(", ended")
    assert f"validation loss {model.validation_loss_curve_[-1]:.4f}" in lines[-1]
    assert f"loss {model.loss_curve_[-1]:.4f}" in lines[-1]


def test_more_prints_every_epoch_of_every_network(tiny_data, capsys):
    network(max_iter=3, verbose=2, n_members=2).fit(*tiny_data)
    lines = capsys.readouterr()[0].splitlines()
    assert lines[0].startswith("Member 0, iteration 1, loss = ")
    assert len(lines) == 6


def test_silence_by_default(tiny_data, capsys):
    network().fit(*tiny_data)
    assert capsys.readouterr()[0] == ""
