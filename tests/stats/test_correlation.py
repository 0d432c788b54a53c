import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from memlens.stats.correlation import centred_ranks, rank_correlation


def test_rank_correlation_with_ties() -> None:
    one, other = np.array([1.0, 2.0, 2.0, 5.0, 0.0]), np.array([3.0, 3.0, 1.0, 9.0, 2.0])
    expected = np.corrcoef(rankdata(one), rankdata(other))[0, 1]
    assert rank_correlation(one, other) == pytest.approx(expected)
    assert np.isnan(rank_correlation(one, np.zeros(5)))


def test_centred_ranks_are_those_of_each_group() -> None:
    rng = np.random.default_rng(0)
    values, group = rng.integers(0, 6, 40).astype(float), rng.integers(0, 3, 40)
    ranks = centred_ranks(values, group)
    for each in range(3):
        own = group == each
        n = own.sum()
        np.testing.assert_allclose(ranks[own], (rankdata(values[own]) - (n + 1) / 2) / n, atol=1e-12)
    assert centred_ranks(np.array([4.0, 1.0]), np.array([0, 1])).tolist() == [0, 0]
    assert spearmanr(values, ranks).statistic > 0.5
