"""Intervals of studies are right on known data."""

import numpy as np
import pytest
from scipy.stats import binomtest

from analyses.common.statistics import bootstrap, by_seed, paired, share, words
from memlens.errors import AnalysisError


def test_bootstrap_of_known_data() -> None:
    rng = np.random.default_rng(1)
    one = bootstrap([rng.normal(5, 2, 400)])
    assert one["low"] < one["value"] < one["high"]
    half = 1.96 * 2 / np.sqrt(400)
    assert (one["high"] - one["low"]) / 2 == pytest.approx(half, rel=0.15)
    assert bootstrap([[3.0, 3.0], [3.0]]) == {"value": 3.0, "low": 3.0, "high": 3.0, "n": 3, "groups": 2}
    assert bootstrap([[1.0], [2.0], [9.0]], np.median)["value"] == 2.0


def test_bootstrap_covers_the_truth_when_seeds_differ() -> None:
    """Seeds that differ by more than their rows do: resampling rows alone would miss the truth most of the time."""
    rng = np.random.default_rng(2)
    hit = pooled = 0
    for _ in range(60):
        groups = [rng.normal(mean, 0.1, 50) for mean in rng.normal(0, 1, 30)]
        found = bootstrap(groups, n_draw=200)
        hit += found["low"] <= 0 <= found["high"]
        found = bootstrap([np.concatenate(groups)], n_draw=200)
        pooled += found["low"] <= 0 <= found["high"]
    assert hit >= 52
    assert pooled < 30


def test_paired_difference_cancels_what_both_share() -> None:
    rng = np.random.default_rng(3)
    shared = [rng.normal(0, 10, 100) for _ in range(4)]
    first = [s + 1 + rng.normal(0, 0.1, 100) for s in shared]
    found = paired(first, shared)
    assert found["low"] < found["value"] < found["high"]
    assert found["value"] == pytest.approx(1, abs=0.05) and found["high"] - found["low"] < 0.1
    with pytest.raises(AnalysisError, match="group 0 has 2 and 1"):
        paired([[1.0, 2.0]], [[1.0]])


def test_shares_are_wilson() -> None:
    expected = binomtest(7, 9).proportion_ci(method="wilson")
    got = share(7, 9)
    assert (got["low"], got["high"]) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert words(got, "{:.2f}") == f"0.78 ({expected.low:.2f} to {expected.high:.2f})"
    with pytest.raises(AnalysisError, match="no proportion"):
        share(3, 2)


@pytest.mark.parametrize("groups", [[], [[]], [[1.0, float("nan")]]])
def test_bootstrap_of_nothing_is_an_error(groups: list) -> None:
    with pytest.raises(AnalysisError, match="no observations"):
        bootstrap(groups)


def test_rows_are_grouped_by_seed() -> None:
    rows = [{"seed": 2, "x": 1}, {"seed": 0, "x": 2}, {"seed": 2, "x": 3}]
    assert [g.tolist() for g in by_seed(rows, "x")] == [[2], [1, 3]]
