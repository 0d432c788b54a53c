"""Intervals of studies in words."""

import pytest
from scipy.stats import binomtest

from analyses.common.words import words
from memlens.errors import AnalysisError
from memlens.stats.bootstrap import share_interval


def test_shares_are_wilson() -> None:
    expected = binomtest(7, 9).proportion_ci(method="wilson")
    got = share_interval(7, 9)
    assert (got["low"], got["high"]) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert words(got, "{:.2f}") == f"0.78 ({expected.low:.2f} to {expected.high:.2f})"
    with pytest.raises(AnalysisError, match="no share"):
        share_interval(3, 2)
