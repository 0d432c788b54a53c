import numpy as np
import pytest
from scipy.stats import permutation_test

from memlens.stats.hypothesis_tests import p_value, sign_flip_p, two_sided_p, two_sided_sign_flip_p


def test_p_is_never_zero():
    assert p_value(9.0, np.zeros(19)) == pytest.approx(0.05)
    assert p_value(-1.0, np.zeros(19)) == 1


def test_two_sided_p_counts_both_tails() -> None:
    null = np.linspace(-1, 1, 199) + 5
    assert two_sided_p(5.9, null) == two_sided_p(4.1, null) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.8])
def test_sign_flips_are_those_of_scipy(shift: float) -> None:
    values = np.random.default_rng(1).normal(shift, size=40)
    for own, side in ((sign_flip_p, "greater"), (two_sided_sign_flip_p, "two-sided")):
        expected = permutation_test(
            (values,), np.mean, permutation_type="samples", n_resamples=9999, alternative=side, rng=2
        )
        assert own(values, 9999, 0) == pytest.approx(
            expected.pvalue, abs=0.03
        )  # 3 standard errors of two Monte-Carlo p


def test_no_values_no_p() -> None:
    assert np.isnan(sign_flip_p(np.array([np.nan]), 99, 0))
    assert sign_flip_p(np.zeros(5), 99, 0) == 1
