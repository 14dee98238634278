"""The examples in docstrings say what happens."""

import doctest
import importlib
import pkgutil

import pytest

import lior_ritz

MODULES = [each.name for each in pkgutil.walk_packages(lior_ritz.__path__, "lior_ritz.")]
FINDER = doctest.DocTestFinder(exclude_empty=True)
EXAMPLES = [each for name in MODULES for each in FINDER.find(importlib.import_module(name)) if each.examples]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example(example):
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example).failed == 0


def test_examples_are_found():
    assert any(example.name == "lior_ritz.cli.varied.axis" for example in EXAMPLES)
