import json

import numpy as np
import pytest

from memlens.analysis import survival
from memlens.errors import AnalysisError
from memlens.testing import write_recording
from memlens.testing.dynamics import planted_lifetimes

from .chance import SEEDS, assert_rate


@pytest.fixture(scope="module")
def planted():
    return planted_lifetimes(None)


def test_planted_rates_are_found(planted) -> None:
    truth = json.loads(planted.attrs["truth"])
    found = survival(planted)
    rows = found["factor"].values == "level"
    own = found.isel(group=rows)
    for rate, half, group in zip(truth["rate"], truth["half_life"], range(2), strict=True):
        curve = own.isel(group=group)
        age = np.arange(1, 8)
        true = (1 - rate) ** age
        assert ((curve["low"][age] <= true + 0.03) & (true - 0.03 <= curve["high"][age])).all()
        assert float(curve["half_life_low"]) <= half <= float(curve["half_life_high"])
    assert float(found["p_adjusted"].sel(tested="level")) < 1e-4
    assert float(found["p_adjusted"].sel(tested="modality")) > 0.01


@SEEDS
def test_nothing_planted_is_found_at_the_stated_rate(seeds: int) -> None:
    results = [survival(planted_lifetimes(None, rate=(0.2, 0.2), new_entries=5, seed=seed)) for seed in range(seeds)]
    for factor in ("level", "modality", "fact"):
        assert_rate([float(found["p"].sel(tested=factor)) for found in results])


@SEEDS
def test_a_full_store_that_drops_at_random_is_no_difference(seeds: int) -> None:
    """Entries compete for places, so that their deaths depend on each other; groups are still alike."""
    p = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        segment, died = np.repeat(np.arange(40), 5), np.full(200, -1)
        for t in range(40):
            held = np.flatnonzero((segment <= t) & (died < 0))
            died[random.permutation(held)[: max(held.size - 20, 0)]] = t
        columns = {"segment": segment, "died": died, "entry": np.arange(200), "modality": random.integers(0, 4, 200)}
        p.append(float(survival(write_recording(None, entries=columns, capacities=(25,)), by=["modality"])["p"][0]))
    assert_rate(p)


def test_too_few_and_unknown(planted) -> None:
    with pytest.raises(AnalysisError, match="expected 20 or more; record a longer stream"):
        survival(write_recording(None, entries={"segment": [0, 0], "entry": [0, 1]}, n_segment=3))
    with pytest.raises(AnalysisError, match="modality"):
        survival(planted, by=["modalty"])


def test_one_group_is_not_tested() -> None:
    found = survival(planted_lifetimes(None, rate=(0.2,)))
    assert np.isnan(found["p"].sel(tested="level"))
    assert float(found["p_adjusted"].sel(tested="fact")) <= 2 * float(found["p"].sel(tested="fact"))
