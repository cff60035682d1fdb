"""What the package offers, how it is documented, and what importing it costs."""

import ast
import inspect
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec

import pytest
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

import torch_binary_classifier
from builders import MLP
from torch_binary_classifier import TorchBinaryClassifier

PUBLIC = [
    "CorruptModelError",
    "GapWarning",
    "InputScaleDisplay",
    "InputScaleMismatchWarning",
    "LearningRates",
    "LossCurveDisplay",
    "ModelFileError",
    "ModelFileWarning",
    "NewerFormatError",
    "OutputError",
    "SearchDisplay",
    "SelfTestError",
    "TableError",
    "TableSchema",
    "TableWarning",
    "TorchBinaryClassifier",
    "UnscaledInputWarning",
    "UntrustedModelError",
    "__version__",
    "batched_fits",
    "card",
    "check_table",
    "export_onnx",
    "load",
    "register_onnx_converter",
    "report",
    "save",
    "schema",
    "score_table",
    "scorer",
    "suggest_learning_rate",
]

# numpydoc's own names of what a docstring must not lack or get wrong.
CHECKS = {
    "GL03",  # no double blank lines
    "GL05",  # no tabs
    "GL06",  # unknown section
    "GL07",  # sections in the wrong order
    "GL08",  # no docstring
    "PR01",  # parameters not documented
    "PR02",  # unknown parameters documented
    "PR03",  # parameters in the wrong order
    "PR04",  # parameter without a type
    "PR07",  # parameter without a description
    "PR10",  # no space before the colon
    "RT01",  # no Returns section
    "RT03",  # return value without a description
    "SS01",  # no summary
    "SS03",  # summary without a full stop
    "SS06",  # summary longer than a line
    "YD01",  # no Yields section
}

METHODS = [
    name
    for name, method in inspect.getmembers(TorchBinaryClassifier, inspect.isfunction)
    if not name.startswith("_") and method.__module__.startswith("torch_binary")
]


def run_python(source):
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def find_faults(name):
    """Return numpydoc's complaints about a dotted name."""
    return [fault for fault in validate(name)["errors"] if fault[0] in CHECKS]


def test_all_lists_the_public_names():
    assert sorted(torch_binary_classifier.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_resolves_and_is_listed_by_dir(name):
    assert getattr(torch_binary_classifier, name) is not None
    assert name in dir(torch_binary_classifier)


def test_unknown_name_is_refused_as_modules_do():
    with pytest.raises(
        AttributeError, match="module 'torch_binary_classifier' has no attribute 'x'"
    ):
        torch_binary_classifier.x  # noqa: B018


def test_version_is_the_installed_distribution():
    assert torch_binary_classifier.__version__ == version("torch-binary-classifier")


@pytest.mark.parametrize(
    "source",
    [
        "import torch_binary_classifier",
        "import torch_binary_classifier as t; t.TorchBinaryClassifier()",
        "import torch_binary_classifier.scoring, torch_binary_classifier.persistence",
        "from torch_binary_classifier import load, save",
    ],
)
def test_import_leaves_torch_out(source):
    assert run_python(f"import sys; {source}; print('torch' in sys.modules)") == "False"


def test_fit_brings_torch_in():
    source = (
        "import sys; from torch_binary_classifier import TorchBinaryClassifier; "
        f"TorchBinaryClassifier(**{MLP}, max_iter=1, solver='sgd')"
        ".fit([[-1.0], [1.0]], [0, 1]); print('torch' in sys.modules)"
    )
    assert run_python(
        f"import warnings; warnings.simplefilter('ignore'); {source}"
    ) == ("True")


@pytest.mark.parametrize(
    "name",
    [f"torch_binary_classifier.{name}" for name in PUBLIC if not name.startswith("_")],
)
def test_public_docstring_is_valid(name):
    assert find_faults(name) == []


def test_methods_are_those_of_a_classifier():
    scores = ["predict", "predict_log_proba", "predict_proba"]
    others = ["fit", "get_params", "member_probabilities", "partial_fit"]
    callbacks = ["set_callbacks"] if find_spec("sklearn.callback") else []
    assert ["decision_function", *others, *scores, *callbacks] == METHODS


@pytest.mark.parametrize("method", METHODS)
def test_method_docstring_is_valid(method):
    assert find_faults(f"torch_binary_classifier.TorchBinaryClassifier.{method}") == []


def test_a_missing_parameter_is_a_fault(monkeypatch):
    doc = TorchBinaryClassifier.__doc__.replace("    alpha :", "    beta_alpha :")
    monkeypatch.setattr(TorchBinaryClassifier, "__doc__", doc)
    codes = {
        code for code, _ in find_faults("torch_binary_classifier.TorchBinaryClassifier")
    }
    assert {"PR01", "PR02"} <= codes


def documented_defaults():
    """Return the text behind "default=" of every constructor parameter."""
    return {
        parameter.name: match[1]
        for parameter in ClassDoc(TorchBinaryClassifier)["Parameters"]
        if (match := re.search(r"default=(.+)$", parameter.type))
    }


def test_constructor_defaults_are_as_documented():
    signature = inspect.signature(TorchBinaryClassifier)
    actual = {
        name: parameter.default for name, parameter in signature.parameters.items()
    }
    documented = documented_defaults()
    assert list(documented) == list(actual)
    assert {name: ast.literal_eval(text) for name, text in documented.items()} == actual
