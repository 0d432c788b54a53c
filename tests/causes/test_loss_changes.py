import numpy as np

from memlens.causes.loss_changes import settled


def test_rounding_is_no_change():
    np.testing.assert_array_equal(settled(np.array([5e-5, -5e-5, 0.1])), [0, 0, 0.1])
