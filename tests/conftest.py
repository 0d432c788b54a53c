"""Shared by all tests: tensor shapes are checked at run time, and torch takes one thread a worker."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook("memlens.model", "beartype.beartype")

import torch

torch.set_num_threads(1)

import pytest


@pytest.fixture(scope="session")
def plant():
    """Makes recordings in memory whose truth is known: see planted.py."""
    from .planted import plant

    return plant


@pytest.fixture(scope="session")
def recording(plant):
    return plant()


@pytest.fixture(scope="session")
def results(recording, tmp_path_factory):
    """The result of every analysis on a recording that it can run on, by name: computed once a session, by one of its workers."""
    from .planted import Results

    own = tmp_path_factory.getbasetemp()
    return Results(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own, recording)
