import numpy as np
import pytest
from scipy import stats

from memlens.stats.information import entropy, mutual_information


def test_entropy_is_that_of_scipy() -> None:
    share = np.random.default_rng(0).dirichlet(np.ones(5), 7)
    share[0] = [1, 0, 0, 0, 0]
    np.testing.assert_allclose(entropy(share), stats.entropy(share, base=2, axis=1), atol=1e-12)


def test_information_is_the_entropy_that_the_other_takes_away() -> None:
    joint = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(3, 4)
    expected = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.ravel())
    assert mutual_information(joint) == pytest.approx(expected)
    assert mutual_information(np.eye(4) / 4) == 2
