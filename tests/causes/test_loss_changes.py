import numpy as np

from memlens.causes.loss_changes import without_rounding


def test_rounding_is_no_change():
    np.testing.assert_array_equal(without_rounding(np.array([5e-5, -5e-5, 0.1])), [0, 0, 0.1])
