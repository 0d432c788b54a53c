import numpy as np

from memlens.stats.comparisons import holm, largest_null


def test_holm_of_a_worked_example() -> None:
    """Steps: 0.01 x 4, 0.015 x 3 (0.045), 0.03 x 2, 0.04 x 1, made monotone."""
    found = holm(np.array([0.03, np.nan, 0.01, 0.04, 0.015]))
    np.testing.assert_allclose(found, [0.06, np.nan, 0.04, 0.06, 0.045])


def test_holm_holds_the_rate_of_any_false_alarm() -> None:
    p = np.random.default_rng(0).random((4000, 5))
    alarms = np.mean([(holm(row) <= 0.05).any() for row in p])
    assert 0.035 < alarms <= 0.06


def test_largest_null_of_19_shuffles_is_the_largest_of_all() -> None:
    null = np.random.default_rng(0).random((3, 19))
    null[2] = np.nan
    assert largest_null(null) == np.nanmax(null)
    assert largest_null(np.arange(99.0)[None]) == 94
