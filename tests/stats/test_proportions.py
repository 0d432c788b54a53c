import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from memlens.stats.proportions import ratio, wilson


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_holds_the_estimate(n, share):
    hits = int(n * share)
    low, high = wilson(np.array(hits), np.array(n))
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1


def test_wilson_of_a_published_example():
    low, high = wilson(np.array(81), np.array(263))  # Newcombe, 1998, table I: 0.2553 to 0.3662
    assert (float(low), float(high)) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


def test_wilson_holds_the_share_itself() -> None:
    n = np.arange(1, 200)
    for right in (n, n * 0):
        low, high = wilson(right, n)
        assert (low <= right / n).all() and (high >= right / n).all()


def test_wilson_is_that_of_scipy() -> None:
    n = np.array([1, 2, 9, 100, 5000])
    right = np.array([1, 0, 7, 50, 4999])
    expected = [binomtest(int(k), int(m)).proportion_ci(method="wilson") for k, m in zip(right, n, strict=True)]
    low, high = wilson(right, n)
    np.testing.assert_allclose(low, [each.low for each in expected], atol=1e-7)
    np.testing.assert_allclose(high, [each.high for each in expected], atol=1e-7)


def test_of_nothing_there_is_no_ratio() -> None:
    np.testing.assert_array_equal(ratio([1, 0, 3], [2, 0, -1]), [0.5, np.nan, np.nan])
    assert np.isnan(wilson(np.array(0), np.array(0))).all()
