import numpy as np
import pytest

from memlens.stats.jackknife import jackknife


def test_of_a_mean_it_is_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=50)
    low, high = jackknife(lambda kept: values[kept].mean(), np.arange(50))
    half = 1.959964 * values.std(ddof=1) / np.sqrt(50)
    assert (float(low), float(high)) == (pytest.approx(values.mean() - half), pytest.approx(values.mean() + half))


def test_rows_of_a_block_are_left_out_together() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=20), 10)
    alone = jackknife(lambda kept: values[kept].mean(), np.arange(200))
    together = jackknife(lambda kept: values[kept].mean(), np.repeat(np.arange(20), 10))
    assert together[1] - together[0] > 2.5 * (alone[1] - alone[0])


def test_one_block_has_no_interval() -> None:
    assert np.isnan(jackknife(lambda kept: np.ones(3) * kept.sum(), np.zeros(5, int))).all()
