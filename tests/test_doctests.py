"""Runs the examples in the docstrings of every module."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import torch_binary_classifier

MODULES = [
    module.name
    for module in pkgutil.walk_packages(
        torch_binary_classifier.__path__, "torch_binary_classifier."
    )
    if not module.name.endswith("__main__")
]


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    found = [
        test
        for module in MODULES
        for test in finder.find(import_module(module))
        if test.examples
    ]
    assert len(found) > 40


@pytest.mark.parametrize("module", MODULES)
def test_examples_print_what_they_say(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(import_module(module)).failed == 0
