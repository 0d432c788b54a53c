"""The planted recording, loaded by path: test folders are no packages."""

import importlib.util
import sys
from pathlib import Path

import pytest


def load():
    """Import tests/analysis/planted.py once, whichever test folder asks first."""
    name = "memlens_tests_planted"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "analysis" / "planted.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def plant():
    return load().plant


@pytest.fixture(scope="session")
def recording(plant):
    return plant()
