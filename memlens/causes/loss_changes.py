"""What counts as a change of loss: more than rounding."""

import numpy as np

#: A change of loss below this, in nats a token, is none: the order in which sums are taken changes last bits.
NOISE = 1e-4


def without_rounding(change: np.ndarray) -> np.ndarray:
    """Changes of loss with what is rounding set to 0."""
    return np.where(np.abs(change) < NOISE, 0.0, change)
