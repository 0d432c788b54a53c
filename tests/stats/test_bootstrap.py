"""Intervals of the bootstrap cover the truth as often as they say, and are scipy's where nothing is grouped."""

import numpy as np
import pytest
import scipy.stats

from memlens.errors import AnalysisError
from memlens.stats.bootstrap import (
    by_seed,
    cluster_means,
    drawn_blocks,
    nested_bootstrap,
    nested_means,
    paired_bootstrap,
    percentiles,
)  # fmt: skip


def test_without_groups_it_is_the_bootstrap_of_scipy() -> None:
    values = np.random.default_rng(0).gamma(2, size=300)
    expected = scipy.stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1)
    expected = expected.confidence_interval
    tolerance = 0.1 * (expected.high - expected.low)
    each = np.arange(values.size)
    for low, high in (
        percentiles(values[drawn_blocks(values.size, 4000, 2)].mean(1)),
        percentiles(cluster_means(values[:, None], each, 4000, 3)[:, 0]),
        percentiles(nested_means(values[:, None], 0 * each, 4000)[:, 0]),
        (lambda found: (found["low"], found["high"]))(nested_bootstrap([values], n_draw=4000)),
    ):
        np.testing.assert_allclose((low, high), (expected.low, expected.high), atol=tolerance)


def test_draws_are_those_of_one_generator() -> None:
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(drawn_blocks(7, 30, 5), [rng.integers(0, 7, 7) for _ in range(30)])


def test_whole_units_are_drawn():
    drawn = cluster_means(np.array([[1.0], [1.0], [5.0], [5.0]]), np.array([7, 7, 9, 9]), 200, 0)
    assert set(drawn[:, 0]) == {1.0, 3.0, 5.0}


def test_bootstrap_of_known_data() -> None:
    rng = np.random.default_rng(1)
    one = nested_bootstrap([rng.normal(5, 2, 400)])
    assert one["low"] < one["value"] < one["high"]
    half = 1.96 * 2 / np.sqrt(400)
    assert (one["high"] - one["low"]) / 2 == pytest.approx(half, rel=0.15)
    assert nested_bootstrap([[3.0, 3.0], [3.0]]) == {"value": 3.0, "low": 3.0, "high": 3.0, "n": 3, "groups": 2}
    assert nested_bootstrap([[1.0], [2.0], [9.0]], np.median)["value"] == 2.0


def test_bootstrap_covers_the_truth_when_seeds_differ() -> None:
    """Seeds that differ by more than their rows do: resampling rows alone would miss the truth most of the time."""
    rng = np.random.default_rng(2)
    hit = pooled = 0
    for _ in range(60):
        groups = [rng.normal(mean, 0.1, 50) for mean in rng.normal(0, 1, 30)]
        found = nested_bootstrap(groups, n_draw=200)
        hit += found["low"] <= 0 <= found["high"]
        found = nested_bootstrap([np.concatenate(groups)], n_draw=200)
        pooled += found["low"] <= 0 <= found["high"]
    assert hit >= 52
    assert pooled < 30


def test_paired_difference_cancels_what_both_share() -> None:
    rng = np.random.default_rng(3)
    shared = [rng.normal(0, 10, 100) for _ in range(4)]
    first = [s + 1 + rng.normal(0, 0.1, 100) for s in shared]
    found = paired_bootstrap(first, shared)
    assert found["low"] < found["value"] < found["high"]
    assert found["value"] == pytest.approx(1, abs=0.05) and found["high"] - found["low"] < 0.1
    with pytest.raises(AnalysisError, match="group 0 has 2 and 1"):
        paired_bootstrap([[1.0, 2.0]], [[1.0]])


@pytest.mark.parametrize("groups", [[], [[]], [[1.0, float("nan")]]])
def test_bootstrap_of_nothing_is_an_error(groups: list) -> None:
    with pytest.raises(AnalysisError, match="no observations"):
        nested_bootstrap(groups)


def test_rows_are_grouped_by_seed() -> None:
    rows = [{"seed": 2, "x": 1}, {"seed": 0, "x": 2}, {"seed": 2, "x": 3}]
    assert [g.tolist() for g in by_seed(rows, "x")] == [[2], [1, 3]]


@pytest.mark.parametrize(
    ("n_stream", "n_question", "alike", "least", "most"),
    [
        (1, 100, 0.0, 0.92, 0.98),
        (4, 40, 0.0, 0.95, 1.0),
        (4, 40, 0.1, 0.86, 0.93),
        (8, 40, 0.05, 0.92, 0.98),
        (20, 40, 0.1, 0.92, 0.98),
    ],
)
def test_coverage(n_stream: int, n_question: int, alike: float, least: float, most: float) -> None:
    """Share of 400 simulated evaluations whose interval holds the true accuracy, 0.7.

    ``alike`` is the correlation of answers within a stream. Where it is 0 the interval is wider than it need be; four streams
    of answers that are alike are too few to say how far streams differ, and the interval is too narrow.
    """
    rng = np.random.default_rng(1)
    stream = np.repeat(np.arange(n_stream), n_question)
    scale = (1 - alike) / alike if alike else 0
    held = 0
    for _ in range(400):
        truth = rng.beta(0.7 * scale, 0.3 * scale, n_stream) if alike else np.full(n_stream, 0.7)
        correct = rng.random(len(stream)) < truth[stream]
        low, high = percentiles(nested_means(correct[:, None].astype(float), stream, n_draw=500)[:, 0])
        held += low <= 0.7 <= high
    assert least <= held / 400 <= most
