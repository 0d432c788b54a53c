import numpy as np
import pytest
from scipy.stats import CensoredData, logrank

from memlens.stats.survival import half_life, kaplan_meier, log_rank

#: Weeks in remission of leukaemia patients (Freireich et al., 1963), 6-MP and placebo; False where censored.
TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
RELAPSED = np.array([True] * 9 + [False] * 12)


def test_published_curve() -> None:
    """Kalbfleisch and Prentice, 2002, section 1.1: survival and Greenwood's standard error of the treated."""
    age = np.array([6, 7, 10, 13, 16, 22, 23])
    curve, low, high, risk = kaplan_meier(np.array(TREATED), RELAPSED, age)
    np.testing.assert_allclose(curve, [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], atol=5e-4)
    error = np.array([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346])
    spread = 1.959964 * error / (curve * np.abs(np.log(curve)))
    np.testing.assert_allclose(low, curve ** np.exp(spread), atol=1e-3)
    np.testing.assert_allclose(high, curve ** np.exp(-spread), atol=1e-3)
    assert risk.tolist() == [21, 17, 15, 12, 11, 7, 6]


def test_published_half_life_and_log_rank() -> None:
    treated, low, high = half_life(np.array(TREATED), RELAPSED)
    assert (treated, low) == (23, 13)
    assert np.isnan(high)
    assert half_life(np.array(PLACEBO), np.ones(21, bool)) == (8, 4, 11)
    both = np.array(TREATED + PLACEBO)
    died, group = np.append(RELAPSED, np.ones(21, bool)), np.repeat([0, 1], 21)
    statistic, degrees, p = log_rank(both, died, group)
    assert statistic == pytest.approx(16.79, abs=0.01)
    assert degrees == 1
    assert p == pytest.approx(4.17e-5, rel=0.01)


def test_two_groups_are_those_of_scipy() -> None:
    """scipy's statistic is the root of the usual one."""
    rng = np.random.default_rng(0)
    duration, died, group = rng.integers(1, 30, 80), rng.random(80) < 0.7, rng.integers(0, 2, 80)
    statistic, degrees, p = log_rank(duration, died, group)
    one, other = (CensoredData.right_censored(duration[group == g], ~died[group == g]) for g in (0, 1))
    expected = logrank(one, other)
    assert degrees == 1
    assert (statistic, p) == (pytest.approx(expected.statistic**2), pytest.approx(expected.pvalue))


def test_of_nothing_and_of_none_dead() -> None:
    nothing, ages = np.zeros(0, int), np.arange(3)
    assert np.isnan(kaplan_meier(nothing, nothing.astype(bool), ages)[0]).all()
    assert np.isnan(half_life(nothing, nothing.astype(bool))).all()
    survival, low, high, risk = kaplan_meier(np.array([2, 2, 1]), np.zeros(3, bool), np.arange(4))
    np.testing.assert_array_equal([survival[:3], low[:3], high[:3]], np.ones((3, 3)))
    assert np.isnan(survival[3]) and risk.tolist() == [3, 3, 2, 0]
    assert np.isnan(log_rank(np.array([1, 2]), np.zeros(2, bool), np.array([0, 1]))[0])
