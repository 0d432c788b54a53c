"""The shipped model answers from its store: what the analyses of causes say of a short run of it."""

from pathlib import Path

import pytest

from memlens.causes import effects, mediation
from memlens.model import load_model
from memlens.recording import RecordOptions, record
from memlens.streams import builtin_stream

NANO = Path(__file__).parents[2] / "trained_models" / "nano"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    model = load_model(NANO)
    return record(
        model,
        builtin_stream("builtin", n_token=14_000, seed=3),
        tmp_path_factory.mktemp("nano") / "run",
        RecordOptions(states_every=1),
    ), model


def test_entries_matter_and_what_was_not_read_does_not(ran):
    found = effects(*ran, what="entry", questions=10).sel(cause="read most of level 0")
    assert float(found["low"]) > 0.3 and abs(float(found["null_mean"])) < 0.05


def test_facts_go_through_the_store(ran):
    found = mediation(*ran, questions=10, within=6)
    assert float(found["total_low"]) > 0.3
    assert float(found["share"].sel(path="store")) > 0.8
