"""What a notebook says of a parameter under the pointer, and that no link is dead."""

import html
import re
from inspect import signature

import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from builders import network
from torch_binary_classifier import TorchBinaryClassifier
from torch_binary_classifier.estimator.tooltips import descriptions

TITLE = re.compile(r'<td class="param" title="([^"]*)">(?:\s*<a[^>]*>)?\s*(\w+)')

shows_parameters = pytest.mark.skipif(
    not hasattr(BaseEstimator, "_get_params_html"),
    reason="scikit-learn shows tables since 1.7",
)


def titles(shown):
    return {name: html.unescape(words) for words, name in TITLE.findall(shown)}


def test_every_parameter_is_described():
    described = descriptions(TorchBinaryClassifier, "Parameters")
    assert set(described) == set(signature(TorchBinaryClassifier).parameters)
    for name, words in described.items():
        assert words.startswith(f"{name} : ")
        assert words.endswith(".")
    assert "the loss" not in described["alpha"]
    assert descriptions(TorchBinaryClassifier, "Attributes")["n_outputs_"].startswith(
        "n_layers_, n_outputs_ : int\nLayers of a network"
    )


@shows_parameters
def test_the_tables_have_titles(tiny_data):
    model = network().fit(*tiny_data)
    found = titles(model._repr_html_())
    assert found["alpha"] == descriptions(TorchBinaryClassifier, "Parameters")["alpha"]
    assert set(signature(TorchBinaryClassifier).parameters) <= set(found)


@shows_parameters
def test_so_have_those_in_a_pipeline(tiny_data):
    model = make_pipeline(StandardScaler(), network()).fit(*tiny_data)
    assert "alpha" in titles(model._repr_html_())


def test_no_link_of_ours_leads_anywhere(tiny_data):
    model = network().fit(*tiny_data)
    assert model._get_doc_link() == ""
    assert not re.search(r"<[^>]* href=", model._repr_html_())
