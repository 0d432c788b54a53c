"""Shannon's entropy and mutual information, in bits."""

import numpy as np


def entropy(share: np.ndarray) -> np.ndarray:
    """Entropy of shares over the last axis, in bits; a share of 0 adds nothing."""
    return -np.sum(share * np.log2(np.where(share > 0, share, 1)), axis=-1) + 0.0


def mutual_information(joint: np.ndarray) -> float:
    """Information, in bits, that the row and the column of a joint distribution, float [row, column], give about each other."""
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log2(joint[there] / apart[there])).sum())
